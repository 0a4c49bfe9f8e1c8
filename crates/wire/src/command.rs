//! What a back end sends over a broker: a request of the server API, written as one JSON object.
//!
//! ```text
//! {"id": "order-7", "method": "POST", "path": "/api/v1/channels/demo/publish", "body": {"id": "order-7", "text": "sold out"}}
//! ```
//!
//! | member | |
//! |---|---|
//! | `id` | what the back end calls it, 1 to 64 of `A-Z a-z 0-9 - _ . :` |
//! | `method` | `POST` unless it is said, `PUT` or `DELETE` |
//! | `path` | of one of [`ROUTES`], with its query |
//! | `body` | the request's, if it has one |
//!
//! Only what changes something and asks for nothing back is a command. Who may do what, and whether the body means anything, is
//! the API's business. Of what was sent nothing is kept in an error but what the reader of JSON says of it.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use thiserror::Error;

use crate::{
    RoomId,
    limits::{COMMAND_BYTES_MAX, COMMAND_ID_CHARS_MAX, COMMAND_PATH_BYTES_MAX},
    path::API_V1,
};

/// What can be asked for, `*` standing for any one part of the path below `/api/v1`, and what is known of it beforehand.
pub const ROUTES: [(Method, &str, Kind); 16] = [
    (Method::Post, "channels/*/publish", Kind::Publish),
    (Method::Post, "broadcast", Kind::Broadcast),
    (Method::Post, "channels/*/users/*/ban", Kind::Act),
    (Method::Post, "channels/*/users/*/mute", Kind::Act),
    (Method::Post, "channels/*/users/*/pardon", Kind::Act),
    (Method::Post, "channels/*/users/*/clear", Kind::Act),
    (Method::Delete, "channels/*/messages/*", Kind::Act),
    (Method::Put, "channels/*/settings", Kind::Act),
    (Method::Put, "channels/*/words/*", Kind::Act),
    (Method::Post, "channels/*/pins", Kind::Act),
    (Method::Delete, "channels/*/pins/*", Kind::Ending),
    (Method::Post, "channels/*/polls", Kind::Act),
    (Method::Post, "channels/*/polls/*/close", Kind::Ending),
    (Method::Post, "channels/*/announcements", Kind::Act),
    (Method::Post, "channels/*/audit/*/undo", Kind::Ending),
    (Method::Post, "users/*/disconnect", Kind::Disconnect),
];

/// What HTTP calls the way in which something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`.
    #[default]
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
}

impl Method {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What is known of a route beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Messages in one room.
    Publish,
    /// A message in several.
    Broadcast,
    /// Something is done in a room.
    Act,
    /// The same, which ends something: done twice, it is refused because it is done.
    Ending,
    /// A user's sockets are closed.
    Disconnect,
}

/// What a back end wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What the back end calls it.
    pub id: String,
    /// How it is asked for.
    pub method: Method,
    /// What is asked for, with its query.
    pub path: String,
    /// What is known of that.
    pub kind: Kind,
    /// The body, JSON; empty without one.
    pub body: String,
    /// What it is about.
    pub claims: Vec<Claim>,
}

/// Something that commands are about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Thing {
    /// A room, by its id.
    Room(String),
    /// A user, wherever they are; as the path has them.
    User(String),
}

/// What a command needs for itself while it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Where.
    pub thing: Thing,
    /// Nothing else of this sender goes on there (the key itself has no name); `None`: nothing else at all.
    pub by: Option<String>,
}

