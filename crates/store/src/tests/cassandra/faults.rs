//! What a node does that stops, ends, comes back, or lets only some in.

use std::time::Duration;

use fanwave_wire::Offset;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::time::{Instant, sleep, timeout};

use super::{
    super::{archive::Shelf, channel, node::Node, run},
    Keyspace,
};
use crate::{Archive, Encryption, Kind, OpenError, Order, Page, StoreError};

/// Far longer than every call may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn everything() -> Page {
    Page {
        after: Offset(0),
        through: Offset(u64::MAX),
        limit: 500,
        order: Order::OldestFirst,
        kind: Kind::Everything,
    }
}

/// Records it as a recorder does: again and again, until it is done. Answers how often that failed.
async fn insist(archive: &Archive, from: u64, through: u64) -> u32 {
    let epoch = fanwave_wire::Epoch("one".into());
    let insist = async {
        let mut failures = 0;
        loop {
            let what = run(from, through);
            match archive.record(&channel("chat:demo"), &epoch, what).await {
                Ok(()) => return failures,
                Err(StoreError::Unreachable(_) | StoreError::Busy | StoreError::Io(_)) => {
                    failures += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, insist).await.expect("it is back")
}

#[tokio::test]
async fn a_node_that_stops_and_one_that_is_killed_lose_nothing_and_hold_nothing_up() {
    let mut node = Node::start();
    let shelf = Keyspace::on(&node);
    let archive = shelf.open().await;
    let chat = channel("chat:demo");
    assert_eq!(insist(&archive, 1, 50).await, 0);

    node.pause();
    let epoch = fanwave_wire::Epoch("one".into());
    let began = Instant::now();
    let refused = archive.record(&chat, &epoch, run(51, 60)).await;
    assert!(
        matches!(refused, Err(StoreError::Unreachable(_))),
        "{refused:?}"
    );
    assert!(began.elapsed() < PATIENCE, "every call ends");
    node.go_on();
    insist(&archive, 51, 60).await;

    node.kill();
    let refused = archive.read(&chat, None, everything()).await;
    assert!(
        matches!(refused, Err(StoreError::Unreachable(_))),
        "{refused:?}"
    );
    let refused = archive.record(&chat, &epoch, run(61, 70)).await;
    assert!(
        matches!(refused, Err(StoreError::Unreachable(_))),
        "{refused:?}"
    );
    node.run();
    insist(&archive, 61, 70).await;
    assert_eq!(
        archive.read(&chat, None, everything()).await.unwrap(),
        run(1, 70)
    );
    let reached = archive.reached(&chat).await.unwrap().unwrap();
    assert_eq!(reached.head, Offset(70));
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_named() {
    let mut shelf = Keyspace::make();
    shelf.config.contact_points = vec!["127.0.0.1:1".into()];
    let refusal = Archive::connect(&shelf.config).await.unwrap_err();
    assert!(matches!(refusal, OpenError::Away { .. }), "{refusal:?}");
    let text = refusal.to_string();
    let begins = format!(
        "cannot reach the database {} at 127.0.0.1:1: ",
        shelf.config.keyspace
    );
    assert!(text.starts_with(&begins), "{text}");
    assert!(text.ends_with("check that the server runs, its address, the user and the password"));
}

#[tokio::test]
async fn a_node_with_tls_and_passwords_is_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let trusted = write("authority.pem", authority.pem());
    let shown = write(
        "node.pem",
        format!("{}{}", key.serialize_pem(), certificate.pem()),
    );
    let node = Node::start_with(&format!(
        "authenticator: PasswordAuthenticator\n\
         authorizer: CassandraAuthorizer\n\
         client_encryption_options:\n\
         \x20 enabled: true\n\
         \x20 optional: false\n\
         \x20 keystore: '{}'\n\
         \x20 ssl_context_factory:\n\
         \x20   class_name: org.apache.cassandra.security.PEMBasedSslContextFactory\n",
        shown.display()
    ));
    let mut shelf = Keyspace::on(&node);
    shelf.config.user = "cassandra".into();
    shelf.config.password = Some("cassandra".into());
    let authorities = Some(trusted);
    shelf.config.encryption = Encryption::Verified { authorities };
    // It makes its first user a little after it has begun to listen.
    let opened = async {
        loop {
            match Archive::connect(&shelf.config).await {
                Ok(archive) => return archive,
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let archive = timeout(PATIENCE, opened).await.expect("it lets us in");
    assert_eq!(insist(&archive, 1, 5).await, 0);

    shelf.config.password = Some("canary-wrong".into());
    let refusal = Archive::connect(&shelf.config).await.unwrap_err();
    assert!(matches!(refusal, OpenError::Away { .. }), "{refusal:?}");
    assert!(!refusal.to_string().contains("canary"), "{refusal}");

    shelf.config.password = Some("cassandra".into());
    // Nobody trusts that authority.
    let authorities = None;
    shelf.config.encryption = Encryption::Verified { authorities };
    let refusal = Archive::connect(&shelf.config).await.unwrap_err();
    assert!(matches!(refusal, OpenError::Away { .. }), "{refusal:?}");
}
