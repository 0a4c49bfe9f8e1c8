//! RTMP over TLS.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use tokio::time::timeout;
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use super::{
    DEADLINE, KEY, Show,
    encoder::ffmpeg_to,
    hostile::{after_handshake, attack},
};
use crate::{PublisherStatus, metrics::Refusal, shared::Patience};

/// TLS with a certificate of its own, and that.
pub(super) fn tls() -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (Arc::new(config), certificate)
}

async fn show(patience: Patience) -> (Show, SocketAddr) {
    let show = Show::start_so(&mut Registry::default(), patience, |config| {
        config.rtmps = Some(("127.0.0.1:0".parse().unwrap(), tls().0));
        config.reconnect_window = Duration::from_millis(50);
    })
    .await;
    let addr = show.origin.rtmps_addr().unwrap();
    (show, addr)
}

#[tokio::test]
async fn ffmpeg_publishes_over_tls() {
    let (show, addr) = show(Patience::default()).await;
    let mut publisher = ffmpeg_to(&format!("rtmps://{addr}/live/{KEY}"), "flv");
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let path = format!("{folder}/video.m3u8?_HLS_msn=1");
    assert_eq!(show.get(&path).await.status, 200);
    let ended = timeout(DEADLINE, publisher.wait())
        .await
        .expect("ffmpeg ends");
    assert!(ended.unwrap().success());
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
}

#[tokio::test]
async fn whoever_speaks_no_tls_or_too_slowly_is_closed_on() {
    let patience = Patience {
        before_publish: Duration::from_millis(300),
        ..Patience::default()
    };
    let (show, addr) = show(patience).await;
    attack(addr, &after_handshake(&[]), false).await;
    attack(addr, &[0x16, 3, 1], false).await;
    attack(addr, &[], true).await;
    assert_eq!(
        show.origin.shared.metrics.refused_count(Refusal::Protocol),
        3
    );
}
