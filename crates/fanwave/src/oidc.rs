//! The issuer that people log in with elsewhere: its description, its keys, and what it says of somebody who has logged in.
//!
//! Its description (`OpenID` Connect Discovery 1.0) is read at the first login, and again after [`KNOWN_FOR`]; its keys with it, and when
//! a token was signed with one that is not among them. A token comes from the issuer itself, for a code that it has given: nobody
//! else can have keys read. An issuer that is away keeps nobody out who is in, and the server starts without it.
//!
//! The issuer's own host is in the configuration, and is called wherever it is. What its description names on other hosts is called by
//! way of [`Outgoing`], and never in the clear if the issuer itself is not: whoever could change the description would otherwise choose
//! what is called here.

use std::{
    fmt,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use fanwave_api::accounts::oidc::{Grant, Issuer, IssuerError, Oidc};
use fanwave_bus::BoxFuture;
use fanwave_wire::token::{Identity, IdentityRules, Jwks, TokenError};
use hyper::{StatusCode, Uri, header::AUTHORIZATION, http::uri::Scheme};
use serde::Deserialize;
use tokio::{sync::Mutex, time::timeout};

use crate::{
    clock,
    config::{authorise::address, oidc::Oidc as Planned},
    fetch::{self, Posted, Question},
    jwks,
    outgoing::Outgoing,
    secret::Secret,
};

/// How long what an issuer says of itself is believed.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// How long an issuer that does not answer is not asked again: people who wait for it would queue for each other.
const AWAY_FOR: Duration = Duration::from_secs(5);

/// Longest time of reading the description and the keys, and of asking about somebody.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(10);

/// Largest description, and largest answer about somebody, bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Most characters of the error that an issuer names.
const ERROR_CHARS_MAX: usize = 64;

/// What the API answers from.
pub(crate) fn desk(planned: &Planned, secret: Option<Secret>, outgoing: Outgoing) -> Oidc {
    Oidc {
        identifier: planned.issuer.clone(),
        client: planned.client.clone(),
        scope: planned.scope.clone(),
        name: planned.name.as_str().into(),
        roles: planned.roles.clone(),
        site: planned.site.clone(),
        issuer: Arc::new(Client {
            planned: planned.clone(),
            secret,
            outgoing,
            known: StdMutex::default(),
            reading: Mutex::default(),
        }),
    }
}

struct Client {
    planned: Planned,
    secret: Option<Secret>,
    outgoing: Outgoing,
    known: StdMutex<Option<Known>>,
    /// Held by who reads it; since when the issuer is away, if it is.
    reading: Mutex<Option<Instant>>,
}

/// What an issuer says of itself.
#[derive(Clone)]
struct Known {
    provider: Arc<Provider>,
    keys: Arc<Jwks>,
    read_at: Instant,
}

struct Provider {
    authorization: Arc<str>,
    token: Uri,
    keys: Uri,
    /// How it wants to be shown the secret.
    secret_in: SecretIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SecretIn {
    Header,
    Body,
}

#[derive(Deserialize)]
struct Description {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Answer {
    id_token: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Issuer for Client {
    fn authorization_endpoint(&self) -> BoxFuture<'_, Result<Arc<str>, IssuerError>> {
        Box::pin(async {
            let known = self.known().await?;
            Ok(Arc::clone(&known.provider.authorization))
        })
    }

    fn redeem<'a>(&'a self, grant: Grant<'a>) -> BoxFuture<'a, Result<Identity, IssuerError>> {
        Box::pin(async move {
            let asking = self.redeemed(grant);
            let asked = timeout(EXCHANGE_TIME_MAX, asking).await;
            asked.unwrap_or_else(|_| Err(away(&format_args!("it took too long"))))
        })
    }
}

impl Client {
    async fn redeemed(&self, grant: Grant<'_>) -> Result<Identity, IssuerError> {
        let known = self.known().await?;
        let token = self.exchange(&known.provider, grant).await?;
        let rules = IdentityRules {
            issuer: &self.planned.issuer,
            client: &self.planned.client,
            nonce: grant.nonce,
            algorithms: &self.planned.algorithms,
        };
        let read = known.keys.identity(&token, &rules, clock::now());
        let read = match read {
            Err(TokenError::UnknownKey) => {
                let keys = self.keys(&known.provider).await?;
                let read = keys.identity(&token, &rules, clock::now());
                self.keep(Known { keys, ..known });
                read
            }
            read => read,
        };
        read.map_err(|error| IssuerError::Refused(error.to_string()))
    }

    fn keep(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    fn kept(&self) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// What the issuer says of itself: read by one, for all who wait.
    async fn known(&self) -> Result<Known, IssuerError> {
        let is_new = |known: &Known| known.read_at.elapsed() < KNOWN_FOR;
        if let Some(known) = self.kept().filter(is_new) {
            return Ok(known);
        }
        let mut away_since = self.reading.lock().await;
        if let Some(known) = self.kept().filter(is_new) {
            return Ok(known);
        }
        let is_away = away_since.is_some_and(|since| since.elapsed() < AWAY_FOR);
        let read = if is_away {
            Err(away(&format_args!("it did not answer a moment ago")))
        } else {
            let read = timeout(EXCHANGE_TIME_MAX, self.read()).await;
            let read = read.unwrap_or_else(|_| Err(away(&format_args!("it took too long"))));
            *away_since = read.is_err().then(Instant::now);
            read
        };
        match (read, self.kept()) {
            (Ok(known), _) => {
                self.keep(known.clone());
                Ok(known)
            }
            // What was true is likely to be so still, and whoever logs in has to get past the issuer anyhow.
            (Err(error), Some(known)) => {
                tracing::warn!(%error, "what the issuer says of itself could not be read again; it stays as it was");
                Ok(known)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn read(&self) -> Result<Known, IssuerError> {
        let question = self.question(&self.planned.description);
        let answer = fetch::get(question).await.map_err(|error| away(&error))?;
        if answer.status != StatusCode::OK {
            let words = format_args!("its description answered {}", answer.status);
            return Err(away(&words));
        }
        let provider = Arc::new(self.provider(&answer.body)?);
        Ok(Known {
            keys: self.keys(&provider).await?,
            provider,
            read_at: Instant::now(),
        })
    }

    fn provider(&self, text: &[u8]) -> Result<Provider, IssuerError> {
        let said: Description = serde_json::from_slice(text)
            .map_err(|_| away(&format_args!("its description cannot be read")))?;
        // "The issuer value returned MUST be identical to the Issuer URL" (section 4.3).
        if said.issuer != self.planned.issuer {
            return Err(away(&format_args!(
                "its description is another issuer's: write oidc.issuer as it does"
            )));
        }
        let place = |text: &str| {
            let place = address(text);
            let is_safe =
                |place: &Uri| !self.planned.is_https() || place.scheme() == Some(&Scheme::HTTPS);
            let words = format_args!("its description names an address that cannot be called");
            place.filter(is_safe).ok_or_else(|| away(&words))
        };
        let methods = said.token_endpoint_auth_methods_supported.as_deref();
        let takes = |wanted: &str| {
            // "If omitted, the default is client_secret_basic" (section 3).
            methods.is_none_or(|methods| methods.iter().any(|method| method == wanted))
        };
        let secret_in = if takes("client_secret_basic") || !takes("client_secret_post") {
            SecretIn::Header
        } else {
            SecretIn::Body
        };
        Ok(Provider {
            authorization: place(&said.authorization_endpoint)?.to_string().into(),
            token: place(&said.token_endpoint)?,
            keys: place(&said.jwks_uri)?,
            secret_in,
        })
    }

    async fn keys(&self, provider: &Provider) -> Result<Arc<Jwks>, IssuerError> {
        let keys = jwks::fetch_by(&provider.keys, self.outgoing_to(&provider.keys)).await;
        keys.map(Arc::new)
            .map_err(|error| away(&format_args!("its keys could not be read: {error}")))
    }

    /// The ID token that a code is given for.
    async fn exchange(&self, provider: &Provider, grant: Grant<'_>) -> Result<String, IssuerError> {
        let question = self.question(&provider.token);
        let posted = self.posted(provider.secret_in, grant)?;
        let answer = fetch::post(question, posted).await;
        let answer = answer.map_err(|error| away(&error))?;
        let status = answer.status;
        if status == StatusCode::OK {
            let said: Result<Answer, _> = serde_json::from_slice(&answer.body);
            let words = "it gave no ID token for the code";
            return said
                .map(|said| said.id_token)
                .map_err(|_| IssuerError::Refused(words.to_owned()));
        }
        let error = serde_json::from_slice(&answer.body).map(|Refusal { error }| error);
        let error: String = error.unwrap_or_default();
        let error = error.chars().take(ERROR_CHARS_MAX).collect::<String>();
        let words = format!("a code was answered {status} {error:?}");
        if status.is_server_error() {
            Err(IssuerError::Away(words))
        } else {
            Err(IssuerError::Refused(words))
        }
    }

    fn posted(&self, secret_in: SecretIn, grant: Grant<'_>) -> Result<Posted, IssuerError> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", grant.code),
            ("redirect_uri", grant.redirect_uri),
            ("code_verifier", grant.verifier),
        ];
        let client = &*self.planned.client;
        let mut header = None;
        match (&self.secret, secret_in) {
            (Some(secret), SecretIn::Header) => {
                let pair = format!("{}:{}", escaped(client), escaped(secret.expose()));
                let basic = format!("Basic {}", BASE64_STANDARD.encode(pair));
                header = Some((AUTHORIZATION, basic));
            }
            (Some(secret), SecretIn::Body) => {
                form.extend([("client_id", client), ("client_secret", secret.expose())]);
            }
            (None, _) => form.push(("client_id", client)),
        }
        let body = serde_urlencoded::to_string(form);
        let body = body.map_err(|error| IssuerError::Refused(error.to_string()))?;
        Ok(Posted {
            content_type: "application/x-www-form-urlencoded",
            header,
            body: Bytes::from(body),
        })
    }

    fn question<'a>(&'a self, url: &'a Uri) -> Question<'a> {
        Question {
            url,
            token: None,
            bytes_max: ANSWER_BYTES_MAX,
            outgoing: self.outgoing_to(url),
        }
    }

    /// The guard, for all but the host that the operator has named.
    fn outgoing_to(&self, url: &Uri) -> Option<&Outgoing> {
        let is_named = url.host() == self.planned.description.host();
        (!is_named).then_some(&self.outgoing)
    }
}

/// As a form has it (RFC 6749, section 2.3.1 and appendix B).
fn escaped(text: &str) -> String {
    let form = serde_urlencoded::to_string([("", text)]).unwrap_or_default();
    form.strip_prefix('=').unwrap_or_default().to_owned()
}

fn away(words: &dyn fmt::Display) -> IssuerError {
    IssuerError::Away(words.to_string())
}

#[cfg(test)]
mod tests;
