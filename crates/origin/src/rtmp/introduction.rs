//! What an encoder tells about itself before it publishes: `flashVer`, `tcUrl` and the like, and the kind of publishing.
//!
//! The session's library keeps these to itself, and an authoriser is asked with them. So the first bytes are read along,
//! with the library's own chunk reader; what cannot be read is left out, and is for the session to refuse.

use sapflow_rtmp::{
    amf0::{self, Value},
    chunk::{ChunkReader, Message, Read},
};

use crate::{
    config::Secret,
    ingest::{Wish, shortened},
    limits::INTRODUCTION_BYTES_MAX,
};

/// C0, C1 and C2.
const HANDSHAKE_BYTES: usize = 1 + 2 * 1_536;

const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;
const AMF3_COMMAND: u8 = 17;
const AMF0_COMMAND: u8 = 20;

/// Reads along until the `publish` command, [`INTRODUCTION_BYTES_MAX`] bytes at most.
pub(super) struct Introduction {
    handshake_left: usize,
    state: Option<Reading>,
    told: Told,
}

struct Reading {
    reader: ChunkReader,
    unread: Vec<u8>,
    bytes: usize,
}

#[derive(Default)]
struct Told {
    kind: String,
    agent: String,
    tc_url: String,
    swf_url: String,
    page_url: String,
}

impl Default for Introduction {
    fn default() -> Self {
        Self {
            handshake_left: HANDSHAKE_BYTES,
            state: Some(Reading {
                reader: ChunkReader::new(INTRODUCTION_BYTES_MAX),
                unread: Vec::new(),
                bytes: 0,
            }),
            told: Told::default(),
        }
    }
}

impl Introduction {
    /// Reads along.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let Some(state) = &mut self.state else {
            return;
        };
        let skipped = self.handshake_left.min(bytes.len());
        self.handshake_left -= skipped;
        let bytes = bytes.get(skipped..).unwrap_or_default();
        state.bytes = state.bytes.saturating_add(bytes.len());
        if state.bytes > INTRODUCTION_BYTES_MAX || !state.take(bytes, &mut self.told) {
            self.state = None;
        }
    }

    /// What the peer wants, as far as it was read; nothing is read any more.
    pub(super) fn finish(&mut self, app: &str, key: &str) -> Wish {
        self.state = None;
        let told = std::mem::take(&mut self.told);
        Wish {
            app: shortened(app).to_owned(),
            kind: told.kind,
            agent: told.agent,
            tc_url: Secret::new(&told.tc_url),
            swf_url: Secret::new(&told.swf_url),
            page_url: Secret::new(&told.page_url),
            ..Wish::of(key)
        }
    }
}

impl Reading {
    /// `false` when there is no more to read.
    fn take(&mut self, bytes: &[u8], told: &mut Told) -> bool {
        self.unread.extend_from_slice(bytes);
        let mut at = 0;
        let goes_on = loop {
            match self.reader.read(self.unread.get(at..).unwrap_or_default()) {
                Ok(Read::NeedMore) => break true,
                Ok(Read::Chunk { consumed, message }) => {
                    at += consumed;
                    if message.is_some_and(|message| !self.message(&message, told)) {
                        break false;
                    }
                }
                Err(_) => break false,
            }
        };
        self.unread.drain(..at.min(self.unread.len()));
        goes_on
    }

    fn message(&mut self, message: &Message, told: &mut Told) -> bool {
        let number = || Some(u32::from_be_bytes(*message.payload.first_chunk()?));
        match message.type_id {
            SET_CHUNK_SIZE => number().is_some_and(|size| self.reader.set_chunk_size(size).is_ok()),
            ABORT => number().is_some_and(|csid| {
                self.reader.abort(csid);
                true
            }),
            AMF0_COMMAND => told.command(&message.payload),
            AMF3_COMMAND => told.command(message.payload.get(1..).unwrap_or_default()),
            _ => true,
        }
    }
}

impl Told {
    /// `false` when it was the one that publishes.
    fn command(&mut self, body: &[u8]) -> bool {
        let values = amf0::decode_all(body).unwrap_or_default();
        let text = |value: Option<&Value>| {
            shortened(value.and_then(Value::as_str).unwrap_or_default()).to_owned()
        };
        match values.first().and_then(Value::as_str) {
            Some("connect") => {
                let of = |name| text(values.get(2).and_then(|object| object.get(name)));
                self.agent = of("flashVer");
                self.tc_url = of("tcUrl");
                self.swf_url = of("swfUrl");
                self.page_url = of("pageUrl");
                true
            }
            // "publish", transaction, null, name, kind.
            Some("publish") => {
                self.kind = text(values.get(4));
                false
            }
            _ => true,
        }
    }
}
