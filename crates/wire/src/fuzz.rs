//! Bodies of the fuzz targets: what must hold for any bytes at all.
//!
//! They stand here rather than in the fuzzer's own crate so that the compiler and the ordinary tests keep them whole.
//! Each returns on every input; a broken law is a panic.

use serde_json::{json, value::RawValue};

use crate::{
    Action, Call, CallError, Channel, UnixMillis,
    beacon::Beacon,
    command::{self, Command},
    envelope::{Batch, Hearsay, Record},
    limits::{
        BATCH_RECORDS_MAX, BEACON_BITRATE_MAX, BEACON_COUNT_MAX, BEACON_HEIGHT_MAX,
        BEACON_LATENCY_MS_MAX, BEACON_SEQUENCE_MAX, BEACON_SPAN_MS_MAX,
        CLIENT_MESSAGE_ID_BYTES_MAX, COMMAND_BYTES_MAX, COMMANDS_PER_FRAME_MAX, CONNECT_SUBS_MAX,
        JWKS_KEYS_MAX, REACTION_KINDS_MAX, TOKEN_BYTES_MAX, WORDS_MAX,
    },
    protocol::{ClientMessage, Command as Frame, Encoding, Method, ProtocolError},
    token::{Jwks, KeyRing, Rules, TokenKey},
    ws::{Decoder, Deflater, Event, Inflater, Negotiated, WindowBits, negotiate},
};

/// Limit on messages in [`ws_frames`]: small, so that a fuzzer finds the way over it.
const MESSAGE_BYTES_MAX: usize = 300;

/// A stream of WebSocket bytes, cut as its first bytes say, means the same as the whole stream.
///
/// # Panics
///
/// It does not, or the decoder holds more than it may.
pub fn ws_frames(data: &[u8]) {
    let (cuts, stream) = data.split_at(data.len().min(8));
    let whole = digest(stream, &[stream.len().max(1)]);
    let cuts: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut) + 1).collect();
    let pieces = digest(stream, if cuts.is_empty() { &[1] } else { &cuts });
    assert_eq!(whole, pieces, "a cut changed what a stream means");
}

/// The same where compression was negotiated: cut as its first bytes say, and never more than the limit is held or
/// handed out.
///
/// # Panics
///
/// A cut changes what a stream means, something grows over its limit, or what was deflated inflates to something else.
pub fn ws_deflate(data: &[u8]) {
    let (cuts, stream) = data.split_at(data.len().min(8));
    let mut inflater = Inflater::new();
    let whole = digest_inflating(stream, &[stream.len().max(1)], &mut inflater);
    let cuts: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut) + 1).collect();
    let cuts = if cuts.is_empty() { vec![1] } else { cuts };
    // An inflater that has seen all that is as good as a new one.
    let pieces = digest_inflating(stream, &cuts, &mut inflater);
    assert_eq!(whole, pieces, "a cut changed what a stream means");
    let mut compressed = Vec::new();
    Deflater::new(WindowBits::MIN).deflate(stream, &mut compressed);
    let back = inflater.inflate(&compressed, stream.len());
    assert_eq!(back, Ok(stream), "what was deflated is something else");
    if let Ok(plain) = inflater.inflate(stream, MESSAGE_BYTES_MAX) {
        assert!(plain.len() <= MESSAGE_BYTES_MAX, "a limit was overrun");
    }
}

/// What is taken of any header of extensions is something that can be offered as it stands.
///
/// # Panics
///
/// It is not.
pub fn ws_extensions(data: &[u8]) {
    let Ok(header) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(Negotiated::Deflate(taken)) = negotiate([header], WindowBits::MIN) else {
        return;
    };
    let again = negotiate([taken.to_string().as_str()], WindowBits::MIN);
    assert_eq!(again, Ok(Negotiated::Deflate(taken)), "an answer of ours");
}

/// Feeds the stream in pieces of the given sizes, over and over, and writes down what comes of it.
fn digest(stream: &[u8], sizes: &[usize]) -> Vec<String> {
    digest_with(stream, sizes, None)
}

fn digest_inflating(stream: &[u8], sizes: &[usize], inflater: &mut Inflater) -> Vec<String> {
    digest_with(stream, sizes, Some(inflater))
}

fn digest_with(stream: &[u8], sizes: &[usize], mut inflater: Option<&mut Inflater>) -> Vec<String> {
    let mut seen = Vec::new();
    let mut decoder = Decoder::new();
    let mut rest = stream;
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        let mut piece = piece.to_vec();
        let mut feed = decoder.feed(&mut piece, MESSAGE_BYTES_MAX);
        if let Some(inflater) = inflater.as_deref_mut() {
            feed = feed.inflating(inflater);
        }
        loop {
            match feed.next_event() {
                Ok(Some(event)) => seen.push(checked(&event)),
                Ok(None) => break,
                Err(violation) => {
                    seen.push(format!("{violation:?} {:?}", violation.code()));
                }
            }
        }
        assert!(
            decoder.held_bytes() <= 2 * MESSAGE_BYTES_MAX + 512,
            "{} bytes held",
            decoder.held_bytes()
        );
    }
    seen
}

