//! One RTMP session without its socket: bytes in, events and replies out.
//!
//! The protocol itself is a library's; [`RtmpSession`] is the whole of what the origin asks of it, so that another can
//! take its place. An implementation faces the internet: it must never panic, recurse by its input or allocate by a
//! declared length.

use bytes::Bytes;
use sapflow_rtmp::{
    Connection, Event as LibraryEvent,
    amf0::{self, Value},
    chunk::ChunkWriter,
};
use thiserror::Error;

use super::introduction::Introduction;
use crate::ingest::{Denial, Wish};

/// What a peer did.
#[derive(Debug)]
pub(crate) enum Event {
    /// It asks to publish. Accept or refuse before polling on.
    Publish(Box<Wish>),
    /// It announced what it will send.
    Announced {
        /// Whether that includes audio.
        audio: bool,
    },
    /// A video tag body.
    Video {
        /// Milliseconds that wrap.
        timestamp: u32,
        /// The body.
        body: Bytes,
    },
    /// An audio tag body.
    Audio {
        /// Milliseconds that wrap.
        timestamp: u32,
        /// The body.
        body: Bytes,
    },
    /// It says that it has finished.
    Finished,
}

/// Why a session cannot go on: the peer does not speak RTMP as it is specified.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub(crate) struct ProtocolError(String);

/// One peer's session: feed what the socket gave, poll until `None`, send what is in the output.
pub(crate) trait RtmpSession: Send {
    /// Takes bytes from the socket.
    fn feed(&mut self, bytes: &[u8]) -> Result<(), ProtocolError>;

    /// The next thing the peer did, or `None` when more bytes are needed.
    fn poll(&mut self) -> Result<Option<Event>, ProtocolError>;

    /// Lets the peer publish.
    fn accept_publish(&mut self);

    /// Tells the peer that it may not publish, and why. Nothing more comes out of the session.
    fn deny_publish(&mut self, denial: &Denial);

    /// Tells a peer that was let in why it is let go.
    fn dismiss(&mut self, reason: &str);

    /// Bytes to send to the peer, in order.
    fn take_output(&mut self) -> Vec<u8>;
}

/// The session of the library `sapflow-rtmp`.
pub(crate) struct SapflowSession {
    connection: Connection,
    /// What the peer tells about itself, which the library does not hand out.
    introduction: Introduction,
    /// Replies of our own, which follow those of the library.
    own: Vec<u8>,
}

/// Chunk size that the library announces at the start of every session.
const OUT_CHUNK_BYTES: u32 = 4_096;
/// Chunk stream of commands.
const CSID_COMMAND: u8 = 3;
const MESSAGE_AMF0_COMMAND: u8 = 20;
/// The library numbers streams from 1, and encoders create one.
const STREAM_ID: u32 = 1;

impl SapflowSession {
    /// `seed` fills the handshake's random bytes, which need not be secret.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            connection: Connection::new(seed),
            introduction: Introduction::default(),
            own: Vec::new(),
        }
    }
}

fn refused(error: impl std::fmt::Display) -> ProtocolError {
    ProtocolError(error.to_string())
}

impl RtmpSession for SapflowSession {
    fn feed(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.introduction.read(bytes);
        self.connection.feed(bytes).map_err(refused)
    }

    fn poll(&mut self) -> Result<Option<Event>, ProtocolError> {
        let event = self.connection.poll().map_err(refused)?;
        Ok(event.map(|event| match event {
            LibraryEvent::Publish { app, key } => {
                Event::Publish(Box::new(self.introduction.finish(&app, &key)))
            }
            LibraryEvent::Metadata { audio } => Event::Announced { audio },
            LibraryEvent::Video { timestamp, data } => Event::Video {
                timestamp,
                body: data.into(),
            },
            LibraryEvent::Audio { timestamp, data } => Event::Audio {
                timestamp,
                body: data.into(),
            },
            LibraryEvent::Finished => Event::Finished,
        }))
    }

    fn accept_publish(&mut self) {
        self.connection.accept_publish();
    }

