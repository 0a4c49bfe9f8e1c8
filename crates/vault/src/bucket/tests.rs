//! A real S3 server: everything that a folder does, and what it says when it will not.

mod server;

use std::fmt::Write;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use self::server::{ACCESS_KEY, BUCKET, SECRET_KEY, Server};
use super::*;
use crate::{
    Place, Vault,
    free_port::free_port,
    limits::CHUNK_BYTES,
    tests::{all, does_what_a_storage_does},
};

const PROBE_DEADLINE: Duration = Duration::from_secs(60);

fn config(endpoint: &str) -> BucketConfig {
    BucketConfig {
        name: BUCKET.to_owned(),
        prefix: "shows/eu".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        region: "us-east-1".to_owned(),
        addressing: Addressing::Path,
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        session_token: None,
        authorities: None,
    }
}

async fn probe(config: &BucketConfig) -> Result<(), VaultError> {
    Bucket::new(config).unwrap().probe(PROBE_DEADLINE).await
}

fn refused(probed: Result<(), VaultError>) -> (u16, String) {
    match probed {
        Err(VaultError::Bucket(BucketError::Refused { status, code })) => (status, code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bucket_does_what_a_folder_does() {
    let server = Server::start(None).await;
    let bucket = Bucket::new(&config(server.endpoint())).unwrap();
    bucket.probe(PROBE_DEADLINE).await.unwrap();
    assert_eq!(server.files(), [""; 0], "the probe leaves nothing");
    does_what_a_storage_does(&Vault::over(bucket.store())).await;
    assert_eq!(server.files(), [""; 0]);
    // Behind a folder, with what waits uploaded in between.
    let folder = tempfile::tempdir().unwrap();
    let near = Vault::in_folder(folder.path()).unwrap();
    let vault = near.clone().backed_by(bucket.store(), u64::MAX);
    does_what_a_storage_does(&vault).await;
    let place = Place::of(["demo", "k3x9", "video", "1.m4s"]);
    let long = Bytes::from(vec![7; 5 * CHUNK_BYTES + 1]);
    vault.write(&place, vec![long.clone()]).await.unwrap();
    let spool = vault.spool().unwrap();
    spool.release(&near, &place).await.unwrap();
    let task = spool.next().unwrap();
    spool.upload(&near, &task).await.unwrap();
    spool.landed(&near, &task, true).await;
    assert_eq!(server.files(), ["shows/eu/demo/k3x9/video/1.m4s"]);
    assert!(!folder.path().join("demo/k3x9/video/1.m4s").exists());
    let mut whole = vault.read(&place, None).await.unwrap();
    assert_eq!(whole.length, long.len() as u64);
    let mut read = 0;
    while let Some(chunk) = futures_util::StreamExt::next(&mut whole.body).await {
        let chunk = chunk.unwrap();
        assert!(!chunk.is_empty() && chunk.len() <= CHUNK_BYTES);
        read += chunk.len();
    }
    assert_eq!(read, long.len());
    let part = vault.read(&place, Some(3..11)).await.unwrap();
    assert_eq!((part.length, all(part).await), (8, vec![7; 8]));
}

#[tokio::test]
async fn a_bucket_can_be_called_by_its_own_host() {
    let server = Server::start(None).await;
    let (_, port) = server.endpoint().rsplit_once(':').unwrap();
    let by_host = BucketConfig {
        addressing: Addressing::Host,
        ..config(&format!("http://localhost:{port}"))
    };
    probe(&by_host).await.unwrap();
    let elsewhere = BucketConfig {
        name: "another".to_owned(),
        ..by_host
    };
    assert_eq!(
        refused(probe(&elsewhere).await),
        (404, "NoSuchBucket".to_owned())
    );
}

#[tokio::test]
async fn a_bucket_says_why_it_refuses() {
    let server = Server::start(None).await;
    let good = config(server.endpoint());
    let stranger = BucketConfig {
        access_key: "canary-stranger".to_owned(),
        ..good.clone()
    };
    // This server's own word for `InvalidAccessKeyId`.
    assert_eq!(refused(probe(&stranger).await).1, "XAdminUserNotFound");
    let guess = BucketConfig {
        secret_key: "canary-wrong-secret".to_owned(),
        ..good.clone()
    };
    assert_eq!(
        refused(probe(&guess).await),
        (403, "SignatureDoesNotMatch".to_owned())
    );
    let elsewhere = BucketConfig {
        name: "another".to_owned(),
        ..good.clone()
    };
    assert_eq!(
        refused(probe(&elsewhere).await),
        (404, "NoSuchBucket".to_owned())
    );
    let region = BucketConfig {
        region: "eu-west-9".to_owned(),
        ..good.clone()
    };
    let (status, code) = refused(probe(&region).await);
    assert!(
        (400..404).contains(&status) && !code.is_empty(),
        "{status} {code}"
    );
    let away = config(&format!("http://127.0.0.1:{}", free_port()));
    let error = Bucket::new(&away)
        .unwrap()
        .probe(PROBE_DEADLINE)
        .await
        .unwrap_err();
    assert!(
        matches!(error, VaultError::Bucket(BucketError::Unreachable(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn no_secret_is_told() {
    let server = Server::start(None).await;
    let good = config(server.endpoint());
    let guess = BucketConfig {
        access_key: "canary-access".to_owned(),
        session_token: Some("canary-token".to_owned()),
        ..good.clone()
    };
    let mut told = format!("{good:?} {:?}", Bucket::new(&good).unwrap());
    for config in [guess, config("http://127.0.0.1:1")] {
        let error = probe(&config).await.unwrap_err();
        write!(told, "{error} {error:?}").unwrap();
        let vault = Vault::over(Bucket::new(&config).unwrap().store());
        let error = vault.size(&Place::of(["x"])).await.unwrap_err();
        write!(told, "{error} {error:?} {vault:?}").unwrap();
    }
    for secret in [SECRET_KEY, ACCESS_KEY, "canary", "Signature="] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[tokio::test]
async fn a_bucket_is_believed_whom_an_authority_vouches_for() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &authority).unwrap();
    let server = Server::start(Some((certificate.pem(), key.serialize_pem()))).await;
    let unknown = config(server.endpoint());
    let error = probe(&unknown).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let known = BucketConfig {
        authorities: Some(authority.pem().into_bytes()),
        ..unknown
    };
    probe(&known).await.unwrap();
    let none = BucketConfig {
        authorities: Some(b"no certificate".to_vec()),
        ..known
    };
    assert!(matches!(Bucket::new(&none), Err(OpenError::Authorities(_))));
}

#[tokio::test]
async fn a_bucket_that_breaks_off_and_returns_delays_a_file() {
    let mut server = Server::start(None).await;
    let bucket = Bucket::new(&config(server.endpoint())).unwrap();
    let vault = Vault::over(bucket.store());
    let place = Place::of(["demo", "1.m4s"]);
    vault
        .write(&place, vec![Bytes::from_static(b"media")])
        .await
        .unwrap();
    server.kill();
    let error = vault.size(&place).await.map_err(|error| match error {
        VaultError::Storage(error) => far_error(error),
        other => other,
    });
    assert!(
        matches!(error, Err(VaultError::Bucket(BucketError::Unreachable(_)))),
        "{error:?}"
    );
    server.run().await;
    assert_eq!(vault.size(&place).await.unwrap(), 5);
}
