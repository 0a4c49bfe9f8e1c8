//! The plan of the ways in for encoders, beside plain RTMP.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use fanwave_gateway::TlsFiles;
use fanwave_origin::{WhipConfig, limits::WHIP_ADDRESSES_MAX};

use super::{check::Check, schema, settings::KeyPath};

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