    fn deny_publish(&mut self, denial: &Denial) {
        let (code, description) = denial.status();
        self.connection.refuse_publish(code, description);
    }

    fn dismiss(&mut self, reason: &str) {
        let text = |text: &str| Value::String(text.into());
        let status = Value::Object(vec![
            ("level".into(), text("error")),
            ("code".into(), text("NetStream.Publish.Rejected")),
            ("description".into(), text(reason)),
        ]);
        let mut body = Vec::new();
        for value in [text("onStatus"), Value::Number(0.0), Value::Null, status] {
            amf0::encode(&value, &mut body);
        }
        // Every message is written with a full header, so a second writer does not disturb the library's.
        let mut writer = ChunkWriter::default();
        writer.set_chunk_size(OUT_CHUNK_BYTES);
        writer.write(
            &mut self.own,
            CSID_COMMAND,
            MESSAGE_AMF0_COMMAND,
            STREAM_ID,
            0,
            &body,
        );
    }

    fn take_output(&mut self) -> Vec<u8> {
        let mut out = self.connection.take_output();
        out.append(&mut self.own);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use proptest::prelude::*;

    /// C0, C1 and C2 of the original handshake.
    fn shaken() -> SapflowSession {
        let mut session = SapflowSession::new(1);
        session.feed(&[&[3][..], &[0; 1_536 * 2]].concat()).unwrap();
        session
    }

    /// Plays the peer's bytes as a connection would; says how much was to be sent back.
    fn play(session: &mut SapflowSession, reads: &[Vec<u8>]) -> usize {
        let mut replies = 0;
        for read in reads {
            if session.feed(read).is_err() {
                break;
            }
            loop {
                match session.poll() {
                    Ok(Some(Event::Publish { .. })) => session.deny_publish(&Denial::UnknownKey),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return replies,
                }
            }
            replies += session.take_output().len();
        }
        replies
    }

    #[test]
    fn keys_are_cut_at_their_query_and_never_shown() {
        let mut session = shaken();
        let command = |values: &[Value], stream: u32| {
            let mut body = Vec::new();
            values
                .iter()
                .for_each(|value| amf0::encode(value, &mut body));
            let mut out = Vec::new();
            ChunkWriter::default().write(
                &mut out,
                CSID_COMMAND,
                MESSAGE_AMF0_COMMAND,
                stream,
                0,
                &body,
            );
            out
        };
        let text = |text: &str| Value::String(text.into());
        let app = Value::Object(vec![
            ("app".into(), text("live")),
            ("flashVer".into(), text("test/1")),
        ]);
        session
            .feed(&command(&[text("connect"), Value::Number(1.0), app], 0))
            .unwrap();
        session
            .feed(&command(
                &[text("createStream"), Value::Number(2.0), Value::Null],
                0,
            ))
            .unwrap();
        session
            .feed(&command(
                &[
                    text("publish"),
                    Value::Number(3.0),
                    Value::Null,
                    text("secret-key?a=b"),
                ],
                1,
            ))
            .unwrap();
        let event = session.poll().unwrap().unwrap();
        assert!(!format!("{event:?}").contains("secret-key"));
        let Event::Publish(wish) = event else {
            panic!("a publish command")
        };
        assert!(wish.name.matches(&Secret::new("secret-key")));
        assert_eq!(wish.arguments.expose(), "a=b");
        assert_eq!((wish.app.as_str(), wish.agent.as_str()), ("live", "test/1"));
    }

    proptest! {
        #[test]
        fn strangers_never_panic_a_session_nor_make_it_talk_much(
            reads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..512), 0..16),
        ) {
            let sent: usize = reads.iter().map(Vec::len).sum();
            let mut session = shaken();
            let greeting = session.take_output().len();
            let replies = play(&mut session, &reads);
            // A ping of 12 bytes is answered with 18 and a command of 30 with 300.
            prop_assert!(greeting < 4_096 && replies <= 16 * sent);
            play(&mut SapflowSession::new(2), &reads);
        }
    }
}
