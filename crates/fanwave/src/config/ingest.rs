//! The plan of the ways in for encoders, beside plain RTMP.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use fanwave_gateway::TlsFiles;
use fanwave_origin::{
    WhipConfig,
    limits::{CONNECTIONS_MAX, WHIP_ADDRESSES_MAX},
};

use super::{check::Check, http::is_origin, schema, settings::KeyPath};

/// Longest public address of a way in, bytes.
const PUBLIC_BYTES_MAX: usize = 200;

/// Under which addresses encoders reach the ways in; `None`: at the ports of whatever host they are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicDoors {
    /// `rtmp://HOST/APP`, or `rtmps:` where a proxy speaks TLS.
    pub rtmp: Option<Arc<str>>,
    /// `rtmps://HOST/APP`.
    pub rtmps: Option<Arc<str>>,
    /// `srt://HOST:PORT`.
    pub srt: Option<Arc<str>>,
    /// `https://HOST`.
    pub whip: Option<Arc<str>>,
}

/// Plans them. Every key is checked, whether or not there is a port.
pub(super) fn public_doors(check: &mut Check<'_>, config: &schema::Config) -> PublicDoors {
    let mut said = |(section, name), text: &str, is_one: fn(&str) -> bool, form: &str| {
        if text.is_empty() {
            return None;
        }
        if text.len() > PUBLIC_BYTES_MAX || !is_one(text) {
            check.refuse(KeyPath::of(section, name), form);
        }
        Some(text.into())
    };
    PublicDoors {
        rtmp: said(
            ("rtmp", "public_url"),
            &config.rtmp.public_url,
            |text| is_rtmp(text, &["rtmp://", "rtmps://"]),
            "must be rtmp:// or rtmps://, a host, a port if it is not the usual one, and a folder: \"rtmp://ingest.example/live\"",
        ),
        rtmps: said(
            ("rtmp", "tls_public_url"),
            &config.rtmp.tls_public_url,
            |text| is_rtmp(text, &["rtmps://"]),
            "must be rtmps://, a host, a port if it is not the usual one, and a folder: \"rtmps://ingest.example/live\"",
        ),
        srt: said(
            ("srt", "public_url"),
            &config.srt.public_url,
            |text| {
                let place = text
                    .strip_prefix("srt://")
                    .and_then(|at| at.rsplit_once(':'));
                place.is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok())
            },
            "must be srt://, a host and a port: \"srt://ingest.example:9000\"",
        ),
        whip: said(
            ("whip", "public_url"),
            &config.whip.public_url,
            is_origin,
            "must be http:// or https:// and a host, without a path",
        ),
    }
}

/// An address of RTMP with its folder, and without a key.
fn is_rtmp(text: &str, schemes: &[&str]) -> bool {
    let place = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    place
        .and_then(|place| place.split_once('/'))
        .is_some_and(|(host, folder)| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
            is_host(host) && !folder.is_empty() && folder.bytes().all(legal)
        })
}

/// A host, with or without a port.
fn is_host(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b);
    !text.is_empty() && text.bytes().all(legal)
}

/// How many encoders connect from one address.
pub(super) fn connections_per_peer(check: &mut Check<'_>, rtmp: &schema::Rtmp) -> usize {
    check.number(
        KeyPath::of("rtmp", "connections_per_address"),
        rtmp.connections_per_address,
        1..=u64::try_from(CONNECTIONS_MAX).unwrap_or(u64::MAX),
    )
}

/// RTMP over TLS.
pub(super) fn rtmps(check: &mut Check<'_>, rtmp: &schema::Rtmp) -> Option<(SocketAddr, TlsFiles)> {
    let path = |name| KeyPath::of("rtmp", name);
    let key = check.secret_file(path("tls_key"), &rtmp.tls_key);
    let listen =
        (!rtmp.tls_listen.is_empty()).then(|| check.address(path("tls_listen"), &rtmp.tls_listen));
    match (listen, rtmp.tls_certificate.is_empty(), key) {
        (None, true, None) => None,
        (Some(listen), false, Some(key)) => Some((
            listen,
            TlsFiles {
                certificate: (&rtmp.tls_certificate).into(),
                key,
            },
        )),
        (_, _, None) => {
            check.refuse(
                path("tls_key"),
                "must be set with rtmp.tls_listen and rtmp.tls_certificate",
            );
            None
        }
        (_, true, Some(_)) => {
            check.refuse(
                path("tls_certificate"),
                "must be set with rtmp.tls_listen and rtmp.tls_key",
            );
            None
        }
        (None, false, Some(_)) => {
            check.refuse(
                path("tls_listen"),
                "must be set with rtmp.tls_certificate and rtmp.tls_key",
            );
            None
        }
    }
}

/// The SRT port.
#[derive(Debug, Clone)]
pub struct Srt {
    /// Where encoders call.
    pub listen: SocketAddr,
    /// How long a lost packet may take to come again.
    pub latency: Duration,
    /// Where the passphrase is.
    pub passphrase_file: Option<PathBuf>,
}

/// Plans it. Every key is checked, whether or not there is a port.
pub(super) fn srt(check: &mut Check<'_>, srt: &schema::Srt) -> Option<Srt> {
    let path = |name| KeyPath::of("srt", name);
    let latency = check.duration(
        path("latency"),
        &srt.latency,
        Duration::from_millis(20)..=Duration::from_secs(8),
    );
    let passphrase_file = check.secret_file(path("passphrase_file"), &srt.passphrase_file);
    (!srt.listen.is_empty()).then(|| Srt {
        listen: check.address(path("listen"), &srt.listen),
        latency,
        passphrase_file,
    })
}

/// Plans WHIP. Every key is checked, whether or not there is a port.
pub(super) fn whip(check: &mut Check<'_>, whip: &schema::Whip) -> Option<WhipConfig> {
    let path = |name| KeyPath::of("whip", name);
    let keyframe_interval = check.duration(
        path("keyframe_interval"),
        &whip.keyframe_interval,
        Duration::from_secs(1)..=Duration::from_secs(5),
    );
    let read: Option<Vec<IpAddr>> = whip.addresses.iter().map(|ip| ip.parse().ok()).collect();
    let mut addresses = read.unwrap_or_else(|| {
        check.refuse(
            path("addresses"),
            "must be a list of IP addresses such as [\"203.0.113.7\"]",
        );
        Vec::new()
    });
    if addresses.len() > WHIP_ADDRESSES_MAX || addresses.iter().any(IpAddr::is_unspecified) {
        check.refuse(
            path("addresses"),
            format!("must be at most {WHIP_ADDRESSES_MAX} addresses that publishers can reach"),
        );
    }
    if whip.listen_udp.is_empty() {
        return None;
    }
    let listen = check.address(path("listen_udp"), &whip.listen_udp);
    if addresses.is_empty() {
        if listen.ip().is_unspecified() {
            check.refuse(
                path("addresses"),
                "must be set where whip.listen_udp is on every address: publishers have to be told one",
            );
        }
        addresses.push(listen.ip());
    }
    Some(WhipConfig {
        listen,
        addresses,
        keyframe_interval,
    })
}
