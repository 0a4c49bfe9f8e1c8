//! Redis over TLS, with a certificate of an authority that nobody else knows.

use std::path::Path;

use super::{draft, harness::Server, lane};
use crate::{
    Engine, EngineError,
    certificates::Authority,
    redis::{Address, RedisBroker, RedisConfig, Tls},
    shared::Settings,
};

/// A server that asks for a certificate and a password, and its port for TLS.
async fn start(folder: &Path, authority: &Authority) -> (Server, u16) {
    let (certificate, key) = authority.vouch();
    let files = [
        ("--tls-ca-cert-file", authority.pem()),
        ("--tls-cert-file", certificate),
        ("--tls-key-file", key),
    ];
    let port = crate::free_port::free_port();
    let mut options = vec!["--tls-port".to_owned(), port.to_string()];
    for (option, pem) in files {
        let file = folder.join(option);
        std::fs::write(&file, pem).expect("the folder is ours");
        options.extend([option.to_owned(), file.display().to_string()]);
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(&options).await;
    server
        .ask(&["CONFIG", "SET", "requirepass", "hunter2"])
        .await;
    (server, port)
}

async fn say(config: RedisConfig, id: &str) -> Result<u64, EngineError> {
    let engine = RedisBroker::engine(config, Settings::default());
    let said = engine.publish(&lane("demo"), draft(id)).await;
    engine.stop().await;
    said.map(|ack| ack.offset.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_spoken_to_over_tls_and_both_ends_show_who_they_are() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let authority = Authority::new();
    let (_server, port) = start(folder.path(), &authority).await;
    let config = RedisConfig {
        password: Some("hunter2".to_owned()),
        tls: Tls {
            authorities: Some(authority.pem()),
            certificate: Some(authority.vouch()),
        },
        ..RedisConfig::single(Address::new("localhost", port).over_tls())
    };
    config.check().expect("all of it can be read");
    assert_eq!(say(config.clone(), "1").await, Ok(1));

    // Each of these is missing once.
    let mut without = config.clone();
    without.tls.authorities = None;
    let refused = say(without, "2").await.expect_err("the server is unknown");
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    let mut without = config.clone();
    without.tls.certificate = None;
    say(without, "2")
        .await
        .expect_err("the server knows nobody");
    let mut without = config.clone();
    without.password = None;
    say(without, "2").await.expect_err("there is a password");
    let mut without = config.clone();
    without.servers = vec![Address::new("localhost", port)];
    say(without, "2").await.expect_err("it speaks TLS only");
    let mut without = config.clone();
    without.servers = vec![Address::new("127.0.0.1", port).over_tls()];
    let refused = say(without, "2").await.expect_err("it has another name");
    assert!(
        refused.to_string().contains("not valid for name"),
        "{refused}"
    );
    assert_eq!(say(config, "2").await, Ok(2));
}

#[test]
fn what_cannot_be_used_for_tls_is_said_at_once_and_nothing_of_it() {
    let mut config = RedisConfig::single(Address::new("a", 1).over_tls());
    config.check().expect("nothing is needed");
    for broken in ["hunter2", "-----BEGIN CERTIFICATE-----\nhunter2\n"] {
        config.tls.authorities = Some(broken.into());
        let refused = config.check().expect_err("it is no certificate");
        let refused = format!("{refused} {config:?}");
        assert!(refused.contains("files for TLS"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
