//! The plan of how often one client may ask the API.

use std::num::NonZeroU32;

use fanwave_api::{
    RateLimits,
    address::{Network, Proxies},
};

use super::{check::Check, schema::Config, settings::KeyPath};

/// Most entries of the list of proxies; every request is compared with each.
const PROXIES_MAX: usize = 64;

/// Most requests that a limit can be about.
const PER_MINUTE_MAX: u64 = 1_000_000;

/// The networks that no stranger on the internet calls from: this machine, and private ones (RFC 1918, RFC 4193, RFC 3927,
/// RFC 4291, and RFC 6598 for what providers have between them and us).
const PRIVATE: [&str; 9] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// Plans it.
pub(super) fn plan(check: &mut Check<'_>, config: &Config) -> RateLimits {
    let mut per_minute = |section, name, number| {
        let number: u32 = check.number(KeyPath::of(section, name), number, 0..=PER_MINUTE_MAX);
        NonZeroU32::new(number)
    };
    let (api, quality) = (&config.api, &config.quality);
    let guests_per_minute = per_minute("api", "guests_per_minute", api.guests_per_minute);
    let requests_per_minute = per_minute("api", "requests_per_minute", api.requests_per_minute);
    let beacons = quality.beacons_per_minute;
    let beacons_per_minute = per_minute("quality", "beacons_per_minute", beacons);
    RateLimits {
        guests_per_minute,
        requests_per_minute,
        beacons_per_minute,
        proxies: proxies(check, &config.http.proxies),
    }
}

fn proxies(check: &mut Check<'_>, entries: &[String]) -> Proxies {
    let key = KeyPath::of("http", "proxies");
    if entries.len() > PROXIES_MAX {
        check.refuse(key, format!("has at most {PROXIES_MAX} entries"));
    }
    let mut networks = Vec::new();
    for entry in entries {
        match entry.parse::<Network>() {
            Ok(network) => networks.push(network),
            Err(_) if entry == "private" => {
                networks.extend(
                    PRIVATE
                        .iter()
                        .filter_map(|text| text.parse::<Network>().ok()),
                );
            }
            Err(error) => check.refuse(key, format!("holds \"{entry}\": {error}, or \"private\"")),
        }
    }
    Proxies(networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_private_network_is_one() {
        for text in PRIVATE {
            assert!(text.parse::<Network>().is_ok(), "{text}");
        }
    }
}
