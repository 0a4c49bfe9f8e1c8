//! The plan of the chat gateway's threads and ports.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use fanwave_gateway::{Compression, TlsFiles};

use super::{check::Check, schema, settings::KeyPath};

/// Most addresses of [`Gateway::listen`]: every thread has a socket at each.
const LISTEN_MAX: usize = fanwave_gateway::limits::LISTENERS_MAX;

/// Most threads.
const REACTORS_MAX: usize = fanwave_gateway::limits::REACTORS_MAX;

/// How the sockets of the fans are served.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Threads that own the sockets; `None`: one for each core.
    pub reactors: Option<NonZeroUsize>,
    /// Ports of their own.
    pub listen: Vec<SocketAddr>,
    /// Speak TLS there.
    pub tls: Option<TlsFiles>,
    /// New sockets per second in the long run; 0 for any number.
    pub accepts_per_second: u32,
    /// Longest wait for an upgrade request at one of those ports.
    pub handshake_timeout: Duration,
    /// Whether messages may be compressed.
    pub compression: Compression,
}

/// Plans it.
pub(super) fn plan(check: &mut Check<'_>, gateway: &schema::Gateway) -> Gateway {
    let key = |name| KeyPath::of("gateway", name);
    if gateway.listen.len() > LISTEN_MAX {
        check.refuse(key("listen"), format!("has at most {LISTEN_MAX} entries"));
    }
    let most = u64::try_from(REACTORS_MAX).unwrap_or(u64::MAX);
    Gateway {
        reactors: NonZeroUsize::new(check.number(key("reactors"), gateway.reactors, 0..=most)),
        listen: gateway
            .listen
            .iter()
            .map(|address| check.address(key("listen"), address))
            .collect(),
        tls: tls(check, gateway),
        accepts_per_second: check.number(
            key("accepts_per_second"),
            gateway.accepts_per_second,
            0..=1_000_000,
        ),
        handshake_timeout: check.duration(
            key("handshake_timeout"),
            &gateway.handshake_timeout,
            Duration::from_secs(1)..=Duration::from_secs(60),
        ),
        compression: compression(check, gateway),
    }
}

fn compression(check: &mut Check<'_>, gateway: &schema::Gateway) -> Compression {
    match gateway.compression.as_str() {
        "offered" => Compression::Offered,
        "never" => Compression::Never,
        _ => {
            check.refuse(
                KeyPath::of("gateway", "compression"),
                "must be \"offered\" or \"never\"",
            );
            Compression::Offered
        }
    }
}

fn tls(check: &mut Check<'_>, gateway: &schema::Gateway) -> Option<TlsFiles> {
    let key = |name| KeyPath::of("gateway", name);
    let certificate = &gateway.tls_certificate;
    let secret = check.secret_file(key("tls_key"), &gateway.tls_key);
    match (certificate.is_empty(), secret) {
        (true, None) => None,
        (false, Some(key)) => Some(TlsFiles {
            certificate: certificate.into(),
            key,
        }),
        (false, None) => {
            check.refuse(key("tls_key"), "must be set with gateway.tls_certificate");
            None
        }
        (true, Some(_)) => {
            check.refuse(key("tls_certificate"), "must be set with gateway.tls_key");
            None
        }
    }
}
