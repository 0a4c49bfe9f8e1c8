//! RTMP over TLS.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use prometheus_client::registry::Registry;
use tokio::time::timeout;

use super::{
    DEADLINE, KEY, Show,
    encoder::ffmpeg_to,
    hostile::{after_handshake, attack},
};
use crate::{
    OriginConfig, PublisherStatus, StartError, TlsFiles, metrics::Refusal, shared::Patience,
};

fn files(folder: &Path) -> TlsFiles {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.join("certificate"),
        key: folder.join("key"),
    };
    fs::write(&files.certificate, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    files
}

async fn show(patience: Patience) -> (Show, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let show = Show::start_so(&mut Registry::default(), patience, |config| {
        config.rtmps = Some(("127.0.0.1:0".parse().unwrap(), files));
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

#[tokio::test]
async fn files_that_cannot_be_served_are_named_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let good = files(folder.path());
    let refused = |files: TlsFiles| {
        let mut config = OriginConfig::new(Vec::new());
        config.rtmp_listen = "127.0.0.1:0".parse().unwrap();
        config.rtmps = Some(("127.0.0.1:0".parse().unwrap(), files));
        match crate::Origin::start(config, &mut Registry::default()) {
            Err(StartError::Tls(error)) => error.to_string(),
            other => panic!("not refused for its files: {other:?}"),
        }
    };
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    let of = |certificate: &Path, key: &Path| TlsFiles {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    assert!(refused(of(&empty, &good.key)).ends_with("empty holds no certificate in PEM"));
    assert!(refused(of(&good.certificate, &empty)).ends_with("empty holds no private key in PEM"));
    assert!(refused(of(Path::new("/nowhere"), &good.key)).contains("/nowhere cannot be read"));
    let other = tempfile::tempdir().unwrap();
    let other = files(other.path());
    assert!(refused(of(&good.certificate, &other.key)).contains("is not the key of"));
}
