//! Whose request it is: the address of the client, also behind proxies.
//!
//! A proxy appends the address that it was called from to `X-Forwarded-For`. That list is believed from its end, as far as the
//! hops are proxies of ours: what stands before the first stranger is the stranger's own invention.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::http::{HeaderMap, HeaderName};
use thiserror::Error;

use crate::limits::HOPS_MAX;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses whose first bits are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a network is an address, or an address and the length of its prefix: \"10.0.0.0/8\"")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().map_err(|_| NetworkError)?
            }
            Some(_) => return Err(NetworkError),
            None => most,
        };
        if bits > most {
            return Err(NetworkError);
        }
        Ok(Self { first, bits })
    }
}

impl Network {
    /// Whether an address is one of these.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                first.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.bits))
                    .unwrap_or(0);
                first.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The proxies that are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(pub Vec<Network>);

impl Proxies {
    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who asks; `None` where a proxy asks for itself, or does not say for whom.
    #[must_use]
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.ip().to_canonical();
        if !self.contain(peer) {
            return Some(peer);
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops.take(HOPS_MAX) {
            let address = hop_address(hop.trim())?.to_canonical();
            if !self.contain(address) {
                return Some(address);
            }
        }
        None
    }
}

/// An address, as proxies write it: bare, in brackets, or with a port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip()).ok();
    bare.parse().ok().or_else(with_port)
}

/// Goes with every request: who asks, as [`Proxies::client`] has found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) Option<IpAddr>);

/// What is counted as one client: an address of IPv4, the first half of one of IPv6, which is given to a household.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Where a request came from whose connection is not known.
pub(crate) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxies(networks: &[&str]) -> Proxies {
        Proxies(networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| (FORWARDED_FOR, line.parse().unwrap()));
        HeaderMap::from_iter(lines)
    }

    fn peer(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 4711)
    }

    #[test]
    fn networks_are_read_and_hold_what_they_should() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("fc00::/7", "fdff::1", "fe00::1"),
            ("2001:db8::7/128", "2001:db8::7", "2001:db8::6"),
        ] {
            let network: Network = text.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{text}");
            assert!(!network.contains(outside.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "10.0.0.0/33",
            "::1/129",
            "10.0.0.0/+8",
            "10/8",
            "private",
            "::1/",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }

    #[test]
    fn a_stranger_is_who_they_are_whatever_they_say() {
        let proxies = proxies(&["10.0.0.0/8"]);
        let said = headers(&["198.51.100.1"]);
        let client = |address| proxies.client(peer(address), &said);
        assert_eq!(client("203.0.113.9"), Some("203.0.113.9".parse().unwrap()));
        assert_eq!(
            client("::ffff:203.0.113.9"),
            Some("203.0.113.9".parse().unwrap())
        );
    }

    #[test]
    fn proxies_are_believed_from_the_end_to_the_first_stranger() {
        let proxies = proxies(&["10.0.0.0/8", "fc00::/7"]);
        for (lines, client) in [
            (&["203.0.113.9"][..], Some("203.0.113.9")),
            (&["6.6.6.6, 203.0.113.9, 10.1.1.1"], Some("203.0.113.9")),
            (&["6.6.6.6, 203.0.113.9", "10.1.1.1"], Some("203.0.113.9")),
            (&["nonsense, 203.0.113.9:5000"], Some("203.0.113.9")),
            (&["[2001:db8::7]:443,10.2.3.4"], Some("2001:db8::7")),
            (&["2001:db8::7"], Some("2001:db8::7")),
            (&["203.0.113.9, nonsense"], None),
            (&["10.1.1.1"], None),
            (&[""], None),
            (&[], None),
        ] {
            let found = proxies.client(peer("10.9.9.9"), &headers(lines));
            assert_eq!(found, client.map(|text| text.parse().unwrap()), "{lines:?}");
        }
        let endless = "10.1.1.1,".repeat(HOPS_MAX) + "10.1.1.1";
        let hops = headers(&[&format!("203.0.113.9,{endless}")]);
        assert_eq!(proxies.client(peer("10.9.9.9"), &hops), None);
    }

    #[test]
    fn a_household_is_one() {
        let home = |text: &str| household(text.parse().unwrap());
        assert_eq!(home("2001:db8::1"), home("2001:db8::ffff:1"));
        assert_ne!(home("2001:db8:0:1::1"), home("2001:db8::1"));
        assert_ne!(home("203.0.113.9"), home("203.0.113.8"));
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_says_is_looked_through(
            said in prop::collection::vec("[ -~]{0,40}", 0..4),
            stranger in any::<u32>().prop_map(Ipv4Addr::from_bits),
            hops in prop::collection::vec(0_u32..1 << 24, 0..HOPS_MAX),
        ) {
            let proxies = proxies(&["10.0.0.0/8"]);
            let stranger = IpAddr::from(stranger);
            prop_assume!(!proxies.contain(stranger));
            let mut lines = said;
            // Each proxy appends who has called it.
            lines.push(stranger.to_string());
            lines.extend(hops.iter().map(|low| Ipv4Addr::from_bits(10 << 24 | low).to_string()));
            let one_line = headers(&[&lines.join(", ")]);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            for headers in [one_line, headers(&lines)] {
                prop_assert_eq!(proxies.client(peer("10.9.9.9"), &headers), Some(stranger));
                let own = proxies.client(SocketAddr::new(stranger, 1), &headers);
                prop_assert_eq!(own, Some(stranger));
            }
        }

        #[test]
        fn no_header_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let proxies = proxies(&["0.0.0.0/0", "::/0"]);
            if let Ok(value) = axum::http::HeaderValue::from_bytes(&bytes) {
                let headers = HeaderMap::from_iter([(FORWARDED_FOR, value)]);
                prop_assert_eq!(proxies.client(peer("10.9.9.9"), &headers), None);
            }
        }
    }
}
