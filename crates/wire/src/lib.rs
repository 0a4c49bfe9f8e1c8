//! What two processes must agree on byte for byte: ids, messages, the client protocol, tokens, close codes, limits.
//!
//! This crate is pure. It knows no socket, no clock and no random source: whoever needs the time passes it in.
//! Every shell imports it; it imports none of ours.

pub mod beacon;
pub mod call;
pub mod command;
pub mod envelope;
pub mod event;
pub mod fuzz;
pub mod id;
pub mod language;
pub mod limits;
pub mod message;
pub mod notice;
pub mod path;
pub mod protocol;
pub mod token;
pub mod ws;

pub use call::{Action, Call, CallError};
pub use event::{Event, HoldReason, Mode, ReportReason};
pub use id::{
    Channel, ChannelError, ClientMessageId, Epoch, Lane, Offset, RoomId, UnixMillis, UserId,
};
pub use language::Language;
pub use message::{Body, Draft, Publication, ReplyTo, Role, Sender, Text};
pub use notice::{Notice, ReactionKind};
