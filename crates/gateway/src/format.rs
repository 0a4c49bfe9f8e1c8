//! How replies and publications become bytes on the way to a fan.
//!
//! A [`Format`] is the encoding of the client protocol and what frames it on the transport. A connection has one for
//! as long as it lives; whatever goes to many is encoded once per format ([`Frames`]), never once per fan.
//!
//! Where compression was negotiated, what goes to many is gathered over a tick and becomes one message, compressed once
//! for all of them ([`Gathering`]); what goes to one is not compressed, which any client takes (RFC 7692, section 6).

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
    /// The same as [`Format::WsJson`], compressed for many at a time.
    WsJsonDeflate,
    /// The same as [`Format::WsProtobuf`], compressed for many at a time.
    WsProtobufDeflate,
    /// Lines of JSON on a response without end.
    StreamJson,
    /// Protobuf behind its length, on a response without end.
    StreamProtobuf,
    /// Server-sent events of JSON (HTML standard, section 9.2).
    Sse,
}

/// How what goes to many is put into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gathering {
    /// Each in a frame of its own.
    Each,
    /// A tick's worth in one, compressed.
    Tick,
}

impl Format {
    /// How many there are.
    pub(crate) const COUNT: usize = 7;

    /// What a WebSocket is spoken to in.
    pub(crate) fn of_websocket(encoding: Encoding, deflate: Option<ws::WindowBits>) -> Self {
        match (encoding, deflate) {
            (Encoding::Json, None) => Self::WsJson,
            (Encoding::Json, Some(_)) => Self::WsJsonDeflate,
            (Encoding::Protobuf, None) => Self::WsProtobuf,
            (Encoding::Protobuf, Some(_)) => Self::WsProtobufDeflate,
        }
    }

    /// How commands and replies are written.
    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Self::WsJson | Self::WsJsonDeflate | Self::StreamJson | Self::Sse => Encoding::Json,
            Self::WsProtobuf | Self::WsProtobufDeflate | Self::StreamProtobuf => Encoding::Protobuf,
        }
    }

    /// Whether it is a stream without frames: nothing is read from it, and no close code can be said on it.
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Self::StreamJson | Self::StreamProtobuf | Self::Sse)
    }

    /// How what goes to many is put into frames.
    pub(crate) fn gathering(self) -> Gathering {
        match self {
            Self::WsJsonDeflate | Self::WsProtobufDeflate => Gathering::Tick,
            _ => Gathering::Each,
        }
    }

    /// Its place among all of them.
    const fn index(self) -> usize {
        self as usize
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

    /// Appends a frame around what has been gathered.
    pub(crate) fn append_gathered(
        self,
        gathered: &[u8],
        deflater: &mut ws::Deflater,
        out: &mut Vec<u8>,
    ) {
        match self.encoding() {
            Encoding::Json => ws::frame::encode_text_deflated(out, gathered, deflater),
            Encoding::Protobuf => ws::frame::encode_binary_deflated(out, gathered, deflater),
        }
    }

    fn append_framed(self, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Self::WsJson | Self::WsJsonDeflate => ws::frame::encode_text_with(out, body),
            Self::WsProtobuf | Self::WsProtobufDeflate => ws::frame::encode_binary_with(out, body),
            Self::StreamJson => {
                body(out);
                out.push(b'\n');
            }
            Self::StreamProtobuf => body(out),
            Self::Sse => {
                // JSON of ours has no line end in it, which would be the end of the event's line.
                out.extend_from_slice(b"data: ");
                body(out);
                out.extend_from_slice(b"\n\n");
            }
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

    /// The push in one format, without a frame where a tick's worth shares one. Until [`Frames::clear`] it must be the
    /// same push.
    pub(crate) fn of(&mut self, format: Format, push: &Push<'_>) -> &[u8] {
        let frame = &mut self.encoded[format.index()];
        if frame.is_empty() {
            match format.gathering() {
                Gathering::Each => format.append_push(push, frame),
                Gathering::Tick => format.encoding().append_push(push, frame),
            }
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinged(format: Format) -> Vec<u8> {
        let mut out = Vec::new();
        format.append_ping(&mut out);
        out
    }

    #[test]
    fn every_transport_frames_in_its_own_way() {
        assert_eq!(pinged(Format::WsJson), b"\x81\x02{}");
        assert_eq!(pinged(Format::WsJsonDeflate), b"\x81\x02{}");
        assert_eq!(pinged(Format::WsProtobuf), b"\x82\x01\x00");
        assert_eq!(pinged(Format::StreamJson), b"{}\n");
        assert_eq!(pinged(Format::StreamProtobuf), b"\x00");
        assert_eq!(pinged(Format::Sse), b"data: {}\n\n");
    }
}
