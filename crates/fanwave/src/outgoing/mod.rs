//! The one way out to addresses that a user of the API has set.
//!
//! A name is resolved once; each of its addresses is judged ([`Guard`]), and the connection goes to exactly what was judged: whoever
//! answers another address to a second question is not asked a second one. Nothing is decided when the address is set, for a name can
//! point elsewhere later. Addresses of the configuration file are the operator's own, and do not go through here.

mod guard;

use std::{fmt, io, net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::net::{TcpStream, lookup_host};

pub use self::guard::{Forbidden, Guard};
use crate::fetch::FetchError;

/// Addresses of one name that are tried at most, one after the other.
pub const ADDRESSES_TRIED_MAX: usize = 8;

/// Who knows the addresses of a name.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a host, by its name or as it is.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The resolver of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
    }
}

/// Connects to what a [`Guard`] lets through. Clones are the same one.
#[derive(Clone)]
pub struct Outgoing {
    guard: Arc<Guard>,
    resolver: Arc<dyn Resolve>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

impl Outgoing {
    /// With the machine's own resolver.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        Self::resolving(guard, Arc::new(SystemResolver))
    }

    /// With another resolver.
    #[must_use]
    pub fn resolving(guard: Guard, resolver: Arc<dyn Resolve>) -> Self {
        Self {
            guard: Arc::new(guard),
            resolver,
        }
    }

    /// A connection to the first address of a host that may be called and answers.
    ///
    /// # Errors
    ///
    /// [`FetchError::Forbidden`] where no address of the host may be called, else what the system says.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, FetchError> {
        let addresses = self.resolver.resolve(host, port).await?;
        let mut failed = None;
        let mut forbidden = None;
        for address in addresses.into_iter().take(ADDRESSES_TRIED_MAX) {
            if let Err(why) = self.guard.judge(address.ip()) {
                forbidden = Some(why);
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(socket) => return Ok(socket),
                Err(error) => failed = Some(error),
            }
        }
        Err(match (failed, forbidden) {
            (Some(error), _) => error.into(),
            (None, Some(why)) => why.into(),
            (None, None) => io::Error::from(io::ErrorKind::NotFound).into(),
        })
    }
}

#[cfg(test)]
mod tests;