fn checked(event: &Event<'_>) -> String {
    let (payload_bytes, max) = match event {
        Event::Text(text) => (text.len(), MESSAGE_BYTES_MAX),
        Event::Binary(bytes) => (bytes.len(), MESSAGE_BYTES_MAX),
        Event::Ping(bytes) | Event::Pong(bytes) => (bytes.len(), 125),
        Event::Close { reason, .. } => (reason.len(), 123),
    };
    assert!(
        payload_bytes <= max,
        "{payload_bytes} bytes where {max} are allowed"
    );
    format!("{event:?}")
}

/// A frame of commands in JSON, and the messages inside them.
///
/// # Panics
///
/// A frame yields more commands than allowed, or a command without the id it needs.
pub fn protocol_json(data: &[u8]) {
    check_frame(Encoding::Json.parse_commands(data, COMMANDS_PER_FRAME_MAX));
}

/// A frame of commands in Protobuf, and the messages inside them.
///
/// # Panics
///
/// A frame yields more commands than allowed, a command without the id it needs, or an error outside the frame.
pub fn protocol_protobuf(data: &[u8]) {
    let commands = Encoding::Protobuf.parse_commands(data, COMMANDS_PER_FRAME_MAX);
    if let Err(ProtocolError::MalformedBytes { at }) = commands {
        assert!(at <= data.len(), "malformed at {at} of {}", data.len());
    }
    check_frame(commands);
}

fn check_frame(commands: Result<Vec<Frame>, ProtocolError>) {
    let Ok(commands) = commands else {
        return;
    };
    assert!(
        (1..=COMMANDS_PER_FRAME_MAX).contains(&commands.len()),
        "{} commands",
        commands.len()
    );
    for command in &commands {
        read_further(command);
    }
}

fn read_further(command: &Frame) {
    let without_id = matches!(command.method, Method::Pong | Method::Send(_));
    assert!(command.id > 0 || without_id, "a command without an id");
    match &command.method {
        Method::Publish(publish) => {
            channel(publish.channel.as_bytes());
            if let Ok(message) = ClientMessage::parse(publish.data.as_deref()) {
                check_message(&message);
            }
        }
        Method::Rpc(rpc) => {
            check_call(&rpc.method, rpc.data.as_deref());
            // Whatever the method is called, its argument meets the one that every client knows.
            check_call("send", rpc.data.as_deref());
        }
        Method::Connect(connect) => {
            assert!(connect.subs.len() <= CONNECT_SUBS_MAX, "too many positions");
        }
        Method::Subscribe(subscribe) => channel(subscribe.channel.as_bytes()),
        _ => {}
    }
}

fn check_call(method: &str, data: Option<&RawValue>) {
    match Call::parse(method, data) {
        Ok(Call::Send(call)) => check_message(&call.message),
        Ok(Call::Act {
            action: Action::Words { words, .. },
            ..
        }) => assert!(words.len() <= WORDS_MAX, "{} words", words.len()),
        Ok(Call::React { taps, .. }) => assert!(
            (1..=REACTION_KINDS_MAX).contains(&taps.len()),
            "{} kinds",
            taps.len()
        ),
        Ok(_) => {}
        Err(error) => assert!(
            method != "send" || matches!(error, CallError::Shape | CallError::Id),
            "a send cannot fail by {error}"
        ),
    }
}

fn check_message(message: &ClientMessage) {
    let id_bytes = message.id.as_ref().map_or(1, |id| id.0.len());
    assert!(
        (1..=CLIENT_MESSAGE_ID_BYTES_MAX).contains(&id_bytes),
        "an id of {id_bytes} bytes"
    );
}

