//! How connections are made: over TCP, over TLS, or in memory for tests.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, aws_lc_rs::default_provider},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

use crate::address::Address;

/// What bytes go over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that was made.
#[expect(missing_debug_implementations, reason = "a stream has nothing to show")]
pub struct Wire {
    /// Bytes to and from the server.
    pub stream: Box<dyn Stream>,
    /// Whether HTTP/2 was agreed on.
    pub is_h2: bool,
}

/// A connection in the making.
pub type Dialing<'a> = Pin<Box<dyn Future<Output = Result<Wire, String>> + Send + 'a>>;

/// Makes connections.
pub trait Dial: fmt::Debug + Send + Sync {
    /// Connects to where the address is. Does not end by itself: whoever calls has a deadline.
    fn dial<'a>(&'a self, address: &'a Address) -> Dialing<'a>;
}

/// Over the network.
#[derive(Debug)]
pub struct Network {
    tls: Arc<ClientConfig>,
}

impl Network {
    /// Trusts the machine's certificates, or any when told so.
    ///
    /// # Errors
    ///
    /// TLS cannot be spoken at all.
    pub fn new(trusts_anyone: bool) -> Result<Self, Error> {
        let provider = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        let mut tls = if trusts_anyone {
            let verifier = Arc::new(Anyone { provider });
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            builder.with_root_certificates(roots).with_no_client_auth()
        };
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(tls) })
    }
}

impl Dial for Network {
    fn dial<'a>(&'a self, address: &'a Address) -> Dialing<'a> {
        Box::pin(async move {
            let (host, port) = address.host_and_port();
            let socket = TcpStream::connect((host, port)).await;
            let socket =
                socket.map_err(|error| format!("cannot connect to {host}:{port}: {error}"))?;
            // Small requests wait for nothing. Where it cannot be set, they are only slower.
            drop(socket.set_nodelay(true));
            if !address.is_https {
                return Ok(Wire {
                    stream: Box::new(socket),
                    is_h2: false,
                });
            }
            let name = ServerName::try_from(host.to_owned());
            let name = name.map_err(|_| format!("`{host}` cannot be in a certificate"))?;
            let stream = TlsConnector::from(self.tls.clone())
                .connect(name, socket)
                .await;
            let stream = stream.map_err(|error| format!("no TLS with {host}: {error}"))?;
            let (_, session) = stream.get_ref();
            let is_h2 = session.alpn_protocol() == Some(b"h2");
            Ok(Wire {
                stream: Box::new(stream),
                is_h2,
            })
        })
    }
}

/// Takes any certificate: for servers under test.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
