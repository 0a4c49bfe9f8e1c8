//! The plan of the HTTP ports.

use std::{net::SocketAddr, time::Duration};

use fanwave_gateway::TlsFiles;

use super::{check::Check, schema::Config, settings::KeyPath};

/// Most entries of a list of origins; every upgrade request is compared with each.
pub const ORIGINS_MAX: usize = 64;

/// The HTTP ports.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What fans type, without a slash at the end; `None`: derived from the port.
    pub public_url: Option<String>,
    /// Origins that may open the chat; empty: the request's own host.
    pub allowed_origins: Vec<String>,
    /// Connections at once.
    pub connections_max: usize,
    /// Longest wait for a header.
    pub header_wait: Duration,
    /// Largest header.
    pub header_bytes_max: usize,
    /// The same over TLS.
    pub tls: Option<HttpTls>,
}

/// The HTTP port that speaks TLS.
#[derive(Debug, Clone)]
pub struct HttpTls {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate and its key.
    pub files: TlsFiles,
    /// Where to listen for HTTP/3, if it is spoken.
    pub h3_listen: Option<SocketAddr>,
}

/// Plans it.
pub(super) fn plan(check: &mut Check<'_>, config: &Config) -> Http {
    let key = |name| KeyPath::of("http", name);
    let http = &config.http;
    let public_url = http.public_url.trim_end_matches('/');
    if !public_url.is_empty() && !is_origin(public_url) {
        check.refuse(
            key("public_url"),
            "must be http:// or https:// and a host, without a path",
        );
    }
    if http.allowed_origins.len() > ORIGINS_MAX {
        check.refuse(
            key("allowed_origins"),
            format!("has at most {ORIGINS_MAX} entries"),
        );
    }
    if let Some(wrong) = http
        .allowed_origins
        .iter()
        .find(|origin| !is_origin(origin))
    {
        check.refuse(
            key("allowed_origins"),
            format!("holds \"{wrong}\"; an origin is http:// or https:// and a host, without a slash at the end"),
        );
    }
    let listen = check.address(key("listen"), &http.listen);
    if listen.port() != 0 && config.rtmp.listen.parse() == Ok(listen) {
        check.refuse(
            KeyPath::of("rtmp", "listen"),
            "is the address of http.listen too: each needs its own port",
        );
    }
    Http {
        listen,
        public_url: (!public_url.is_empty()).then(|| public_url.to_owned()),
        allowed_origins: http.allowed_origins.clone(),
        connections_max: check.number(key("connections_max"), http.connections_max, 1..=1_000_000),
        header_wait: check.duration(key("header_wait"), &http.header_wait, secs(1)..=secs(300)),
        header_bytes_max: check.number(
            key("header_bytes_max"),
            http.header_bytes_max,
            8192..=1_048_576,
        ),
        tls: tls(check, config),
    }
}

/// All three keys, or none.
fn tls(check: &mut Check<'_>, config: &Config) -> Option<HttpTls> {
    let key = |name| KeyPath::of("http", name);
    let http = &config.http;
    let secret = check.secret_file(key("tls_key"), &http.tls_key);
    let missing = [
        ("tls_listen", http.tls_listen.is_empty()),
        ("tls_certificate", http.tls_certificate.is_empty()),
        ("tls_key", secret.is_none()),
    ];
    if missing.iter().all(|(_, missing)| *missing) {
        if !http.h3_listen.is_empty() {
            check.refuse(
                key("h3_listen"),
                "needs http.tls_listen, http.tls_certificate and http.tls_key: browsers are told there that HTTP/3 is spoken",
            );
        }
        return None;
    }
    for (name, _) in missing.iter().filter(|(_, missing)| *missing) {
        check.refuse(
            key(name),
            "must be set: http.tls_listen, http.tls_certificate and http.tls_key go together",
        );
    }
    if http.tls_listen.is_empty() {
        return None;
    }
    let listen = check.address(key("tls_listen"), &http.tls_listen);
    let others = [&http.listen, &config.rtmp.listen];
    if listen.port() != 0 && others.iter().any(|other| other.parse() == Ok(listen)) {
        check.refuse(
            key("tls_listen"),
            "is the address of http.listen or rtmp.listen too: each needs its own port",
        );
    }
    let h3_listen =
        (!http.h3_listen.is_empty()).then(|| check.address(key("h3_listen"), &http.h3_listen));
    secret.map(|secret| HttpTls {
        listen,
        h3_listen,
        files: TlsFiles {
            certificate: (&http.tls_certificate).into(),
            key: secret,
        },
    })
}

/// Scheme, host and port and nothing behind them.
pub(super) fn is_origin(text: &str) -> bool {
    let authority = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    authority.is_some_and(|host| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b);
        !host.is_empty() && host.bytes().all(legal)
    })
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
