//! How replies and publications become bytes on the way to a fan.
//!
//! A [`Format`] is the encoding of the client protocol and what frames it on the transport. A connection has one for
//! as long as it lives; whatever goes to many is encoded once per format ([`Frames`]), never once per fan.

use fanwave_wire::{
    protocol::{Encoding, Push, Reply},
    ws,
};

/// Encoding and framing of one connection; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// WebSocket text frames of JSON.
    WsJson,
    /// WebSocket binary frames of Protobuf.
    WsProtobuf,
}

impl Format {
    /// How many there are.
    pub(crate) const COUNT: usize = 2;

    /// Its place among all of them.
    const fn index(self) -> usize {
        self as usize
    }

    /// How replies and commands are written in it.
    pub(crate) const fn encoding(self) -> Encoding {
        match self {
            Self::WsJson => Encoding::Json,
            Self::WsProtobuf => Encoding::Protobuf,
        }
    }

    /// Appends one framed reply.
    pub(crate) fn append_reply(self, reply: &Reply<'_>, out: &mut Vec<u8>) {
        self.append_framed(out, |out| self.encoding().append_reply(reply, out));
    }

    /// Appends one framed push.
    pub(crate) fn append_push(self, push: &Push<'_>, out: &mut Vec<u8>) {
        self.append_framed(out, |out| self.encoding().append_push(push, out));
    }

    /// Appends the server's ping, framed.
    pub(crate) fn append_ping(self, out: &mut Vec<u8>) {
        self.append_framed(out, |out| self.encoding().append_ping(out));
    }

    fn append_framed(self, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Self::WsJson => ws::frame::encode_text_with(out, body),
            Self::WsProtobuf => ws::frame::encode_binary_with(out, body),
        }
    }
}

/// One push in every format that somebody reads, each encoded when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    encoded: [Vec<u8>; Format::COUNT],
}

impl Frames {
    /// Forgets the push, and keeps the memory for the next.
    pub(crate) fn clear(&mut self) {
        for frame in &mut self.encoded {
            frame.clear();
        }
    }

    /// The push in one format. Until [`Frames::clear`] it must be the same push.
    pub(crate) fn of(&mut self, format: Format, push: &Push<'_>) -> &[u8] {
        let frame = &mut self.encoded[format.index()];
        if frame.is_empty() {
            format.append_push(push, frame);
        }
        frame
    }
}
