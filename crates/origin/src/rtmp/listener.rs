//! Takes RTMP connections, at most so many in all and so many from one peer.
//!
//! A connection over a limit is closed at once and counted. Every task is owned by the listener's: when that ends, all
//! of them do.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::connection::Connection;
use crate::{
    limits::{CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX},
    metrics::{Counted, Refusal},
    shared::{Shared, stopped},
};

/// Pause after a failed accept: the usual reason is that the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
    admitted: Arc<Admitted>,
}

impl Listener {
    /// Binds at once, so that an address that is taken is known before anything else starts. Needs a runtime.
    pub(crate) fn bind(addr: SocketAddr, shared: Arc<Shared>) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind(addr)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: TcpListener::from_std(socket)?,
            shared,
            admitted: Arc::default(),
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes connections until the origin stops, and then waits for them to end.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((socket, peer)) => self.admit(socket, peer, &stop, &mut connections),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept an RTMP connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.socket);
        while connections.join_next().await.is_some() {}
    }

    fn admit(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        stop: &watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) {
        let Some(admission) = Admission::take(&self.admitted, peer.ip()) else {
            self.shared.metrics.refused(Refusal::Connections);
            tracing::warn!(%peer, "too many RTMP connections: closed one");
            return;
        };
        let counted = Counted::new(&self.shared.metrics.connections);
        let connection = Connection::new(socket, peer, Arc::clone(&self.shared));
        let stop = stop.clone();
        connections.spawn(async move {
            connection.run(stop).await;
            drop((admission, counted));
        });
    }
}

/// How many connections each peer has. Never more entries than connections.
#[derive(Debug, Default)]
struct Admitted(Mutex<BTreeMap<IpAddr, usize>>);

/// One connection's place among those of its peer.
#[derive(Debug)]
struct Admission {
    admitted: Arc<Admitted>,
    network: IpAddr,
}

impl Admission {
    fn take(admitted: &Arc<Admitted>, ip: IpAddr) -> Option<Self> {
        let network = network_of(ip);
        let mut peers = admitted.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = peers.values().sum();
        let own = peers.get(&network).copied().unwrap_or(0);
        if total >= CONNECTIONS_MAX || own >= CONNECTIONS_PER_PEER_MAX {
            return None;
        }
        peers.insert(network, own + 1);
        drop(peers);
        Some(Self {
            admitted: Arc::clone(admitted),
            network,
        })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut peers = self
            .admitted
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match peers.get_mut(&self.network) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(peers.remove(&self.network)),
        }
    }
}

/// Whom an address belongs to: an IPv6 host has a whole /64 of them.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_and_all_together_have_a_limit() {
        let admitted = Arc::new(Admitted::default());
        let take = |ip: &str| Admission::take(&admitted, ip.parse().unwrap());
        let mut held: Vec<_> = (0..CONNECTIONS_PER_PEER_MAX)
            .filter_map(|_| take("192.0.2.1"))
            .collect();
        assert_eq!(held.len(), CONNECTIONS_PER_PEER_MAX);
        assert!(take("192.0.2.1").is_none());
        assert!(take("::ffff:192.0.2.1").is_none());
        held.pop();
        held.extend(take("192.0.2.1"));
        assert_eq!(held.len(), CONNECTIONS_PER_PEER_MAX);
        let mut host = 0_u32;
        while held.len() < CONNECTIONS_MAX {
            host += 1;
            held.extend(take(&format!("2001:db8:0:{host:x}::1")));
        }
        assert!(take("198.51.100.1").is_none());
        drop(held);
        assert!(admitted.0.lock().unwrap().is_empty());
    }

    #[test]
    fn addresses_of_one_network_are_one_peer() {
        let of = |ip: &str| network_of(ip.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
