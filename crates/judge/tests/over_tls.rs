//! The judge over a real socket and TLS: HTTP/2 is agreed on, and a certificate that nobody has signed is refused unless
//! any is to be taken.

#![expect(clippy::unwrap_used, reason = "what cannot go on fails the test")]
#![expect(
    dead_code,
    reason = "the origin of the broken servers is used without its defects"
)]

mod origin;

use std::{convert::Infallible, sync::Arc, time::Duration};

use fanwave_judge::{
    Address, Order, Report, Rule, RunError, run,
    shell::dial::{Dial, Network},
};
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, sync::Notify};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{PrivateKeyDer, pem::PemObject},
    },
};

use self::origin::{Origin, defect::Defect};

/// Serves an origin that is right on a port of its own, over TLS.
async fn serve() -> u16 {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let origin = Arc::new(Origin::new(Defect::None));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, origin) = (acceptor.clone(), origin.clone());
            tokio::spawn(async move {
                // A client that refuses the certificate is what one of the tests is about.
                let Ok(stream) = acceptor.accept(socket).await else {
                    return;
                };
                let service = service_fn(move |request| {
                    let origin = origin.clone();
                    async move { Ok::<_, Infallible>(origin.answer(request).await) }
                });
                let server = http2::Builder::new(TokioExecutor::new());
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    port
}

async fn judge(trusts_anyone: bool) -> Result<Report, RunError> {
    let port = serve().await;
    let dial: Arc<dyn Dial> = Arc::new(Network::new(trusts_anyone).unwrap());
    let order = Order {
        address: Address::parse(&format!("https://localhost:{port}/live/main.m3u8")).unwrap(),
        time: Duration::from_secs(2),
        // None of these has anything to do with time: a busy machine may be late.
        only: vec![
            Rule::Syntax,
            Rule::OldHttp,
            Rule::NotCompressed,
            Rule::Failed,
        ],
        dial,
        began: 0,
        stop: Arc::new(Notify::new()),
    };
    run(&order, &mut |_| {}).await
}

#[tokio::test]
async fn http_2_is_spoken_over_tls() {
    let report = judge(true).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(
        report
            .renditions
            .iter()
            .all(|rendition| rendition.versions > 0)
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_is_refused() {
    let error = judge(false).await.unwrap_err();
    assert!(matches!(error, RunError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("--insecure"), "{error}");
}
