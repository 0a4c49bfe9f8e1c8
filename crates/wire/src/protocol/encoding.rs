//! The two forms of the protocol: JSON, readable by anybody, and Protobuf, which apps prefer.
//!
//! They say the same. What the application says inside (`data` of a publication, a call's argument and result) is JSON
//! in both: a publication's data is encoded alike, whoever reads it.

use super::{Command, ProtocolError, Push, Reply, Response, SERVER_PING, json, protobuf};

/// How a client and the server write commands and replies; settled when the connection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Encoding {
    /// One JSON object per command or reply, and line ends between them.
    #[default]
    Json,
    /// One message of the published schema per command or reply, each after its length.
    Protobuf,
}

impl Encoding {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Json, Self::Protobuf];

    /// What stands between two replies of one frame.
    #[must_use]
    pub const fn separator(self) -> &'static [u8] {
        match self {
            Self::Json => b"\n",
            Self::Protobuf => b"",
        }
    }

    /// Parses a frame of 1 to `commands_max` commands.
    ///
    /// # Errors
    ///
    /// The whole frame is refused when any of it breaks the protocol: the connection ends anyway.
    pub fn parse_commands(
        self,
        frame: &[u8],
        commands_max: usize,
    ) -> Result<Vec<Command>, ProtocolError> {
        match self {
            Self::Json => {
                let text = simdutf8::basic::from_utf8(frame).map_err(|_| ProtocolError::NotUtf8)?;
                json::command::parse_commands(text, commands_max)
            }
            Self::Protobuf => protobuf::command::parse_commands(frame, commands_max),
        }
    }

    /// Appends a reply.
    pub fn append_reply(self, reply: &Reply<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::reply::encode(reply, out),
            Self::Protobuf => protobuf::reply::encode(reply, out),
        }
    }

    /// Appends a response alone, for many replies that say the same: see [`Encoding::append_reply_with`].
    pub fn append_response(self, response: &Response<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json => {
                json::reply::encode_response(response, &mut json::Object::fields(out));
            }
            Self::Protobuf => protobuf::reply::encode_response(response, out),
        }
    }

    /// Appends the reply to command `id` (above 0) with a response that [`Encoding::append_response`] has written.
    pub fn append_reply_with(self, id: u32, response: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Json => {
                out.extend_from_slice(br#"{"id":"#);
                json::push_u64(out, u64::from(id));
                out.push(b',');
                out.extend_from_slice(response);
                out.push(b'}');
            }
            Self::Protobuf => protobuf::reply::encode_with(id, response, out),
        }
    }

    /// Appends a push.
    pub fn append_push(self, push: &Push<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::push::encode(push, out),
            Self::Protobuf => protobuf::push::encode(push, out),
        }
    }

    /// Appends the server's ping: the empty reply.
    pub fn append_ping(self, out: &mut Vec<u8>) {
        match self {
            Self::Json => out.extend_from_slice(SERVER_PING),
            Self::Protobuf => out.push(0),
        }
    }
}
