//! What a back end answers: read whole and strictly, so that a mistake is seen at once and lets nobody through.

use std::sync::Arc;

use fanwave_api::name;
use fanwave_gateway::consult::{Permit, Ruling, Welcome};
use fanwave_wire::{
    Channel, Role, Sender, UnixMillis, UserId, limits::MESSAGE_TEXT_CHARS_MAX, token::Claims,
};
use serde::Deserialize;
use thiserror::Error;

use super::limits::{EXPIRES_IN_DEFAULT, EXPIRES_IN_MAX, REASON_CHARS_MAX};

/// An answer that says nothing that can be done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("its answer cannot be used: {0}")]
pub(super) struct Unreadable(String);

/// What a client is told that nobody has given a reason to.
const NO_REASON: &str = "the app does not let this in";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Welcomed {
    allow: bool,
    #[serde(default)]
    user: Option<Person>,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    id: String,
    name: String,
    #[serde(default)]
    role: Role,
    #[serde(default)]
    badge: Option<Arc<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Permitted {
    allow: bool,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ruled {
    allow: bool,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    hold: bool,
    #[serde(default)]
    reason: Option<String>,
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|error| {
        // Where it went wrong says enough; what is there may be a person's.
        Unreadable(format!(
            "line {}, column {} is not as documented",
            error.line(),
            error.column()
        ))
    })
}

fn refuse(words: impl Into<String>) -> Unreadable {
    Unreadable(words.into())
}

/// A reason that can be shown.
fn reason(given: Option<&str>) -> Arc<str> {
    let shown: String = given
        .unwrap_or_default()
        .chars()
        .filter(|character| !character.is_control())
        .take(REASON_CHARS_MAX)
        .collect();
    match shown.trim() {
        "" => NO_REASON.into(),
        shown => shown.into(),
    }
}

/// Whether somebody may connect, and as whom.
pub(super) fn welcome(body: &[u8], now: UnixMillis) -> Result<Welcome, Unreadable> {
    let Welcomed {
        allow,
        user,
        channels,
        expires_in,
        reason: why,
    } = parsed(body)?;
    if !allow {
        return Ok(Welcome::No(reason(why.as_deref())));
    }
    let Some(person) = user else {
        if !channels.is_empty() || expires_in.is_some() {
            return Err(refuse(
                "channels and expires_in say more of user, which is missing",
            ));
        }
        return Ok(Welcome::ByToken);
    };
    let seconds = expires_in.unwrap_or(EXPIRES_IN_DEFAULT);
    if !(1..=EXPIRES_IN_MAX).contains(&seconds) {
        return Err(refuse(format!("expires_in is 1 to {EXPIRES_IN_MAX}")));
    }
    let name = name::parse(&person.name).map_err(|error| refuse(format!("user.name: {error}")))?;
    let sender = Sender {
        badge: person.badge,
        ..Sender::new(UserId(person.id.into()), name, person.role)
    };
    let until = UnixMillis(now.0.saturating_add(seconds * 1_000));
    let claims =
        Claims::new(sender, now, until).map_err(|error| refuse(format!("user: {error}")))?;
    let channels = channels.iter().map(|name| name.parse::<Channel>());
    let channels = channels
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refuse(format!("channels: {error}")))?;
    let claims = claims
        .subscribed_to(channels)
        .map_err(|error| refuse(format!("channels: {error}")))?;
    Ok(Welcome::As(Box::new(claims)))
}

/// Whether somebody may follow a channel.
pub(super) fn permit(body: &[u8]) -> Result<Permit, Unreadable> {
    let Permitted { allow, reason: why } = parsed(body)?;
    Ok(match allow {
        true => Permit::Yes,
        false => Permit::No(reason(why.as_deref())),
    })
}

