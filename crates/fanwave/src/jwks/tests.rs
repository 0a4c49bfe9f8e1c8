//! Against a real little HTTP server whose answer changes.

use std::sync::Mutex;

use axum::{Router, http::Response, routing::get};
use fanwave_wire::{
    UnixMillis,
    limits::JWKS_KEYS_MAX,
    token::{Rules, TokenError},
};
use tokio::net::TcpListener;

use super::*;

/// RFC 8037, appendix A.4 has this key; the tokens below were signed with it, and last until the year 2100.
const KEY_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const SIGNED_OLD: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6Im9sZCJ9.eyJzdWIiOiJ1LTEiLCJuYW1lIjoiQXJpIiwiZXhwIjo0MTAyNDQ0ODAwfQ.PiW64r_SNKzHl1sAinWjOYD45whGhKJGSxFAFwu5Eb8kg1meFbBfGdl5Lmte1zsL8u97QuUjwNUD1uVtjSVLCA";
const SIGNED_NEW: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6Im5ldyJ9.eyJzdWIiOiJ1LTEiLCJuYW1lIjoiQXJpIiwiZXhwIjo0MTAyNDQ0ODAwfQ.x8oS8oWZdG9lG0Xq0ziDBi4XA6odgkyjxc7H29T_iZAQlYHxXRNIPPBRDzh1JfJXUIBQqjHukmJKyHS1LNKkBw";
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// So long a test waits for what it knows to come.
const PATIENCE: Duration = Duration::from_secs(60);

const PACE: Pace = Pace {
    between: Duration::from_millis(10),
    notice: Duration::from_millis(10),
    retry: Duration::from_secs(3600),
};

/// What the server answers with next.
type Answer = Arc<Mutex<(u16, String)>>;

async fn issuer(first: String) -> (Source, Answer) {
    let answer = Arc::new(Mutex::new((200, first)));
    let shared = Arc::clone(&answer);
    let routes = Router::new().route(
        "/keys.json",
        get(move || async move {
            let (status, body) = shared.lock().unwrap().clone();
            Response::builder().status(status).body(body).unwrap()
        }),
    );
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/keys.json", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let source = Source::new(url.parse().unwrap(), Duration::from_secs(3600)).unwrap();
    (source, answer)
}

fn set(kid: &str) -> String {
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{KEY_X}"}}]}}"#)
}

fn ring() -> Arc<ArcSwap<KeyRing>> {
    let secret = TokenKey::new(&[7; 32]).unwrap();
    Arc::new(ArcSwap::from_pointee(KeyRing::new(
        &secret,
        Rules::default(),
    )))
}

fn verify(keys: &ArcSwap<KeyRing>, token: &str) -> Result<String, TokenError> {
    let claims = keys.load().verify_connect(token, NOW)?;
    Ok(claims.sender().user.0.to_string())
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(PACE.notice).await;
        }
    };
    assert!(
        timeout(PATIENCE, waiting).await.is_ok(),
        "{what} did not happen"
    );
}

#[tokio::test]
async fn a_key_that_is_rotated_is_found_by_the_first_token_it_signed() {
    let (source, answer) = issuer(set("old")).await;
    let (keys, metrics) = (ring(), Metrics::default());
    let follower = Follower::start_at(source, Arc::clone(&keys), metrics.clone(), PACE).await;
    assert_eq!(verify(&keys, SIGNED_OLD), Ok("u-1".into()));
    *answer.lock().unwrap() = (200, set("new"));
    assert_eq!(
        verify(&keys, SIGNED_OLD),
        Ok("u-1".into()),
        "nobody has asked for another key"
    );
    // A client whose token is refused for its key comes again, until the key is there.
    until("the new key", || verify(&keys, SIGNED_NEW).is_ok()).await;
    assert_eq!(verify(&keys, SIGNED_OLD), Err(TokenError::UnknownKey));
    assert!(metrics.fetched.get() >= 2);
    assert_eq!(metrics.keys.get(), 1);
    drop(follower);
}

#[tokio::test]
async fn a_source_that_fails_takes_nothing_away() {
    let (source, answer) = issuer(set("old")).await;
    let (keys, metrics) = (ring(), Metrics::default());
    let _follower = Follower::start_at(source, Arc::clone(&keys), metrics.clone(), PACE).await;
    let too_many = format!(
        r#"{{"keys":[{}]}}"#,
        vec!["{}"; JWKS_KEYS_MAX + 1].join(",")
    );
    let failures = [
        (500, set("new")),
        (302, set("new")),
        (200, "<html>".to_owned()),
        (200, too_many),
        (200, format!("{}{}", set("new"), " ".repeat(JWKS_BYTES_MAX))),
    ];
    for failure in failures {
        let failed = metrics.failed.get();
        *answer.lock().unwrap() = failure.clone();
        until("a failure", || {
            assert_eq!(verify(&keys, SIGNED_NEW), Err(TokenError::UnknownKey));
            metrics.failed.get() > failed
        })
        .await;
        assert_eq!(verify(&keys, SIGNED_OLD), Ok("u-1".into()), "{}", failure.0);
    }
    *answer.lock().unwrap() = (200, set("new"));
    until("the new key", || verify(&keys, SIGNED_NEW).is_ok()).await;
}

#[tokio::test]
async fn a_source_that_is_not_there_yet_is_read_when_it_is_wanted() {
    let (source, answer) = issuer(set("new")).await;
    answer.lock().unwrap().0 = 503;
    let (keys, metrics) = (ring(), Metrics::default());
    let _follower = Follower::start_at(source, Arc::clone(&keys), metrics.clone(), PACE).await;
    assert_eq!((metrics.fetched.get(), metrics.failed.get()), (0, 1));
    answer.lock().unwrap().0 = 200;
    until("the key", || verify(&keys, SIGNED_NEW).is_ok()).await;
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_not_where() {
    let (source, _answer) = issuer(set("old")).await;
    assert!(!format!("{source:?}").contains("keys.json"));
    let free = TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = fetch(&format!("http://{free}/secret").parse().unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(error, FetchError::Fetch(fetch::FetchError::Io(_))),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
    // A server that does not speak TLS is noticed.
    let plain = source.url.to_string().replace("http:", "https:");
    let error = fetch(&plain.parse().unwrap()).await.unwrap_err();
    assert!(
        matches!(error, FetchError::Fetch(fetch::FetchError::Io(_))),
        "{error}"
    );
}

#[test]
fn an_address_is_one_that_can_be_fetched() {
    let fetchable =
        |url: &str| Source::new(url.parse().unwrap(), Duration::from_secs(60)).is_some();
    assert!(fetchable("https://id.example/jwks.json"));
    assert!(fetchable("http://[::1]:8080/keys?set=1"));
    for wrong in [
        "ftp://id.example/",
        "/jwks.json",
        "https://me:secret@id.example/",
        "id.example:443",
    ] {
        assert!(!fetchable(wrong), "{wrong}");
    }
}