/// Why something is no command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It is too long.
    #[error("a command has at most {COMMAND_BYTES_MAX} bytes")]
    TooLarge,
    /// It is no JSON object of these members.
    #[error("the command cannot be used: {reason}")]
    Json {
        /// What the reader of JSON says; it may repeat what was sent.
        reason: String,
    },
    /// It cannot be called that.
    #[error(
        "the command cannot be used: its id has 1 to {COMMAND_ID_CHARS_MAX} of A-Z a-z 0-9 - _ . :"
    )]
    Id,
    /// Its path cannot be one.
    #[error(
        "the command cannot be used: its path has at most {COMMAND_PATH_BYTES_MAX} bytes and what HTTP takes there, all else as %XX"
    )]
    Path,
    /// Nothing of this path can be asked for.
    #[error("there is no command of this path: docs/server-api.md lists them")]
    NoRoute,
    /// The path does not take this method.
    #[error("this path does not take this method")]
    Method,
    /// The room has no name that a room can have.
    #[error("no channel of this id is configured here")]
    Room,
}

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    id: String,
    #[serde(default)]
    method: Method,
    path: String,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

impl Command {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// See [`CommandError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CommandError> {
        if bytes.len() > COMMAND_BYTES_MAX {
            return Err(CommandError::TooLarge);
        }
        // A list would be taken for the members in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            let reason = "it is no JSON object".to_owned();
            return Err(CommandError::Json { reason });
        }
        let written = serde_json::from_slice(bytes);
        let Written {
            id,
            method,
            path,
            body,
        } = written.map_err(|error| CommandError::Json {
            reason: error.to_string(),
        })?;
        if !is_id(&id) {
            return Err(CommandError::Id);
        }
        if !is_path(&path) {
            return Err(CommandError::Path);
        }
        let body = body.map_or("", RawValue::get);
        let (kind, claims) = admit(method, &path, body)?;
        Ok(Self {
            id,
            method,
            path,
            kind,
            body: body.to_owned(),
            claims,
        })
    }
}