/// Whether something may be said.
pub(super) fn ruling(body: &[u8]) -> Result<Ruling, Unreadable> {
    let Ruled {
        allow,
        text,
        hold,
        reason: why,
    } = parsed(body)?;
    match (allow, hold, text) {
        (true, false, None) => Ok(Ruling::Yes),
        (true, true, None) => Ok(Ruling::Hold),
        (true, false, Some(text)) => {
            if text.trim().is_empty() || text.chars().count() > MESSAGE_TEXT_CHARS_MAX {
                return Err(refuse(format!(
                    "text has 1 to {MESSAGE_TEXT_CHARS_MAX} characters"
                )));
            }
            Ok(Ruling::Instead(text.into()))
        }
        (true, true, Some(_)) => Err(refuse("hold and text are not said together")),
        (false, false, None) => Ok(Ruling::No(reason(why.as_deref()))),
        (false, ..) => Err(refuse("what is not allowed has no text, and does not wait")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

    #[test]
    fn an_identity_is_taken_as_it_is_given() {
        let body =
            br#"{"allow":true,"user":{"id":"u-7","name":"Mina","role":"moderator","badge":"VIP"},
            "channels":["chat:demo"],"expires_in":60}"#;
        let Ok(Welcome::As(claims)) = welcome(body, NOW) else {
            panic!("it is one")
        };
        let sender = claims.sender();
        assert_eq!(
            (
                &*sender.user.0,
                &*sender.name,
                sender.role,
                sender.badge.as_deref()
            ),
            ("u-7", "Mina", Role::Moderator, Some("VIP"))
        );
        assert_eq!(claims.expires_at(), UnixMillis(NOW.0 + 60_000));
        assert_eq!(claims.channels().len(), 1);
        assert_eq!(welcome(br#"{"allow":true}"#, NOW), Ok(Welcome::ByToken));
        assert_eq!(
            welcome(br#"{"allow":false,"reason":"sold\u0007 out"}"#, NOW),
            Ok(Welcome::No("sold out".into()))
        );
        assert_eq!(
            welcome(br#"{"allow":false}"#, NOW),
            Ok(Welcome::No(NO_REASON.into()))
        );
    }

    #[test]
    fn what_is_not_as_documented_lets_nobody_through() {
        for body in [
            "",
            "{}",
            "true",
            "null",
            r#"{"allow":"yes"}"#,
            r#"{"allow":true,"admin":true}"#,
            r#"{"allow":true,"user":{"id":"u"}}"#,
            r#"{"allow":true,"user":{"id":"","name":"n"}}"#,
            r#"{"allow":true,"user":{"id":"u","name":"n","role":"king"}}"#,
            r#"{"allow":true,"user":{"id":"u","name":"n"},"expires_in":0}"#,
            r#"{"allow":true,"user":{"id":"u","name":"n"},"expires_in":86401}"#,
            r#"{"allow":true,"user":{"id":"u","name":"n"},"channels":["nowhere"]}"#,
            r#"{"allow":true,"expires_in":60}"#,
        ] {
            assert!(welcome(body.as_bytes(), NOW).is_err(), "{body}");
        }
        for body in [
            r#"{"allow":true,"text":""}"#,
            r#"{"allow":true,"text":"x","hold":true}"#,
            r#"{"allow":false,"hold":true}"#,
            r#"{"allow":false,"text":"x"}"#,
        ] {
            assert!(ruling(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(permit(br#"{"allow":true}"#), Ok(Permit::Yes));
        assert_eq!(ruling(br#"{"allow":true,"hold":true}"#), Ok(Ruling::Hold));
        assert_eq!(
            ruling(br#"{"allow":true,"text":"***"}"#),
            Ok(Ruling::Instead("***".into()))
        );
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(body in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,80}") {
            for body in [body, format!(r#"{{"allow":true,"text":{text:?}}}"#).into_bytes()] {
                let words = [
                    welcome(&body, NOW).err(), permit(&body).err(), ruling(&body).err(),
                ];
                for unreadable in words.into_iter().flatten() {
                    prop_assert!(unreadable.to_string().chars().count() < 200);
                }
            }
        }

        #[test]
        fn a_reason_is_short_and_can_be_shown(given in "\\PC{0,400}|[\\x00-\\x1f]{0,20}") {
            let shown = reason(Some(&given));
            prop_assert!((1..=REASON_CHARS_MAX).contains(&shown.chars().count()));
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
