//! NATS over TLS, with a certificate of an authority that nobody else knows.

use std::path::Path;

use super::{
    super::{Login, NatsBroker, NatsConfig, Tls},
    draft,
    harness::{NO_TICK, Server, until},
    lane,
};
use crate::{Engine, certificates::Authority, shared::BrokerError};

/// Files with a certificate that an authority vouches for, and its key.
fn vouched(folder: &Path, authority: &Authority, name: &str) -> [String; 2] {
    let (certificate, key) = authority.vouch();
    [("pem", certificate), ("key", key)].map(|(ending, text)| {
        let file = folder.join(format!("{name}.{ending}"));
        std::fs::write(&file, text).expect("the folder is ours");
        file.display().to_string()
    })
}

/// Whether somebody with this configuration can use NATS.
async fn check(config: NatsConfig) -> Result<(), BrokerError> {
    let (broker, _signals) = NatsBroker::open(config).await?;
    broker.check().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_spoken_to_over_tls_and_both_ends_show_who_they_are() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let authority = Authority::new();
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, authority.pem()).expect("the folder is ours");
    let [certificate, key] = vouched(folder.path(), &authority, "nats");
    let options = ["--tlsverify", "--tlscacert"].map(str::to_owned);
    let options = options
        .into_iter()
        .chain([authorities.display().to_string()]);
    let options = options.chain([
        "--tlscert".to_owned(),
        certificate,
        "--tlskey".to_owned(),
        key,
    ]);
    let logged_in = ["--user", "fan", "--pass", "hunter2"].map(str::to_owned);
    let mut server = Server::new(&options.chain(logged_in).collect::<Vec<_>>());
    server.run();
    let [certificate, key] = vouched(folder.path(), &authority, "fanwave");
    let address = format!("tls://localhost:{}", server.port);
    let config = NatsConfig {
        login: Login::Password {
            user: "fan".to_owned(),
            password: "hunter2".to_owned(),
        },
        tls: Tls {
            authorities: Some(authorities),
            certificate: Some((certificate.into(), key.into())),
        },
        ..NatsConfig::new(vec![address.parse().expect("it is one")])
    };
    until("NATS can be used", async || {
        check(config.clone()).await.is_ok()
    })
    .await;
    let engine = NatsBroker::engine(config.clone(), NO_TICK).await;
    let engine = engine.expect("it is fine");
    let said = engine.publish(&lane("chat:demo"), draft("1")).await;
    assert_eq!(said.expect("it is taken").offset.0, 1);
    engine.stop().await;

    // Each of these is missing once.
    let mut without = config.clone();
    without.tls.authorities = None;
    check(without).await.expect_err("the server is unknown");
    let mut without = config.clone();
    without.tls.certificate = None;
    check(without).await.expect_err("the server knows nobody");
    let mut without = config.clone();
    without.login = Login::None;
    check(without).await.expect_err("there is a password");
    let mut without = config;
    let other = format!("tls://127.0.0.1:{}", server.port);
    without.servers = vec![other.parse().expect("it is one")];
    check(without).await.expect_err("it has another name");
}
