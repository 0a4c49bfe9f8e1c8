//! The Centrifuge client protocol in both its forms, spoken by every published Centrifuge client.
//!
//! In JSON, a frame from a client holds one [`Command`] per line, a frame to a client one reply or push per line; in
//! Protobuf each stands after its length (see [`Encoding`]). A command names its method by the one field beside `id` (`{"id":1,"connect":{}}`); its reply carries the same id and either
//! the result in the field of that name or an `error`. A push has no id. The empty object is the server's ping in one
//! direction and the client's pong in the other.
//!
//! Reading is strict about structure and tolerant of fields that it does not know, so that clients may be newer than
//! the server. Writing leaves out fields at their zero value exactly where the published schema does, and appends to a
//! caller's `Vec<u8>` without an intermediate tree: a publication is encoded once per room, not once per fan.
//!
//! Spec: <https://centrifugal.dev/docs/transports/client_protocol> and the schema `client.proto` it links to.

pub mod command;
pub mod disconnect;
pub mod emulation;
pub mod encoding;
pub mod error;
mod event;
mod json;
pub mod message;
mod protobuf;
pub mod publication;
pub mod push;
pub mod reply;
pub mod slot;

pub use command::{
    Command, ConnectRequest, HistoryRequest, Method, PresenceRequest, ProtocolError,
    PublishRequest, RefreshRequest, RpcRequest, SendRequest, StreamPosition, SubRefreshRequest,
    SubscribeRequest, TokenText, UnsubscribeRequest,
};
pub use disconnect::{DisconnectCode, Reconnect, UnsubscribeCode};
pub use emulation::EmulationRequest;
pub use encoding::Encoding;
pub use error::{ErrorCode, ErrorReply};
pub use json::command::parse_commands;
pub use message::{ClientMessage, MessageError, SendCall};
pub(crate) use message::{parse_id, parse_object, parse_user};
pub use push::Push;
pub use reply::{
    ClientInfo, ConnectResult, HistoryResult, PresencePage, PublishResult, Recovery, RefreshResult,
    Reply, Response, SendResult, SubscribeResult,
};
pub use slot::{Disconnect, ReturnSlot};

/// The server's ping: the empty reply. A client with `pong` set in its connect result answers with the same bytes.
pub const SERVER_PING: &[u8] = b"{}";

/// Stands between two replies of one frame.
pub const SEPARATOR: u8 = b'\n';

#[cfg(test)]
mod tests;
