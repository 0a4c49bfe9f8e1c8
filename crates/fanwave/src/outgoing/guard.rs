//! Which addresses may be called for somebody who is not the operator: a decision without sockets or names.
//!
//! Whoever may tell this program an address could otherwise have it ask what only this machine or its network can reach: a
//! database, another server's API, a cloud's metadata. What is let through is what the whole internet reaches (the registries of
//! special addresses, RFC 6890 and its updates, leave out the rest), and the networks that the operator allows. An address of IPv6
//! that stands for one of IPv4 is judged as that, or not let through at all.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use fanwave_api::address::Network;
use thiserror::Error;

/// Why an address may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// `127.0.0.0/8`, `::1`.
    #[error("this machine's own (loopback)")]
    Loopback,
    /// `0.0.0.0/8`, `::`.
    #[error("no particular one (unspecified)")]
    Unspecified,
    /// `169.254.0.0/16`, `fe80::/10`: among others, what clouds tell their machines.
    #[error("link-local")]
    LinkLocal,
    /// RFC 1918, `fc00::/7`.
    #[error("of a private network")]
    Private,
    /// `100.64.0.0/10`, RFC 6598.
    #[error("of a carrier's own network")]
    Carrier,
    /// `224.0.0.0/4`, `ff00::/8`.
    #[error("of a group (multicast)")]
    Multicast,
    /// Stands for another address in a way that is not looked through: 6to4, Teredo, IPv4-compatible, a network's own NAT64.
    #[error("translated into another one")]
    Translated,
    /// For documents, tests, protocols or later.
    #[error("reserved")]
    Reserved,
}

/// Lets addresses through, or not.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Guard {
    allowed: Vec<Network>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("allowed", &self.allowed.len())
            .finish()
    }
}

impl Guard {
    /// A guard that lets through what is public, and these networks.
    #[must_use]
    pub const fn allowing(allowed: Vec<Network>) -> Self {
        Self { allowed }
    }

    /// Whether an address may be called.
    ///
    /// # Errors
    ///
    /// See [`Forbidden`].
    pub fn judge(&self, address: IpAddr) -> Result<(), Forbidden> {
        let address = meant(address);
        if self.allowed.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        match address {
            IpAddr::V4(address) => judge_v4(address),
            IpAddr::V6(address) => judge_v6(address),
        }
    }
}

/// The prefix of NAT64, RFC 6052: the rest is an address of IPv4, which a gateway calls.
const NAT64: (u128, u32) = (0x0064_ff9b << 96, 96);

/// The address that is called in the end, where another one stands for it.
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    if has_prefix(six, NAT64) {
        let [.., a, b, c, d] = six.octets();
        return Ipv4Addr::new(a, b, c, d).into();
    }
    address.to_canonical()
}

fn has_prefix(address: Ipv6Addr, (prefix, bits): (u128, u32)) -> bool {
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    address.to_bits() & mask == prefix
}

fn judge_v4(address: Ipv4Addr) -> Result<(), Forbidden> {
    let why = match address.octets() {
        [0, ..] => Forbidden::Unspecified,
        [127, ..] => Forbidden::Loopback,
        [169, 254, ..] => Forbidden::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Forbidden::Private,
        [100, 64..=127, ..] => Forbidden::Carrier,
        [224..=239, ..] => Forbidden::Multicast,
        // 6to4's relays, RFC 7526.
        [192, 88, 99, _] => Forbidden::Translated,
        // Protocols; documents, three times; benchmarks; later, with broadcast.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => {
            Forbidden::Reserved
        }
        [240..=255, ..] => Forbidden::Reserved,
        _ => return Ok(()),
    };
    Err(why)
}

