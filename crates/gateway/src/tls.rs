//! Certificates and their keys, and what TLS is spoken at the ports of the server.
//!
//! TLS 1.3 and 1.2 by rustls. Key exchange is hybrid post-quantum first, then X25519, then P-256 for the oldest clients.
//! One session ticket per handshake, sealed by a key that turns by itself and that no other process knows; nothing is
//! kept of a session that is over. The files are read at start, and anew when they have changed ([`Served`]).
//!
//! An HTTP server speaks the same TLS through [`TlsAcceptor`], so that a WebSocket can be taken out of it. Whoever serves something
//! else is handed what this makes of the files ([`bare_config`]), and need not know of certificates.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig, SupportedCipherSuite,
    crypto::aws_lc_rs::{self, Ticketer, kx_group},
    pki_types::{
        CertificateDer,
        pem::{self, PemObject},
    },
    server::NoServerSessionStorage,
};
use thiserror::Error;

mod https;
mod served;
mod suites;

use self::served::Served;
pub use https::{TlsAcceptor, TlsIo};

/// Where the certificate and its key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and behind it those that lead to a root.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// Why TLS cannot be spoken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is there, and has not what it should have.
    #[error("{} holds no {wanted} in PEM", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// Each file is good for itself.
    #[error("{} is not the key of {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Of a kind that is not served.
    #[error("the certificate cannot be served: {0}")]
    Unserved(rustls::Error),
}

/// What every TLS connection of the node is made of, where only a WebSocket is spoken.
pub(crate) fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    config_for(files, &[HTTP_1])
}

/// TLS as QUIC has it, for an HTTP server that speaks HTTP/3 (RFC 9001): version 1.3, with the suites of every browser.
///
/// Nothing is taken before a handshake is over (0-RTT): what is sent so can be sent again by whoever has seen it.
///
/// # Errors
///
/// [`TlsError`] names the file, and what is wrong with it.
pub fn quic_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = config_of(files, aws_lc_rs::default_provider().cipher_suites)?;
    config.alpn_protocols = vec![HTTP_3.to_vec()];
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// The same for a protocol that no name is agreed for, such as RTMP.
///
/// # Errors
///
/// [`TlsError`] names the file, and what is wrong with it.
pub fn bare_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    config_for(files, &[])
}

/// HTTP/1.1, as ALPN names it (RFC 7301, section 6).
const HTTP_1: &[u8] = b"http/1.1";

/// HTTP/2 over TLS (RFC 9113, section 3.2).
const HTTP_2: &[u8] = b"h2";

/// HTTP/3 (RFC 9114, section 3.1).
const HTTP_3: &[u8] = b"h3";

/// What TLS connections are made of whose peers may choose among these protocols, the first one first.
fn config_for(files: &TlsFiles, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let suites = suites::with_small_keys(&aws_lc_rs::default_provider().cipher_suites);
    let mut config = config_of(files, suites)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn config_of(
    files: &TlsFiles,
    cipher_suites: Vec<SupportedCipherSuite>,
) -> Result<ServerConfig, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = cipher_suites;
    provider.kx_groups = vec![
        kx_group::X25519MLKEM768,
        kx_group::X25519,
        kx_group::SECP256R1,
    ];
    let provider = Arc::new(provider);
    let served = Served::read(files, Arc::clone(&provider))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unserved)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(served));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new().map_err(TlsError::Unserved)?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wanted = "certificate";
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| explain(error, path, wanted))?;
    if chain.is_empty() {
        return Err(explain(pem::Error::NoItemsFound, path, wanted));
    }
    Ok(chain)
}

/// Says what is wrong with a file, and never what is in it.
fn explain(error: pem::Error, path: &Path, wanted: &'static str) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => TlsError::Read { path, source },
        _ => TlsError::Content { path, wanted },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with two certificates and their keys.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let path = |end: &str| folder.path().join(format!("{name}.{end}"));
            fs::write(path("crt"), made.cert.pem()).unwrap();
            fs::write(path("key"), made.signing_key.serialize_pem()).unwrap();
        }
        fs::write(folder.path().join("empty"), "").unwrap();
        folder
    }

    fn loaded(certificate: &str, key: &str) -> Result<Arc<ServerConfig>, TlsError> {
        let folder = folder();
        server_config(&TlsFiles {
            certificate: folder.path().join(certificate),
            key: folder.path().join(key),
        })
    }

    #[test]
    fn a_pair_is_served() {
        let config = loaded("a.crt", "a.key").unwrap();
        assert_eq!(config.send_tls13_tickets, 1);
        let groups: Vec<_> = config
            .crypto_provider()
            .kx_groups
            .iter()
            .map(|group| group.name())
            .collect();
        assert_eq!(groups[0], rustls::NamedGroup::X25519MLKEM768);
        assert_eq!(groups[1], rustls::NamedGroup::X25519);
    }

    #[test]
    fn what_is_wrong_is_named_and_never_quoted() {
        let error = |certificate, key| loaded(certificate, key).unwrap_err();
        assert!(matches!(error("a.crt", "b.key"), TlsError::Mismatch { .. }));
        assert!(matches!(error("none", "a.key"), TlsError::Read { .. }));
        assert!(matches!(error("a.crt", "none"), TlsError::Read { .. }));
        for (certificate, key, word) in [
            ("empty", "a.key", "holds no certificate"),
            ("a.key", "a.key", "holds no certificate"),
            ("a.crt", "empty", "holds no private key"),
            ("a.crt", "a.crt", "holds no private key"),
        ] {
            let told = error(certificate, key).to_string();
            assert!(told.contains(word), "{told}");
            assert!(!told.contains("BEGIN"), "{told}");
        }
    }
}