/// Whether a command can be called that.
fn is_id(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    (1..=COMMAND_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(legal)
}

/// Whether it is a path with or without a query (RFC 3986, sections 3.3 and 3.4).
fn is_path(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/?".contains(&b);
    text.len() <= COMMAND_PATH_BYTES_MAX && text.starts_with('/') && text.bytes().all(legal)
}

/// What a command of this address is, and what it is about.
fn admit(method: Method, path: &str, body: &str) -> Result<(Kind, Vec<Claim>), CommandError> {
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let below = path
        .strip_prefix(API_V1)
        .and_then(|rest| rest.strip_prefix('/'));
    let parts: Vec<&str> = below.unwrap_or_default().split('/').collect();
    let leads = |route: &str| {
        let mut pairs = route.split('/').zip(&parts);
        route.split('/').count() == parts.len()
            && pairs.all(|(step, part)| step == *part || (step == "*" && !part.is_empty()))
    };
    let mut found = ROUTES
        .iter()
        .filter(|(_, route, _)| leads(route))
        .peekable();
    if found.peek().is_none() {
        return Err(CommandError::NoRoute);
    }
    let known = found.find(|(by, _, _)| *by == method);
    let (_, _, kind) = known.ok_or(CommandError::Method)?;
    let claims = match kind {
        Kind::Publish => publishing(&room(parts[1])?, body),
        Kind::Broadcast => broadcasting(body),
        Kind::Act | Kind::Ending => vec![Claim::whole(Thing::Room(room(parts[1])?))],
        Kind::Disconnect => vec![Claim::whole(Thing::User(parts[1].to_owned()))],
    };
    Ok((*kind, claims))
}

fn room(part: &str) -> Result<String, CommandError> {
    let room = part.parse::<RoomId>();
    room.map(|room| room.as_str().to_owned())
        .map_err(|_| CommandError::Room)
}

/// Whose messages these are. Where that cannot be told, nothing is said beside: it is about to be refused.
fn publishing(room: &str, body: &str) -> Vec<Claim> {
    let room = || Thing::Room(room.to_owned());
    let Ok(body) = serde_json::from_str::<Value>(body) else {
        return vec![Claim::whole(room())];
    };
    match body.get("messages") {
        None => vec![Claim::by(room(), sender(&body))],
        Some(Value::Array(messages)) => {
            let mut senders: Vec<String> = messages.iter().map(sender).collect();
            senders.sort_unstable();
            senders.dedup();
            let claims = senders.into_iter().map(|sender| Claim::by(room(), sender));
            claims.collect()
        }
        Some(_) => vec![Claim::whole(room())],
    }
}

fn broadcasting(body: &str) -> Vec<Claim> {
    let body = serde_json::from_str::<Value>(body).unwrap_or_default();
    let sender = sender(&body);
    let rooms = body.get("channels").and_then(Value::as_array);
    let mut rooms: Vec<&str> = rooms
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    rooms.sort_unstable();
    rooms.dedup();
    let claim = |room: &str| Claim::by(Thing::Room(room.to_owned()), sender.clone());
    rooms.into_iter().map(claim).collect()
}

/// The user id of a message's sender; empty for the key itself, which no user is called.
fn sender(message: &Value) -> String {
    let user = message.get("sender").and_then(|sender| sender.get("user"));
    user.and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Claim {
    /// Nothing else goes on there.
    #[must_use]
    pub fn whole(thing: Thing) -> Self {
        Self { thing, by: None }
    }

    /// Nothing else of this sender goes on there.
    #[must_use]
    pub fn by(thing: Thing, sender: String) -> Self {
        let by = Some(sender);
        Self { thing, by }
    }

    /// Whether two commands with these may not be done at the same time.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.thing == other.thing
            && (self.by.is_none() || other.by.is_none() || self.by == other.by)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::fuzz;

    fn read(text: &str) -> Result<Command, CommandError> {
        Command::parse(text.as_bytes())
    }

    fn command(method: &str, path: &str, body: &Value) -> Command {
        let path = format!("/api/v1{path}");
        let written = json!({"id": "c-1", "method": method, "path": path, "body": body});
        read(&written.to_string()).unwrap()
    }

    fn demo() -> Thing {
        Thing::Room("demo".to_owned())
    }

    #[test]
    fn a_command_is_a_request_of_the_server_api() {
        let said =
            r#" {"id":"a:1","path":"/api/v1/channels/demo/publish?a=1","body":{"id": "1"}} "#;
        let expected = Command {
            id: "a:1".to_owned(),
            method: Method::Post,
            path: "/api/v1/channels/demo/publish?a=1".to_owned(),
            kind: Kind::Publish,
            body: "{\"id\": \"1\"}".to_owned(),
            claims: vec![Claim::by(demo(), String::new())],
        };
        assert_eq!(read(said), Ok(expected));
        for (method, path) in [
            ("POST", "/channels/demo/users/u-1/ban?actor=kim"),
            ("DELETE", "/channels/demo/messages/17"),
            ("PUT", "/channels/demo/settings"),
            ("POST", "/channels/demo/audit/room-17-ab/undo"),
        ] {
            let claims = command(method, path, &Value::Null).claims;
            assert_eq!(claims, [Claim::whole(demo())], "{path}");
        }
        let gone = command("POST", "/users/%40/disconnect", &Value::Null);
        assert_eq!(gone.claims, [Claim::whole(Thing::User("%40".to_owned()))]);
    }

    #[test]
    fn messages_claim_their_senders() {
        let say = |user: &str| json!({"id": "1", "text": "x", "sender": {"user": user}});
        let by = |who: &str| Claim::by(demo(), who.to_owned());
        let publish = |body: &Value| command("POST", "/channels/demo/publish", body).claims;
        assert_eq!(publish(&say("b")), [by("b")]);
        let batch = json!({"messages": [say("b"), {"id": "2", "text": "x"}, say("b")]});
        assert_eq!(publish(&batch), [by(""), by("b")]);
        assert_eq!(publish(&json!({"messages": 1})), [Claim::whole(demo())]);
        let many =
            json!({"channels": ["second", "demo", "demo"], "text": "x", "sender": {"user": "b"}});
        let second = Claim::by(Thing::Room("second".to_owned()), "b".to_owned());
        assert_eq!(
            command("POST", "/broadcast", &many).claims,
            [by("b"), second]
        );
    }

    #[test]
    fn what_is_no_command_is_told_why() {
        for text in [
            "",
            "null",
            "[\"1\",\"POST\",\"/api/v1/broadcast\",null]",
            "{",
            "{}",
            r#"{"id":"1","path":"/api/v1/broadcast","path":"/api/v1/broadcast"}"#,
            r#"{"id":"1","path":"/api/v1/broadcast","headers":{}}"#,
            r#"{"id":1,"path":"/api/v1/broadcast"}"#,
            r#"{"id":"1","method":"GET","path":"/api/v1/broadcast"}"#,
            r#"{"id":"1","path":"/api/v1/broadcast"}}"#,
        ] {
            assert!(
                matches!(read(text), Err(CommandError::Json { .. })),
                "{text}"
            );
        }
        let raw = Command::parse(b"{\"id\":\"\xff\",\"path\":\"/\"}");
        assert!(matches!(raw, Err(CommandError::Json { .. })), "{raw:?}");
        let called = |id: &str| read(&json!({"id": id, "path": "/api/v1/broadcast"}).to_string());
        assert!(called(&"i".repeat(COMMAND_ID_CHARS_MAX)).is_ok());
        for id in ["", "a b", "é", &"i".repeat(COMMAND_ID_CHARS_MAX + 1)] {
            assert_eq!(called(id), Err(CommandError::Id), "{id}");
        }
        let to = |method: &str, path: &str| {
            read(&json!({"id": "1", "method": method, "path": path}).to_string())
        };
        let long = format!(
            "/api/v1/users/{}/disconnect",
            "u".repeat(COMMAND_PATH_BYTES_MAX)
        );
        for path in [
            "",
            "api/v1/broadcast",
            "http://x/api/v1/broadcast",
            "/api/v1/users/a b/disconnect",
            "/é",
            &long,
        ] {
            assert_eq!(to("POST", path), Err(CommandError::Path), "{path}");
        }
        for path in [
            "/",
            "//",
            "/api/v1",
            "/api/v1/",
            "/api/v2/broadcast",
            "/api/v1/broadcast/",
            "/api/v1//broadcast",
            "/api/v1/tokens",
            "/api/v1/guests",
            "/api/v1/api-keys",
            "/api/v1/channels/demo/stats",
            "/api/v1/channels/demo/publish/more",
            "/api/v1/users//disconnect",
            "/metrics",
        ] {
            assert_eq!(to("POST", path), Err(CommandError::NoRoute), "{path}");
        }
        assert_eq!(to("DELETE", "/api/v1/broadcast"), Err(CommandError::Method));
        assert_eq!(
            to("POST", "/api/v1/channels/d%65mo/publish"),
            Err(CommandError::Room)
        );
        let large = vec![b' '; COMMAND_BYTES_MAX + 1];
        assert_eq!(Command::parse(&large), Err(CommandError::TooLarge));
    }

    proptest! {
        /// Whatever a stranger writes, also where it nearly is a command.
        #[test]
        fn any_bytes_are_read_or_refused(
            id in "[a-z0-9:._ -]{0,6}", method in "(POST|PUT|DELETE|GET|)",
            path in "/(api/v1/)?(channels/[a-z%é ]{0,4}/(publish|users/[a-z?=%]{1,4}/ban|polls)|broadcast|users/x/disconnect)?",
            body in "(null|1|\\{\\}|\\{\"messages\":\\[1,\\{\\}\\]\\}|\\{\"channels\":\\[1,\"a\"\\]\\}|\\{)?",
        ) {
            fuzz::command(format!("{{\"id\":\"{id}\",\"method\":\"{method}\",\"path\":\"{path}\"}}").as_bytes());
            fuzz::command(format!("{{\"id\":\"{id}\",\"path\":\"{path}\",\"body\":{body}}}").as_bytes());
        }
    }
}
