//! Publishing over RTMP, without the socket: bytes in, bytes out. Pure.
//!
//! 1. Handshake of the original form: C0, C1; S0, S1, S2; C2.
//! 2. `connect`, then `releaseStream`, `FCPublish` and `createStream`, then `publish`, as encoders do.
//! 3. Media as FLV tag bodies, until [`Client::finish`].
//!
//! Chunks and AMF0 are the library's. Its own publisher is not used, for it holds servers to the letter: a server that tells
//! its version in S1, as nginx-rtmp and those that follow Adobe's do, or that counts the handshake in what it
//! acknowledges, is refused by it; and it knows neither `FCPublish` nor `FCUnpublish`. Encoders look at none of that, and
//! platforms are made for encoders.
//!
//! What a platform says is bounded ([`SIMULCAST_INPUT_BYTES_MAX`]) and never repeated but for codes of RTMP: it may hold the
//! stream key.

use sapflow_rtmp::{
    amf0::{self, Value},
    chunk::{ChunkReader, ChunkWriter, Message as Received, Read},
};
use thiserror::Error;

use super::{config::PushAddress, format::Format, outbox::Message};
use crate::{config::Secret, limits::SIMULCAST_INPUT_BYTES_MAX};

/// C1, S1, C2 and S2.
const PACKET: usize = 1_536;
const VERSION: u8 = 3;

const OUT_CHUNK_BYTES: u32 = 4_096;

/// Chunk streams, as encoders use them.
const CSID_CONTROL: u8 = 2;
const CSID_COMMAND: u8 = 3;
const CSID_SOUND: u8 = 4;
const CSID_PICTURES: u8 = 6;

const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;
const ACKNOWLEDGEMENT: u8 = 3;
const USER_CONTROL: u8 = 4;
const WINDOW_SIZE: u8 = 5;
const PEER_BANDWIDTH: u8 = 6;
const SOUND: u8 = 8;
const PICTURE: u8 = 9;
const AMF3_COMMAND: u8 = 17;
const DATA: u8 = 18;
const AMF0_COMMAND: u8 = 20;

const PING_REQUEST: [u8; 2] = [0, 6];
const PING_RESPONSE: [u8; 2] = [0, 7];

/// Numbers of the commands that are answered.
const CONNECT: f64 = 1.0;
const RELEASE: f64 = 2.0;
const FC_PUBLISH: f64 = 3.0;
const CREATE: f64 = 4.0;
const PUBLISH: f64 = 5.0;
const FC_UNPUBLISH: f64 = 6.0;
const DELETE: f64 = 7.0;

/// Why a push cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(super) enum ClientError {
    /// It does not speak RTMP, or says more than anybody has to.
    #[error("it does not speak RTMP: {0}")]
    Protocol(String),
    /// It does not let us publish.
    #[error("it refused the stream: {0}")]
    Refused(Code),
    /// It ended what it had let in.
    #[error("it ended the stream: {0}")]
    Ended(Code),
}

/// A code of RTMP, such as `NetStream.Publish.Denied`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code(String);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Code {
    const BYTES_MAX: usize = 64;

    /// The code of an answer; what is none is not repeated.
    fn of(status: Option<&Value>) -> Self {
        let code = status
            .and_then(|status| status.get("code"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_one = code.starts_with("Net")
            && code.len() <= Self::BYTES_MAX
            && code.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.');
        Self(if is_one { code } else { "no code" }.to_owned())
    }
}

/// How far a push has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Handshake,
    Connect,
    Create,
    Publish,
    Publishing,
    Finished,
}

/// One push to one platform, from its first byte to its last.
pub(super) struct Client {
    address: PushAddress,
    key: Secret,
    step: Step,
    reader: ChunkReader,
    writer: ChunkWriter,
    /// What has come and was not read, for want of more.
    unread: Vec<u8>,
    output: Vec<u8>,
    stream: u32,
    received: u64,
    acknowledged: u64,
    window: Option<u32>,
}

