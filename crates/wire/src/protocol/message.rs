//! The application's own part of a publish or an RPC `send`: what a client says, before a room has judged it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::json::command::Strict;
use crate::{
    ClientMessageId, Offset, ReplyTo, UserId,
    limits::{CLIENT_MESSAGE_ID_BYTES_MAX, USER_ID_BYTES_MAX},
};

/// A message as a client publishes it: `{"id":"...","text":"...","reply_to":{"offset":7,"user":"u-1"}}`.
///
/// Length and content of the text are the room's business, and so is whether the message answered is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMessage {
    /// The client's own id of the message; the gateway makes one when it is missing.
    pub id: Option<ClientMessageId>,
    /// What the client says.
    pub text: String,
    /// The message that it answers.
    pub reply_to: Option<ReplyTo>,
}

/// The argument of RPC `send`: a message and where it goes, `{"channel":"chat:demo","id":"...","text":"..."}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendCall {
    /// Which channel.
    pub channel: String,
    /// The message.
    pub message: ClientMessage,
}

/// Why data is no message; the answer to the client is error 107.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// There is no data, or not of the shape `{"id":...,"text":...}`.
    #[error("data is not a message")]
    Shape,
    /// The id is empty, too long, or has control characters.
    #[error(
        "a client message id has 1 to {CLIENT_MESSAGE_ID_BYTES_MAX} bytes and no control characters"
    )]
    Id,
}

impl ClientMessage {
    /// Reads the data of a publish.
    ///
    /// # Errors
    ///
    /// The data has another shape, or an id that cannot be one.
    pub fn parse(data: Option<&RawValue>) -> Result<Self, MessageError> {
        let fields: MessageFields = parse_object(data)?;
        fields.into_message()
    }
}

impl SendCall {
    /// Name of the RPC method.
    pub const METHOD: &'static str = "send";

    /// Reads the argument of the RPC.
    ///
    /// # Errors
    ///
    /// The data has another shape, or an id that cannot be one.
    pub fn parse(data: Option<&RawValue>) -> Result<Self, MessageError> {
        let fields: SendFields = parse_object(data)?;
        let message = MessageFields {
            id: fields.id,
            text: fields.text,
            reply_to: fields.reply_to,
        };
        Ok(Self {
            channel: fields.channel,
            message: message.into_message()?,
        })
    }
}

#[derive(Deserialize)]
struct MessageFields {
    #[serde(default)]
    id: Option<String>,
    text: String,
    #[serde(default)]
    reply_to: Option<Strict<ReplyFields>>,
}

#[derive(Deserialize)]
struct SendFields {
    channel: String,
    #[serde(default)]
    id: Option<String>,
    text: String,
    #[serde(default)]
    reply_to: Option<Strict<ReplyFields>>,
}

#[derive(Deserialize)]
struct ReplyFields {
    offset: u64,
    user: String,
}

impl MessageFields {
    fn into_message(self) -> Result<ClientMessage, MessageError> {
        let id = self.id.map(|text| parse_id(&text)).transpose()?;
        let reply_to = self
            .reply_to
            .map(|Strict(fields)| fields.into_reply())
            .transpose()?;
        Ok(ClientMessage {
            id,
            text: self.text,
            reply_to,
        })
    }
}

impl ReplyFields {
    fn into_reply(self) -> Result<ReplyTo, MessageError> {
        Ok(ReplyTo {
            offset: Offset(self.offset),
            user: parse_user(&self.user).ok_or(MessageError::Shape)?,
        })
    }
}

/// Reads an object; an array, which a derived reader would also take, is refused.
pub(crate) fn parse_object<'de, T: Deserialize<'de>>(
    data: Option<&'de RawValue>,
) -> Result<T, MessageError> {
    let json = data.ok_or(MessageError::Shape)?.get();
    if !json.starts_with('{') {
        return Err(MessageError::Shape);
    }
    serde_json::from_str(json).map_err(|_| MessageError::Shape)
}

