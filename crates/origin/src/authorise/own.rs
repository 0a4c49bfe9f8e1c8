//! Fanwave's own form: a JSON object out, a JSON object or nothing back (`docs/ingest.md`).
//!
//! 2xx is a yes, and its body may name the channel: `{"channel": "demo"}`. 4xx is a no, and its body may say why:
//! `{"reason": "..."}`. Everything else is no answer.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Answer, Occasion, Unanswered, Verdict, readable};
use crate::ingest::Publisher;

pub(super) const CONTENT_TYPE: &str = "application/json";

/// The object. Every field is always there.
#[derive(Serialize)]
struct Question<'a> {
    /// `publish`, `update` or `done`.
    action: &'static str,
    /// `rtmp`, `rtmps` or `srt`.
    protocol: &'static str,
    /// The channel that the encoder names beside its key.
    channel: Option<&'a str>,
    app: &'a str,
    /// The stream key, without what follows a question mark.
    key: &'a str,
    /// What follows the question mark.
    arguments: &'a str,
    /// Without the port.
    address: String,
    agent: &'a str,
    connection: u64,
    /// Since it was let in.
    seconds: u64,
}

#[derive(Default, Deserialize)]
struct Reply {
    channel: Option<String>,
    reason: Option<String>,
}

pub(super) fn write(publisher: &Publisher, occasion: Occasion) -> Bytes {
    let (action, age) = match occasion {
        Occasion::Publish => ("publish", None),
        Occasion::Update(age) => ("update", Some(age)),
        Occasion::Done(age) => ("done", Some(age)),
    };
    let wish = &publisher.wish;
    let question = Question {
        action,
        protocol: publisher.protocol.name(),
        channel: wish.channel.as_deref(),
        app: &wish.app,
        key: wish.name.expose(),
        arguments: wish.arguments.expose(),
        address: publisher.peer.ip().to_canonical().to_string(),
        agent: &wish.agent,
        connection: publisher.connection,
        seconds: age.unwrap_or_default().as_secs(),
    };
    // An object of texts and numbers is always JSON.
    serde_json::to_vec(&question).unwrap_or_default().into()
}

pub(super) fn read(answer: &Answer) -> Result<Verdict, Unanswered> {
    let reply = || {
        if answer.body.trim_ascii().is_empty() {
            Some(Reply::default())
        } else {
            serde_json::from_slice(&answer.body).ok()
        }
    };
    match answer.status {
        200..=299 => {
            let reply: Reply = reply().ok_or(Unanswered::Answer("the body is no JSON object"))?;
            Ok(Verdict::Allowed {
                channel: reply.channel,
            })
        }
        400..=499 => {
            // Pages of proxies are no reasons: only what is said in the form is passed on.
            let reason = reply().and_then(|reply| reply.reason).unwrap_or_default();
            Ok(Verdict::Refused {
                reason: readable(&reason),
            })
        }
        status => Err(Unanswered::Status(status)),
    }
}