impl Client {
    /// Begins a handshake. `seed` fills its random bytes, which need not be secret.
    pub(super) fn new(address: &PushAddress, key: &Secret, seed: u64) -> Self {
        let mut output = Vec::with_capacity(1 + PACKET);
        output.push(VERSION);
        // A time and a version of zero: the original form.
        output.extend_from_slice(&[0; 8]);
        output.extend(noise(seed).take(PACKET - 8));
        Self {
            address: address.clone(),
            key: key.clone(),
            step: Step::Handshake,
            reader: ChunkReader::new(SIMULCAST_INPUT_BYTES_MAX),
            writer: ChunkWriter::default(),
            unread: Vec::new(),
            output,
            stream: 0,
            received: 0,
            acknowledged: 0,
            window: None,
        }
    }

    /// Whether the platform takes media.
    pub(super) fn is_publishing(&self) -> bool {
        self.step == Step::Publishing
    }

    /// Bytes to send, in order.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes what the platform says.
    ///
    /// # Errors
    /// [`ClientError`]: the push is over.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.received = self.received.wrapping_add(bytes.len() as u64);
        self.unread.extend_from_slice(bytes);
        if self.step == Step::Handshake && !self.shake()? {
            return Ok(());
        }
        let mut read = 0;
        loop {
            let rest = self.unread.get(read..).unwrap_or_default();
            match self.reader.read(rest) {
                Err(error) => return Err(ClientError::Protocol(error.to_string())),
                Ok(Read::NeedMore) => break,
                Ok(Read::Chunk { consumed, message }) => {
                    read += consumed;
                    if let Some(message) = message {
                        self.handle(&message)?;
                    }
                }
            }
        }
        self.unread.drain(..read);
        if self.unread.len() > SIMULCAST_INPUT_BYTES_MAX {
            return Err(ClientError::Protocol("a chunk is too long".to_owned()));
        }
        self.acknowledge();
        Ok(())
    }

    /// Ends the handshake once its other half is there; says whether it is.
    fn shake(&mut self) -> Result<bool, ClientError> {
        match self.unread.first() {
            None | Some(&VERSION) => {}
            Some(other) => return Err(ClientError::Protocol(format!("its version is {other}"))),
        }
        // S2 should repeat C1, and need not: nothing follows from it.
        let Some(s1) = self.unread.get(1..1 + PACKET) else {
            return Ok(false);
        };
        if self.unread.len() < 1 + 2 * PACKET {
            return Ok(false);
        }
        self.output.extend_from_slice(s1);
        self.unread.drain(..1 + 2 * PACKET);
        self.control(SET_CHUNK_SIZE, &OUT_CHUNK_BYTES.to_be_bytes());
        self.writer.set_chunk_size(OUT_CHUNK_BYTES);
        let app = Value::Object(vec![
            ("app".into(), text(self.address.app())),
            ("type".into(), text("nonprivate")),
            ("flashVer".into(), text("FMLE/3.0 (compatible; Fanwave)")),
            ("tcUrl".into(), text(self.address.tc_url())),
        ]);
        self.command(0, &[text("connect"), Value::Number(CONNECT), app]);
        self.step = Step::Connect;
        Ok(true)
    }

    fn handle(&mut self, message: &Received) -> Result<(), ClientError> {
        let payload = message.payload.as_slice();
        match message.type_id {
            SET_CHUNK_SIZE => {
                let set = number(payload).map(|size| self.reader.set_chunk_size(size));
                if let Some(Err(error)) = set {
                    return Err(ClientError::Protocol(error.to_string()));
                }
            }
            ABORT => {
                if let Some(chunk_stream) = number(payload) {
                    self.reader.abort(chunk_stream);
                }
            }
            WINDOW_SIZE => self.window = number(payload).filter(|bytes| *bytes > 0),
            // How much may be under way: the socket sees to that. It is answered with how often we want to be told.
            PEER_BANDWIDTH => {
                if let Some(window) = number(payload) {
                    self.control(WINDOW_SIZE, &window.to_be_bytes());
                }
            }
            USER_CONTROL => {
                if let Some(asked) = payload.strip_prefix(&PING_REQUEST) {
                    let asked = asked.get(..4).unwrap_or_default();
                    self.control(USER_CONTROL, &[&PING_RESPONSE[..], asked].concat());
                }
            }
            AMF0_COMMAND => self.handle_command(payload)?,
            AMF3_COMMAND => self.handle_command(payload.get(1..).unwrap_or_default())?,
            _ => {}
        }
        Ok(())
    }

    fn handle_command(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        // One that cannot be read is none that is waited for.
        let Ok(values) = amf0::decode_all(payload) else {
            return Ok(());
        };
        let name = values.first().and_then(Value::as_str).unwrap_or_default();
        let answers = values.get(1).and_then(Value::as_number).unwrap_or_default();
        let is_about = |number: f64| (answers - number).abs() < 0.5;
        let status = values.get(3);
        match (name, self.step) {
            ("_error", Step::Connect) if is_about(CONNECT) => {
                return Err(ClientError::Refused(Code::of(status)));
            }
            ("_error", Step::Create) if is_about(CREATE) => {
                return Err(ClientError::Refused(Code::of(status)));
            }
            ("_error", Step::Publish) if is_about(PUBLISH) => {
                return Err(ClientError::Refused(Code::of(status)));
            }
            ("_result", Step::Connect) if is_about(CONNECT) => self.create(),
            ("_result", Step::Create) if is_about(CREATE) => {
                let stream = status.and_then(Value::as_number).and_then(stream_id);
                let stream = stream.ok_or_else(|| {
                    ClientError::Protocol("it created a stream without a number".to_owned())
                })?;
                self.publish(stream);
            }
            ("onStatus", step) => self.handle_status(status, step)?,
            _ => {}
        }
        Ok(())
    }

    fn handle_status(&mut self, status: Option<&Value>, step: Step) -> Result<(), ClientError> {
        let field = |name| {
            status
                .and_then(|status| status.get(name))
                .and_then(Value::as_str)
        };
        let code = field("code").unwrap_or_default();
        let is_error = field("level") == Some("error");
        let is_over = [
            "NetStream.Unpublish.Success",
            "NetStream.Publish.Stop",
            "NetConnection.Connect.Closed",
            "NetConnection.Connect.Rejected",
        ]
        .contains(&code);
        match step {
            Step::Publishing if is_error || is_over => Err(ClientError::Ended(Code::of(status))),
            Step::Connect | Step::Create | Step::Publish if is_error || is_over => {
                Err(ClientError::Refused(Code::of(status)))
            }
            Step::Publish if code == "NetStream.Publish.Start" => {
                self.step = Step::Publishing;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn create(&mut self) {
        for (name, number) in [("releaseStream", RELEASE), ("FCPublish", FC_PUBLISH)] {
            let key = text(self.key.expose());
            self.command(0, &[text(name), Value::Number(number), Value::Null, key]);
        }
        self.command(
            0,
            &[text("createStream"), Value::Number(CREATE), Value::Null],
        );
        self.step = Step::Create;
    }

    fn publish(&mut self, stream: u32) {
        self.stream = stream;
        let command = [
            text("publish"),
            Value::Number(PUBLISH),
            Value::Null,
            text(self.key.expose()),
            text("live"),
        ];
        self.command(stream, &command);
        self.step = Step::Publish;
    }

    /// Sends media. Only while [`Client::is_publishing`]: before and after, it is dropped.
    pub(super) fn send(&mut self, message: &Message) {
        if !self.is_publishing() {
            return;
        }
        match message {
            Message::Format { at_ms, format } => self.send_format(*at_ms, format),
            Message::Picture {
                at_ms,
                composition_ms,
                key,
                data,
            } => {
                let [_, offset @ ..] = composition_ms.to_be_bytes();
                let kind = if *key { 0x17 } else { 0x27 };
                let head = [kind, 1, offset[0], offset[1], offset[2]];
                self.media(CSID_PICTURES, PICTURE, *at_ms, &[&head, data]);
            }
            Message::Sound { at_ms, data } => {
                self.media(CSID_SOUND, SOUND, *at_ms, &[&[0xaf, 1], data]);
            }
        }
    }

    fn send_format(&mut self, at_ms: u32, format: &Format) {
        let mut about = vec![("encoder".to_owned(), text("Fanwave"))];
        let mut add = |name: &str, value: u32| {
            about.push((name.to_owned(), Value::Number(f64::from(value))));
        };
        if let Some(pictures) = &format.pictures {
            add("videocodecid", 7);
            add("width", pictures.width.into());
            add("height", pictures.height.into());
        }
        if let Some(sound) = &format.sound {
            add("audiocodecid", 10);
            add("audiosamplerate", sound.rate);
            add("audiochannels", sound.channels.into());
        }
        let mut data = Vec::new();
        for value in [
            text("@setDataFrame"),
            text("onMetaData"),
            Value::EcmaArray(about),
        ] {
            amf0::encode(&value, &mut data);
        }
        self.media(CSID_SOUND, DATA, at_ms, &[&data]);
        if let Some(pictures) = &format.pictures {
            let head = [0x17, 0, 0, 0, 0];
            self.media(CSID_PICTURES, PICTURE, at_ms, &[&head, &pictures.record]);
        }
        if let Some(sound) = &format.sound {
            self.media(CSID_SOUND, SOUND, at_ms, &[&[0xaf, 0], &sound.record]);
        }
    }

    /// Says that the push is over.
    pub(super) fn finish(&mut self) {
        if !self.is_publishing() {
            return;
        }
        let key = text(self.key.expose());
        let unpublish = [
            text("FCUnpublish"),
            Value::Number(FC_UNPUBLISH),
            Value::Null,
            key,
        ];
        self.command(0, &unpublish);
        let stream = Value::Number(f64::from(self.stream));
        let delete = [
            text("deleteStream"),
            Value::Number(DELETE),
            Value::Null,
            stream,
        ];
        self.command(0, &delete);
        self.step = Step::Finished;
    }

    /// Tells how much has come, where the platform wants to know.
    fn acknowledge(&mut self) {
        let since = self.received.wrapping_sub(self.acknowledged);
        if self.window.is_some_and(|window| since >= window.into()) {
            self.acknowledged = self.received;
            // Counted modulo 2^32.
            let [.., a, b, c, d] = self.received.to_be_bytes();
            self.control(ACKNOWLEDGEMENT, &[a, b, c, d]);
        }
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        self.writer
            .write(&mut self.output, CSID_CONTROL, kind, 0, 0, body);
    }

    fn command(&mut self, stream: u32, values: &[Value]) {
        let mut body = Vec::new();
        values
            .iter()
            .for_each(|value| amf0::encode(value, &mut body));
        self.writer.write(
            &mut self.output,
            CSID_COMMAND,
            AMF0_COMMAND,
            stream,
            0,
            &body,
        );
    }

    fn media(&mut self, chunk_stream: u8, kind: u8, at_ms: u32, pieces: &[&[u8]]) {
        let body = pieces.concat();
        self.writer.write(
            &mut self.output,
            chunk_stream,
            kind,
            self.stream,
            at_ms,
            &body,
        );
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The number that a control message begins with.
fn number(payload: &[u8]) -> Option<u32> {
    let [a, b, c, d, ..] = *payload else {
        return None;
    };
    Some(u32::from_be_bytes([a, b, c, d]))
}

/// A stream's number, as AMF0 has it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is whole and in the range"
)]
fn stream_id(number: f64) -> Option<u32> {
    let is_one = number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number);
    is_one.then_some(number as u32)
}

/// Bytes that look random (`SplitMix64`).
/// Has a platform say this, read by read; panics when it makes the push keep or say more than it may.
pub(crate) fn hold_to_the_laws<'a>(shakes: bool, reads: impl IntoIterator<Item = &'a [u8]>) {
    let Ok(address) = "rtmp://live.example/app".parse() else {
        return;
    };
    let mut client = Client::new(&address, &Secret::new("key"), 7);
    let shake = [&[VERSION][..], &[0; 2 * PACKET]].concat();
    let shake = if shakes { shake } else { Vec::new() };
    let mut heard = shake.len();
    let mut is_over = client.feed(&shake).is_err();
    for read in reads {
        if is_over {
            break;
        }
        heard += read.len();
        is_over = client.feed(read).is_err();
        assert!(
            is_over || client.unread.len() <= SIMULCAST_INPUT_BYTES_MAX,
            "what is kept is bounded"
        );
    }
    client.finish();
    // An answer is some times as long as what it answers, and the commands of a push come once.
    let said = client.take_output().len();
    assert!(
        said <= 2 * PACKET + 32 * heard,
        "{said} bytes were said to {heard}"
    );
}

fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_be_bytes()
    })
    .flatten()
}

#[cfg(test)]
mod tests;
