//! Whom a fan believes over TLS: the system's roots, or the one certificate file that the user names.
//!
//! A file may hold roots, or the server's very own certificate, as tools make it for a test: such a one is believed when
//! it is exactly what the server shows, whatever name it was made for.

use std::{fs, io, path::Path, sync::Arc};

use rustls::{
    CipherSuite, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use thiserror::Error;

use crate::limits::CERTIFICATE_FILE_BYTES_MAX;

/// Why nobody can be believed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The file cannot be read.
    #[error("{file} cannot be read: {source}")]
    Read {
        /// Which.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds no certificate.
    #[error("{file} holds no certificate in PEM")]
    Content {
        /// Which.
        file: String,
    },
    /// The system has no roots.
    #[error("this system has no certificates to trust; name the server's with --ca FILE")]
    NoRoots,
    /// TLS cannot be spoken with them.
    #[error("the certificates cannot be used: {0}")]
    Unusable(String),
}

/// What every TLS connection is made of.
///
/// Nothing is resumed: a run is many different fans, and each pays for a whole handshake.
pub(crate) fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TrustError> {
    let mut provider = aws_lc_rs::default_provider();
    // What browsers offer first where AES is in the processor (the library would 256 bits): servers that go by their client's order
    // pay for what fans ask for.
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let unusable = |error: &dyn std::fmt::Display| TrustError::Unusable(error.to_string());
    let own = ca.map(certificates).transpose()?;
    let believed = match &own {
        Some(own) => own.clone(),
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(believed);
    if added == 0 {
        return Err(TrustError::NoRoots);
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| unusable(&error))?;
    let verifier = Verifier {
        own: own.unwrap_or_default(),
        roots: verifier,
        provider: provider.clone(),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let file = path.display().to_string();
    let read = |source| TrustError::Read {
        file: file.clone(),
        source,
    };
    if fs::metadata(path).map_err(read)?.len() > CERTIFICATE_FILE_BYTES_MAX {
        return Err(TrustError::Content { file });
    }
    let text = fs::read(path).map_err(read)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TrustError::Content { file }),
    }
}

/// See the module.
#[derive(Debug)]
struct Verifier {
    /// The certificates of the user's file.
    own: Vec<CertificateDer<'static>>,
    roots: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self
            .own
            .iter()
            .any(|own| own.as_ref() == end_entity.as_ref())
        {
            return Ok(ServerCertVerified::assertion());
        }
        self.roots
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.roots
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.roots
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let error = |file: &Path| client_config(Some(file)).unwrap_err();
        assert!(matches!(error(&file), TrustError::Read { .. }));
        for text in ["", "-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n"] {
            fs::write(&file, text).unwrap();
            let told = error(&file).to_string();
            assert!(
                told.contains("holds no certificate") && !told.contains("BEGIN"),
                "{told}"
            );
        }
    }

    #[test]
    fn nothing_is_resumed_and_only_http_is_spoken() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, made.cert.pem()).unwrap();
        let config = client_config(Some(&file)).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
    }
}
