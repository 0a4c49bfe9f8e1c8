//! What the server tells a client without being asked; [`Encoding`] writes it.

use serde_json::value::RawValue;

use super::{ClientInfo, ConnectResult, Disconnect, Encoding, UnsubscribeCode};
use crate::{Channel, Epoch, Notice, Offset, Publication};

/// One push.
#[derive(Debug, Clone, Copy)]
pub enum Push<'a> {
    /// A new publication. The bytes depend on the channel and the publication only: encode once, send to all.
    Publication {
        /// Where it was published.
        channel: &'a Channel,
        /// What.
        publication: &'a Publication,
    },
    /// Something that the room says without keeping it.
    Notice {
        /// Where.
        channel: &'a Channel,
        /// What.
        notice: &'a Notice,
    },
    /// Somebody came.
    Join {
        /// Where.
        channel: &'a Channel,
        /// Who.
        info: ClientInfo<'a>,
    },
    /// Somebody left.
    Leave {
        /// Where.
        channel: &'a Channel,
        /// Who.
        info: ClientInfo<'a>,
    },
    /// The server ended a subscription; the connection stays.
    Unsubscribe {
        /// Of which channel.
        channel: &'a Channel,
        /// Why.
        code: UnsubscribeCode,
    },
    /// The server subscribed the client to a channel.
    Subscribe {
        /// To which channel.
        channel: &'a Channel,
        /// Where the channel stands.
        epoch: &'a Epoch,
        /// Where the channel stands.
        offset: Offset,
    },
    /// The server is about to close the connection; for transports without close codes.
    Disconnect(Disconnect<'a>),
    /// Something for the application of one client, outside any channel.
    Message {
        /// What.
        data: &'a RawValue,
    },
    /// The server connected the client without being asked, on a transport that goes one way only.
    Connect(ConnectResult<'a>),
    /// The server made the client's credentials last.
    Refresh {
        /// For so many seconds; `None`: they do not run out.
        ttl_seconds: Option<u32>,
    },
}

impl Push<'_> {
    /// Appends the push as JSON.
    pub fn encode(&self, out: &mut Vec<u8>) {
        Encoding::Json.append_push(self, out);
    }
}
