//! The keys that tokens are verified with. Whoever starts the gateway keeps them, and may replace them while it runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use fanwave_wire::{
    UnixMillis,
    token::{Claims, KeyRing, SubscribeClaims, TokenError, TokenKey},
};

/// A key ring that is shared and may be replaced whole. Reading it takes no lock.
#[derive(Debug, Clone)]
pub struct Keys(Arc<ArcSwap<KeyRing>>);

impl Keys {
    /// Reads the token of a connection.
    pub(crate) fn verify_connect(
        &self,
        token: &str,
        now: UnixMillis,
    ) -> Result<Claims, TokenError> {
        self.0.load().verify_connect(token, now)
    }

    /// Reads the token of a subscription.
    pub(crate) fn verify_subscribe(
        &self,
        token: &str,
        now: UnixMillis,
    ) -> Result<SubscribeClaims, TokenError> {
        self.0.load().verify_subscribe(token, now)
    }
}

impl From<Arc<ArcSwap<KeyRing>>> for Keys {
    /// Keys that somebody else replaces.
    fn from(shared: Arc<ArcSwap<KeyRing>>) -> Self {
        Self(shared)
    }
}

impl From<TokenKey> for Keys {
    /// One secret of ours, for good.
    fn from(key: TokenKey) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(KeyRing::from(&key))))
    }
}