fn judge_v6(address: Ipv6Addr) -> Result<(), Forbidden> {
    let why = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Forbidden::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Forbidden::Loopback,
        [0xfe80..=0xfebf, ..] => Forbidden::LinkLocal,
        // Unique local, and the site-local that they took the place of.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Forbidden::Private,
        [0xff00..=0xffff, ..] => Forbidden::Multicast,
        // IPv4-compatible, IPv4-translated, a network's own NAT64, Teredo, 6to4.
        [0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] | [0x2002, ..] => {
            Forbidden::Translated
        }
        // Protocols, documents.
        [0x2001, 0x0001..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Forbidden::Reserved,
        [0x2000..=0x3fff, ..] => return Ok(()),
        // All that the internet routes is in 2000::/3.
        _ => Forbidden::Reserved,
    };
    Err(why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(address: &str) -> Result<(), Forbidden> {
        Guard::default().judge(address.parse().unwrap())
    }

    const REFUSED: [(Forbidden, &[&str]); 8] = [
        (
            Forbidden::Loopback,
            &[
                "127.0.0.1",
                "127.255.255.255",
                "::1",
                "::ffff:127.0.0.1",
                "64:ff9b::7f00:1",
            ],
        ),
        (
            Forbidden::Unspecified,
            &["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
        ),
        (
            Forbidden::LinkLocal,
            &[
                "169.254.169.254",
                "fe80::1",
                "febf::1",
                "::ffff:169.254.169.254",
                "64:ff9b::a9fe:a9fe",
            ],
        ),
        (
            Forbidden::Private,
            &[
                "10.0.0.0",
                "10.255.255.255",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "fc00::1",
                "fdff:ffff::1",
                "fec0::1",
                "::ffff:10.1.2.3",
                "64:ff9b::c0a8:101",
            ],
        ),
        (Forbidden::Carrier, &["100.64.0.1", "100.127.255.255"]),
        (
            Forbidden::Multicast,
            &["224.0.0.1", "239.255.255.255", "ff02::1"],
        ),
        (
            Forbidden::Translated,
            &[
                "192.88.99.1",
                "2002:7f00:1::",
                "2002:808:808::1",
                "2001:0:4136:e378::1",
                "::127.0.0.1",
                "::ffff:0:127.0.0.1",
                "64:ff9b:1::a00:1",
            ],
        ),
        (
            Forbidden::Reserved,
            &[
                "192.0.0.8",
                "192.0.2.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.1",
                "240.0.0.1",
                "255.255.255.255",
                "2001:db8::1",
                "2001:10::1",
                "3fff::1",
                "100::1",
                "5f00::1",
                "64:ff9b:2::1",
            ],
        ),
    ];

    #[test]
    fn what_is_not_public_is_refused_by_its_kind() {
        for (kind, addresses) in REFUSED {
            for address in addresses {
                assert_eq!(judge(address), Err(kind), "{address}");
            }
        }
    }

    #[test]
    fn what_is_public_is_let_through_up_to_its_neighbours() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:200::1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert_eq!(judge(address), Ok(()), "{address}");
        }
    }

    #[test]
    fn what_the_operator_allows_is_let_through_in_whichever_form() {
        let networks = ["10.1.0.0/16", "fd00:1::/32", "127.0.0.1"];
        let guard = Guard::allowing(networks.map(|text| text.parse().unwrap()).to_vec());
        for (address, expected) in [
            ("10.1.2.3", Ok(())),
            ("::ffff:10.1.2.3", Ok(())),
            ("64:ff9b::a01:203", Ok(())),
            ("10.2.0.1", Err(Forbidden::Private)),
            ("fd00:1::5", Ok(())),
            ("fd00:2::5", Err(Forbidden::Private)),
            ("127.0.0.1", Ok(())),
            ("127.0.0.2", Err(Forbidden::Loopback)),
            ("::1", Err(Forbidden::Loopback)),
            ("8.8.8.8", Ok(())),
        ] {
            assert_eq!(guard.judge(address.parse().unwrap()), expected, "{address}");
        }
    }

    /// The networks of the registries, once more, as they are written there.
    const SPECIAL: [&str; 17] = [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
        "127.0.0.1/32",
    ];

    fn near_a_border() -> impl Strategy<Value = Ipv4Addr> {
        let network = prop::sample::select(SPECIAL.to_vec());
        let border = (network, -2_i64..=2, any::<bool>()).prop_map(|(network, step, at_end)| {
            let (first, bits) = network.split_once('/').unwrap();
            let first = i64::from(first.parse::<Ipv4Addr>().unwrap().to_bits());
            let size = 1_i64 << (32 - bits.parse::<i64>().unwrap());
            let at = first + if at_end { size } else { 0 } + step;
            Ipv4Addr::from_bits(u32::try_from(at.clamp(0, i64::from(u32::MAX))).unwrap())
        });
        prop_oneof![border, any::<u32>().prop_map(Ipv4Addr::from_bits)]
    }

    proptest! {
        #[test]
        fn an_address_of_ipv4_is_public_exactly_where_no_registry_has_it(address in near_a_border()) {
            let is_special = SPECIAL.iter().any(|text| {
                text.parse::<Network>().unwrap().contains(address.into())
            });
            prop_assert_eq!(Guard::default().judge(address.into()).is_err(), is_special);
        }

        #[test]
        fn an_address_is_judged_the_same_however_it_is_dressed(address in near_a_border()) {
            let guard = Guard::default();
            let bare = guard.judge(address.into());
            prop_assert_eq!(guard.judge(address.to_ipv6_mapped().into()), bare);
            let [a, b, c, d] = address.octets().map(u16::from);
            let gate = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
            prop_assert_eq!(guard.judge(gate.into()), bare);
            // What is not looked through is never let through.
            for other in [
                Ipv6Addr::new(0x2002, a << 8 | b, c << 8 | d, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !(a << 8 | b), !(c << 8 | d)),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, a << 8 | b, c << 8 | d),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, a << 8 | b, c << 8 | d),
            ] {
                prop_assert!(guard.judge(other.into()).is_err());
            }
        }

        #[test]
        fn of_ipv6_only_what_is_routed_is_let_through(bits in any::<u128>()) {
            let address = Ipv6Addr::from_bits(bits);
            let judged = Guard::default().judge(address.into());
            let is_routed = address.segments()[0] >> 13 == 1;
            prop_assert!(judged.is_err() || is_routed || has_prefix(address, NAT64)
                || address.to_ipv4_mapped().is_some());
        }

        #[test]
        fn what_is_allowed_is_let_through_and_lets_nothing_else_through(
            allowed in near_a_border(), bits in 0_u8..=32, address in near_a_border(),
        ) {
            let network: Network = format!("{allowed}/{bits}").parse().unwrap();
            let guard = Guard::allowing(vec![network]);
            let expected = if network.contains(address.into()) {
                Ok(())
            } else {
                Guard::default().judge(address.into())
            };
            prop_assert_eq!(guard.judge(address.into()), expected);
        }
    }
}