/// A token that nobody signed is never taken, and no text makes the reader of key sets fall.
///
/// # Panics
///
/// It is.
pub fn token(data: &[u8]) {
    if let Ok(jwks) = Jwks::parse(data) {
        assert!(jwks.len() <= JWKS_KEYS_MAX, "{} keys", jwks.len());
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(key) = TokenKey::new(b"a key that no fuzzer could ever guess") else {
        return;
    };
    let verdict = key.verify(text, UnixMillis(0));
    assert!(verdict.is_err(), "a token that nobody signed was taken");
    let ring = KeyRing::new(&key, Rules::default());
    assert!(
        ring.verify_subscribe(text, UnixMillis(0)).is_err(),
        "a permission that nobody signed was taken"
    );
    let too_long = matches!(verdict, Err(crate::token::TokenError::TooLong));
    assert_eq!(
        too_long,
        text.len() > TOKEN_BYTES_MAX,
        "the limit is not where it says"
    );
}

/// A channel that can be read is written the same.
///
/// # Panics
///
/// It is not.
pub fn channel(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(channel) = text.parse::<Channel>() {
        assert_eq!(channel.to_string(), text, "a channel changed its name");
        assert!(
            text.len() <= crate::limits::CHANNEL_BYTES_MAX,
            "a channel is too long"
        );
    }
}

/// What servers say to each other: whatever can be read is written so that it reads the same, and a batch has an end.
///
/// # Panics
///
/// It is not.
pub fn envelope(data: &[u8]) {
    if let Ok(record) = Record::decode(data) {
        let again = Record::decode(&record.encode());
        assert_eq!(again.as_ref(), Ok(&record), "a record changed");
    }
    if let Ok(batch) = Batch::decode(data) {
        assert!(
            (1..=BATCH_RECORDS_MAX).contains(&batch.publications.len()),
            "{} records",
            batch.publications.len()
        );
        let again = Batch::decode(&batch.encode());
        assert_eq!(again.as_ref(), Ok(&batch), "a batch changed");
    }
    if let Ok(hearsay) = Hearsay::decode(data) {
        assert_eq!(hearsay.encode(), data, "hearsay changed");
    }
}

/// What a back end sends over a broker: whatever is a command is within its limits and can be asked for, and written anew it is
/// the same.
///
/// # Panics
///
/// It is not.
pub fn command(data: &[u8]) {
    let Ok(command) = Command::parse(data) else {
        return;
    };
    let Command {
        id,
        method,
        path,
        kind,
        body,
        ..
    } = &command;
    assert!(body.len() < data.len(), "a body is part of its command");
    let is_route = |(by, _, of): &(_, &str, _)| by == method && of == kind;
    assert!(command::ROUTES.iter().any(is_route), "nobody takes it");
    let body = if body.is_empty() { "null" } else { body };
    let (id, method, path) = (json!(id), json!(method.name()), json!(path));
    let again = format!("{{\"id\":{id},\"method\":{method},\"path\":{path},\"body\":{body}}}");
    if again.len() <= COMMAND_BYTES_MAX {
        let again = Command::parse(again.as_bytes()).map(|again| Command {
            body: command.body.clone(),
            ..again
        });
        assert_eq!(again, Ok(command), "a command changed");
    }
}

/// What a page tells of how its picture plays: whatever is taken is within its bounds, and written anew it is the same.
///
/// # Panics
///
/// It is not.
pub fn beacon(data: &[u8]) {
    let Ok(beacon) = Beacon::parse(data) else {
        return;
    };
    let Beacon {
        session,
        sequence,
        startup_ms,
        played_ms,
        stalls,
        stalled_ms,
        latency_ms,
        height,
        bitrate,
        switches,
        errors,
    } = beacon;
    let spans = [startup_ms.unwrap_or(0), played_ms, stalled_ms];
    assert!(spans.iter().all(|span| *span <= BEACON_SPAN_MS_MAX));
    let counts = [stalls, switches, errors];
    assert!(counts.iter().all(|count| *count <= BEACON_COUNT_MAX));
    assert!((1..=BEACON_SEQUENCE_MAX).contains(&sequence));
    assert!(latency_ms.is_none_or(|latency| latency <= BEACON_LATENCY_MS_MAX));
    assert!(height.is_none_or(|height| (1..=BEACON_HEIGHT_MAX).contains(&height)));
    assert!(bitrate.is_none_or(|bitrate| (1..=BEACON_BITRATE_MAX).contains(&bitrate)));
    let again = json!({
        "session": session.to_string(), "sequence": sequence, "startup_ms": startup_ms, "played_ms": played_ms,
        "stalls": stalls, "stalled_ms": stalled_ms, "latency_ms": latency_ms, "height": height, "bitrate": bitrate,
        "switches": switches, "errors": errors,
    });
    let again = Beacon::parse(again.to_string().as_bytes());
    assert_eq!(again, Ok(beacon), "a beacon changed");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_laws_hold_for_some_bytes(data: Vec<u8>, text in "\\PC*") {
            for bytes in [data.as_slice(), text.as_bytes()] {
                ws_frames(bytes);
                ws_deflate(bytes);
                ws_extensions(bytes);
                protocol_json(bytes);
                protocol_protobuf(bytes);
                token(bytes);
                channel(bytes);
                envelope(bytes);
                command(bytes);
                beacon(bytes);
            }
        }
    }
}
