//! How many connections there may be: so many in all, and so many from one peer, through whichever door.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use crate::limits::CONNECTIONS_MAX;

/// How many connections each peer has, through whichever door. Never more entries than connections.
#[derive(Debug)]
pub(crate) struct Admitted {
    per_peer_max: usize,
    peers: Mutex<BTreeMap<IpAddr, usize>>,
}

/// One connection's place among those of its peer.
#[derive(Debug)]
pub(crate) struct Admission {
    admitted: Arc<Admitted>,
    network: IpAddr,
}

impl Admitted {
    /// None yet, and at most so many from one peer.
    pub(crate) fn new(per_peer_max: usize) -> Self {
        Self {
            per_peer_max,
            peers: Mutex::default(),
        }
    }

    /// A place for one more connection from there, if there is one.
    pub(crate) fn admit(self: &Arc<Self>, ip: IpAddr) -> Option<Admission> {
        let network = network_of(ip);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = peers.values().sum();
        let own = peers.get(&network).copied().unwrap_or(0);
        if total >= CONNECTIONS_MAX || own >= self.per_peer_max {
            return None;
        }
        peers.insert(network, own + 1);
        drop(peers);
        Some(Admission {
            admitted: Arc::clone(self),
            network,
        })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut peers = self
            .admitted
            .peers
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
        let admitted = Arc::new(Admitted::new(3));
        let take = |ip: &str| admitted.admit(ip.parse().unwrap());
        let mut held: Vec<_> = (0..3).filter_map(|_| take("192.0.2.1")).collect();
        assert_eq!(held.len(), 3);
        assert!(take("192.0.2.1").is_none());
        assert!(take("::ffff:192.0.2.1").is_none());
        held.pop();
        held.extend(take("192.0.2.1"));
        assert_eq!(held.len(), 3);
        let mut host = 0_u32;
        while held.len() < CONNECTIONS_MAX {
            host += 1;
            held.extend(take(&format!("2001:db8:0:{host:x}::1")));
        }
        assert!(take("198.51.100.1").is_none());
        drop(held);
        assert!(admitted.peers.lock().unwrap().is_empty());
    }

    #[test]
    fn addresses_of_one_network_are_one_peer() {
        let of = |ip: &str| network_of(ip.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
