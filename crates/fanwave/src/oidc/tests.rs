//! Against a real little HTTP server that describes itself as it is told to. Whole logins are in the end-to-end tests.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{
    Router,
    http::{HeaderMap, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::{config, outgoing::Guard};

const GRANT: Grant<'_> = Grant {
    code: "c-1",
    verifier: "v-1",
    nonce: "n-1",
    redirect_uri: "https://live.example/api/v1/oidc/callback",
};

/// A server that says this of itself, and how often it was asked.
struct House {
    url: String,
    description: Arc<StdMutex<Value>>,
    asked: Arc<AtomicU64>,
}

async fn house() -> House {
    let (description, asked) = (
        Arc::<StdMutex<Value>>::default(),
        Arc::<AtomicU64>::default(),
    );
    let (said, count) = (Arc::clone(&description), Arc::clone(&asked));
    let answer = move || async move {
        count.fetch_add(1, Ordering::Relaxed);
        said.lock().unwrap().to_string()
    };
    let refuse = |headers: HeaderMap, body: String| async move {
        let shown = headers
            .get("authorization")
            .map(|value| value.to_str().unwrap().to_owned());
        let told = json!({ "error": format!("{} {body}", shown.unwrap_or_default()) });
        Response::builder()
            .status(400)
            .body(told.to_string())
            .unwrap()
    };
    let routes = Router::new()
        .route("/.well-known/openid-configuration", get(answer))
        .route("/keys", get(async || r#"{"keys":[]}"#))
        .route("/token", post(refuse));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    *description.lock().unwrap() = json!({
        "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
    });
    House {
        url,
        description,
        asked,
    }
}

impl House {
    fn says(&self, name: &str, value: Value) {
        self.description.lock().unwrap()[name] = value;
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn client(issuer: &str, secret: Option<&str>) -> Client {
    let text = format!(
        "[http]\npublic_url = \"https://live.example\"\n[accounts]\nregistration = \"open\"\n[oidc]\nissuer = \"{issuer}\"\nclient_id = \"fan wave\"\n"
    );
    let path = std::path::Path::new("fanwave.toml");
    let plan = config::parse(Some((path, &text)), Vec::new()).unwrap();
    Client {
        planned: plan.accounts.unwrap().oidc.unwrap(),
        secret: secret.map(|secret| Secret::from_environment(secret.to_owned())),
        outgoing: Outgoing::new(Guard::default()),
        known: StdMutex::default(),
        reading: Mutex::default(),
    }
}

async fn refusal(client: &Client) -> String {
    client
        .authorization_endpoint()
        .await
        .unwrap_err()
        .to_string()
}

#[tokio::test]
async fn a_description_is_read_once_for_all_and_has_to_be_the_issuers_own() {
    let house = house().await;
    let issuer = client(&house.url, None);
    let (one, other) = tokio::join!(
        issuer.authorization_endpoint(),
        issuer.authorization_endpoint()
    );
    assert_eq!(*one.unwrap(), format!("{}/authorize", house.url));
    assert!(other.is_ok());
    assert_eq!(house.asked(), 1);

    house.says("issuer", json!(format!("{}/", house.url)));
    let others = client(&house.url, None);
    let words = refusal(&others).await;
    assert!(words.contains("write oidc.issuer as it does"), "{words}");
    // Whoever comes right after is told at once.
    house.says("issuer", json!(house.url));
    let words = refusal(&others).await;
    assert!(words.contains("a moment ago"), "{words}");
    assert_eq!(house.asked(), 2);
}

#[tokio::test]
async fn what_the_description_names_on_another_host_is_called_only_if_that_is_public() {
    for address in [
        "http://127.0.0.2:9/keys",
        "http://localhost:9/keys",
        "http://[::1]:9/keys",
        "http://169.254.169.254/keys",
    ] {
        let house = house().await;
        house.says("jwks_uri", json!(address));
        let words = refusal(&client(&house.url, None)).await;
        assert!(words.contains("outgoing.allow"), "{address}: {words}");
        assert!(!words.contains("9/keys"), "{words}");
    }
    for address in [
        "ftp://id.example/keys",
        "https://user:password@id.example/keys",
        "keys",
        "",
    ] {
        let house = house().await;
        house.says("jwks_uri", json!(address));
        let words = refusal(&client(&house.url, None)).await;
        assert!(words.contains("cannot be called"), "{address}: {words}");
    }
}

#[test]
fn an_issuer_over_tls_names_nothing_in_the_clear() {
    let issuer = client("https://id.example/realm", None);
    let said = |token: &str| {
        json!({
            "issuer": "https://id.example/realm", "authorization_endpoint": "https://id.example/authorize",
            "token_endpoint": token, "jwks_uri": "https://keys.example/",
        })
        .to_string()
    };
    assert!(
        issuer
            .provider(said("https://id.example/token").as_bytes())
            .is_ok()
    );
    assert!(
        issuer
            .provider(said("http://id.example/token").as_bytes())
            .is_err()
    );
    assert!(issuer.provider(b"{}").is_err());
    assert!(
        issuer
            .outgoing_to(&"https://id.example/x".parse().unwrap())
            .is_none()
    );
    assert!(
        issuer
            .outgoing_to(&"https://keys.example/".parse().unwrap())
            .is_some()
    );
}

#[tokio::test]
async fn the_secret_is_shown_as_the_issuer_wants_it_and_is_in_no_log() {
    let house = house().await;
    let escaped = "Basic ZmFuK3dhdmU6YSUzRGIlMjUr";
    let form = "grant_type=authorization_code&code=c-1&redirect_uri=https%3A%2F%2Flive.example%2Fapi%2Fv1%2Foidc%2Fcallback&code_verifier=v-1";
    let posted = async |secret: Option<&str>, methods: Value| {
        house.says("token_endpoint_auth_methods_supported", methods);
        let issuer = client(&house.url, secret);
        let provider = issuer.read().await.unwrap().provider;
        let posted = issuer.posted(provider.secret_in, GRANT).unwrap();
        let header = posted.header.map(|(_, value)| value).unwrap_or_default();
        (header, String::from_utf8(posted.body.to_vec()).unwrap())
    };
    let basic = (escaped.to_owned(), form.to_owned());
    for methods in [
        json!(null),
        json!(["client_secret_post", "client_secret_basic"]),
        json!(["private_key_jwt"]),
    ] {
        assert_eq!(posted(Some("a=b% "), methods).await, basic);
    }
    let (header, body) = posted(Some("a=b% "), json!(["client_secret_post"])).await;
    assert_eq!(header, "");
    assert_eq!(
        body,
        format!("{form}&client_id=fan+wave&client_secret=a%3Db%25+")
    );
    let (header, body) = posted(None, json!(["none"])).await;
    assert_eq!(
        (header, body),
        (String::new(), format!("{form}&client_id=fan+wave"))
    );

    // What the issuer says is told to the operator, and not at any length.
    house.says("token_endpoint_auth_methods_supported", json!(null));
    let refused = client(&house.url, None).redeem(GRANT).await.unwrap_err();
    let words = refused.to_string();
    assert!(matches!(refused, IssuerError::Refused(_)), "{words}");
    assert!(
        words.contains("400") && words.len() < 200 && !words.contains("v-1"),
        "{words}"
    );
}
