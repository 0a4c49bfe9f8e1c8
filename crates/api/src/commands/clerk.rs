//! Has commands answered by the routes of the API, and says what is to become of them.

use std::{panic::AssertUnwindSafe, sync::Arc};

use aws_lc_rs::digest::{self, SHA256};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, StatusCode, Uri},
    response::Response,
};
use fanwave_wire::{
    ClientMessageId,
    command::{Command, Kind},
    path::API_V1,
};
use futures_util::FutureExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::{
    Api, Problem,
    keys::{ApiKey, Scope},
    limits::ANSWER_BYTES_MAX,
};

/// What the key is called that commands are done with.
const NAME: &str = "commands";

/// Bytes of the digest that an act is called after: no two commands meet.
const ACT_BYTES: usize = 16;

/// What a request says of itself that comes from here. Nobody can say it over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Inside {
    /// Who asks.
    pub(crate) key: ApiKey,
    /// What the act is called that is asked for.
    pub(crate) act: ClientMessageId,
}

/// What is to become of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done, now or before.
    Done,
    /// It cannot be done now: ask again.
    Again,
    /// It cannot be done by this server, for a reason that is its own: ask again, but not for ever. The problem says what.
    Fault(Value),
    /// It is refused, and would be again. The problem says why.
    Refused(Value),
}

/// Has commands done; see the module.
#[derive(Debug, Clone)]
pub struct Clerk {
    routes: Router,
    key: ApiKey,
}

/// Whether a scope means something for commands: nobody hears their answers.
#[must_use]
pub fn is_scope(scope: Scope) -> bool {
    matches!(scope, Scope::Publish | Scope::Moderate)
}

impl Clerk {
    /// One that may do what the scopes allow.
    #[must_use]
    pub fn new(api: Arc<Api>, scopes: Vec<Scope>) -> Self {
        let (routes, _) = crate::routes().split_for_parts();
        let routes = routes.fallback(async || Problem::not_found());
        Self {
            routes: Router::new().nest(API_V1, routes.with_state(api)),
            // No text has this digest: it is nobody's to show.
            key: ApiKey::new(NAME, scopes, [0; 32]),
        }
    }

    /// Has a command done. `repeated` says that it may have been done before, by a server that could not say so any more.
    pub async fn carry_out(&self, command: &Command, repeated: bool) -> Outcome {
        let method = Method::from_bytes(command.method.name().as_bytes());
        let (Ok(method), Ok(uri)) = (method, command.path.parse::<Uri>()) else {
            return Outcome::Fault(internal());
        };
        let mut request = Request::new(Body::from(command.body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.extensions_mut().insert(Inside {
            key: self.key.clone(),
            act: act(command),
        });
        let asked = self.routes.clone().oneshot(request);
        // A handler that panics costs one command, as it costs one answer over HTTP.
        let Ok(answered) = AssertUnwindSafe(asked).catch_unwind().await else {
            return Outcome::Fault(internal());
        };
        let response = answered.unwrap_or_else(|never| match never {});
        judge(command.kind, response, repeated).await
    }
}

/// What an act is called that is asked for: the same for the same command, on every server.
fn act(command: &Command) -> ClientMessageId {
    let (path, _) = command.path.split_once('?').unwrap_or((&command.path, ""));
    let text = format!("{} {} {path}", command.id, command.method.name());
    let digest = digest::digest(&SHA256, text.as_bytes());
    let half = digest.as_ref().iter().take(ACT_BYTES);
    let hex: String = half.map(|byte| format!("{byte:02x}")).collect();
    ClientMessageId(hex.into())
}

async fn judge(kind: Kind, response: Response, repeated: bool) -> Outcome {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_BYTES_MAX).await.ok();
    let answer = body.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
    let Some(answer) = answer else {
        // Every answer to a command has an object; this one may have been given all the same.
        return Outcome::Fault(internal());
    };
    if head.status.is_success() {
        return of_results(&answer);
    }
    let code = answer["code"].as_str().unwrap_or_default();
    if repeated && kind == Kind::Ending && matches!(code, "not_there" | "already_undone") {
        return Outcome::Done;
    }
    match is_passing(head.status, code) {
        Some(true) => Outcome::Again,
        Some(false) => Outcome::Refused(answer),
        None => Outcome::Fault(answer),
    }
}

/// Whether a refusal passes by itself; `None`: something is wrong here that may be wrong for ever.
fn is_passing(status: StatusCode, code: &str) -> Option<bool> {
    match (status, code) {
        // What is undone in part, a moderator has to look at; a sender who is too fast would hold up all others.
        (_, "half_undone" | "too_fast") => Some(false),
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => Some(true),
        _ if status.is_server_error() => None,
        _ => Some(false),
    }
}

/// Of several messages, some may be refused. What passes by itself is asked for again with the rest, which is said by then.
fn of_results(answer: &Value) -> Outcome {
    let results = answer["results"].as_array();
    let is_refused = |result: &&Value| result.get("problem").is_some();
    let refused: Vec<Value> = results
        .into_iter()
        .flatten()
        .filter(is_refused)
        .cloned()
        .collect();
    let passes = |result: &Value| {
        let problem = &result["problem"];
        let status = problem["status"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok());
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let code = problem["code"].as_str().unwrap_or_default();
        is_passing(status.unwrap_or_default(), code) == Some(true)
    };
    if refused.is_empty() {
        return Outcome::Done;
    }
    if refused.iter().any(passes) {
        return Outcome::Again;
    }
    let words = format!(
        "{} of its messages are refused; the others are said",
        refused.len()
    );
    let problem = Problem::new(StatusCode::MULTI_STATUS, "refused_in_part", words);
    let mut problem = problem.json();
    problem["results"] = Value::Array(refused);
    Outcome::Refused(problem)
}

fn internal() -> Value {
    let words = "the command could not be answered";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", words).json()
}