/// Reads an id that a client chose.
pub(crate) fn parse_id(text: &str) -> Result<ClientMessageId, MessageError> {
    let legal =
        (1..=CLIENT_MESSAGE_ID_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    if legal {
        Ok(ClientMessageId(Arc::from(text)))
    } else {
        Err(MessageError::Id)
    }
}

/// The id of a user, if it can be one.
pub(crate) fn parse_user(text: &str) -> Option<UserId> {
    let legal = (1..=USER_ID_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    legal.then(|| UserId(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(json: &str) -> Result<ClientMessage, MessageError> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        ClientMessage::parse(Some(&raw))
    }

    #[test]
    fn a_message_has_a_text_and_may_have_an_id() {
        let message = publish(r#"{"id":"m-1","text":"안녕","colour":"red"}"#).unwrap();
        assert_eq!(message.id, Some(ClientMessageId("m-1".into())));
        assert_eq!(message.text, "안녕");
        assert_eq!(
            publish(r#"{"text":""}"#).unwrap(),
            ClientMessage {
                id: None,
                text: String::new(),
                reply_to: None,
            }
        );
        assert_eq!(publish(r#"{"id":null,"text":""}"#).unwrap().id, None);
    }

    #[test]
    fn other_shapes_are_refused() {
        for json in [
            "1",
            "null",
            "\"text\"",
            "[\"id\",\"text\"]",
            "{}",
            r#"{"text":7}"#,
            r#"{"id":1,"text":"x"}"#,
        ] {
            assert_eq!(publish(json), Err(MessageError::Shape), "{json}");
        }
        assert_eq!(ClientMessage::parse(None), Err(MessageError::Shape));
    }

    #[test]
    fn half_of_a_surrogate_pair_is_refused() {
        assert_eq!(publish(r#"{"text":"\ud83d"}"#), Err(MessageError::Shape));
        assert_eq!(
            publish(r#"{"text":"\udc9c\ud83d"}"#),
            Err(MessageError::Shape)
        );
        assert_eq!(publish(r#"{"text":"\ud83d\udc9c"}"#).unwrap().text, "💜");
    }

    #[test]
    fn an_id_has_its_limits() {
        let with = |id: &str| publish(&format!(r#"{{"id":"{id}","text":"x"}}"#)).map(|m| m.id);
        let longest = "i".repeat(CLIENT_MESSAGE_ID_BYTES_MAX);
        assert_eq!(
            with(&longest),
            Ok(Some(ClientMessageId(longest.as_str().into())))
        );
        assert_eq!(with(&format!("{longest}i")), Err(MessageError::Id));
        assert_eq!(with(""), Err(MessageError::Id));
        assert_eq!(with("a\\u0000"), Err(MessageError::Id));
    }

    #[test]
    fn a_message_may_answer_another() {
        let json = r#"{"text":"x","reply_to":{"offset":7,"user":"u-1"}}"#;
        let answered = ReplyTo {
            offset: Offset(7),
            user: UserId("u-1".into()),
        };
        assert_eq!(publish(json).unwrap().reply_to, Some(answered));
        for wrong in [
            "7",
            "{}",
            r#"[7,"u"]"#,
            r#"{"offset":7}"#,
            r#"{"offset":-7,"user":"u"}"#,
            r#"{"offset":7,"user":""}"#,
            r#"{"offset":7,"user":"a\u0000"}"#,
        ] {
            let json = format!(r#"{{"text":"x","reply_to":{wrong}}}"#);
            assert_eq!(publish(&json), Err(MessageError::Shape), "{wrong}");
        }
    }

    #[test]
    fn a_send_names_its_channel() {
        let raw: Box<RawValue> =
            serde_json::from_str(r#"{"channel":"chat:demo","id":"a","text":"hi"}"#).unwrap();
        let call = SendCall::parse(Some(&raw)).unwrap();
        assert_eq!(call.channel, "chat:demo");
        assert_eq!(call.message.text, "hi");
        let raw: Box<RawValue> = serde_json::from_str(r#"{"id":"a","text":"hi"}"#).unwrap();
        assert_eq!(SendCall::parse(Some(&raw)), Err(MessageError::Shape));
    }
}
