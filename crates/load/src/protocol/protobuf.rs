//! The Protobuf form: messages of the published `client.proto`, each after its length; `data` is JSON all the same.
//!
//! Written and read by hand, as little as a fan needs. What cannot be read ends the message: it is not a fan's business
//! to judge a server's encoding, and what it did not read it will miss in its account.

use std::borrow::Cow;

use super::{Delivery, ErrorBody, Line, Position, Reply, Subscribed};

/// Wire type of a number.
const VARINT: u8 = 0;
/// Wire type of 8 bytes.
const FIXED_64: u8 = 1;
/// Wire type of what follows its length.
const DELIMITED: u8 = 2;
/// Wire type of 4 bytes.
const FIXED_32: u8 = 5;

/// How a reply begins that is a push: its field 4.
const PUSH: u8 = 4 << 3 | DELIMITED;

/// The server's ping, an empty reply, and the answer to it, an empty command: nothing, after its length.
pub(super) const PING: &[u8] = &[0];

/// A connect command.
pub(super) fn connect(id: u32, token: &str) -> Vec<u8> {
    let mut request = Vec::new();
    put_bytes(&mut request, 1, token.as_bytes());
    put_bytes(&mut request, 4, super::CLIENT_NAME.as_bytes());
    command(id, 4, &request)
}

/// A subscription to the lossless lane.
pub(super) fn subscribe_room(id: u32, channel: &str, position: Option<Position<'_>>) -> Vec<u8> {
    let mut request = Vec::new();
    put_bytes(&mut request, 1, channel.as_bytes());
    if let Some(Position { epoch, offset }) = position {
        put_number(&mut request, 3, 1);
        put_bytes(&mut request, 6, epoch.as_bytes());
        put_number(&mut request, 7, offset);
    }
    put_number(&mut request, 9, 1);
    put_number(&mut request, 10, 1);
    command(id, 5, &request)
}

/// A subscription to the lossy lane.
pub(super) fn subscribe_chat(id: u32, channel: &str) -> Vec<u8> {
    let mut request = Vec::new();
    put_bytes(&mut request, 1, channel.as_bytes());
    command(id, 5, &request)
}

/// A message.
pub(super) fn publish(id: u32, channel: &str, data: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    put_bytes(&mut request, 1, channel.as_bytes());
    put_bytes(&mut request, 2, data);
    command(id, 7, &request)
}

fn command(id: u32, method: u8, request: &[u8]) -> Vec<u8> {
    let mut command = Vec::with_capacity(request.len() + 16);
    put_number(&mut command, 1, id.into());
    put_bytes(&mut command, method, request);
    let mut out = Vec::with_capacity(command.len() + 4);
    put_varint(&mut out, command.len() as u64);
    out.extend_from_slice(&command);
    out
}

fn put_number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3 | VARINT);
    put_varint(out, value);
}

fn put_bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | DELIMITED);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        let [low, ..] = value.to_le_bytes();
        out.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    out.push(low);
}

/// Takes the next reply off a message.
pub(super) fn next_line<'a>(rest: &mut &'a [u8]) -> Option<Line<'a>> {
    let reply = delimited(rest)?;
    Some(match reply.first() {
        None => Line::Ping,
        Some(&PUSH) => Line::Push(delivery(reply).unwrap_or_default()),
        Some(_) => Line::Reply(reply),
    })
}

/// The publication of a push; another push has nothing that a fan would look at.
fn delivery(mut reply: &[u8]) -> Option<Delivery<'_>> {
    let (_, mut push) = bytes_field(&mut reply)?;
    while let Some((field, value)) = next_field(&mut push) {
        let (4, Value::Bytes(mut publication)) = (field, value) else {
            continue;
        };
        let mut delivery = Delivery::default();
        while let Some(field) = next_field(&mut publication) {
            match field {
                (4, Value::Bytes(data)) => delivery.body = data,
                (6, Value::Number(offset)) => delivery.offset = Some(offset),
                _ => {}
            }
        }
        return Some(delivery);
    }
    None
}

/// Reads a reply; `None` when it is none.
pub(super) fn parse_reply(mut line: &[u8]) -> Option<Reply<'_>> {
    let mut reply = Reply::default();
    while !line.is_empty() {
        match next_field(&mut line)? {
            (1, Value::Number(id)) => reply.id = u32::try_from(id).ok()?,
            (2, Value::Bytes(mut error)) => {
                let mut code = 0;
                while let Some(field) = next_field(&mut error) {
                    if let (1, Value::Number(number)) = field {
                        code = u32::try_from(number).ok()?;
                    }
                }
                reply.error = Some(ErrorBody { code });
            }
            (5, Value::Bytes(mut result)) => {
                let connected = reply.connect.get_or_insert_default();
                while let Some(field) = next_field(&mut result) {
                    if let (7, Value::Number(seconds)) = field {
                        connected.ping = u32::try_from(seconds).ok()?;
                    }
                }
            }
            (6, Value::Bytes(result)) => reply.subscribe = Some(subscribed(result)?),
            _ => {}
        }
    }
    Some(reply)
}

fn subscribed(mut result: &[u8]) -> Option<Subscribed<'_>> {
    let mut subscribed = Subscribed::default();
    while !result.is_empty() {
        match next_field(&mut result)? {
            (6, Value::Bytes(epoch)) => {
                subscribed.epoch = Cow::Borrowed(std::str::from_utf8(epoch).ok()?);
            }
            (8, Value::Number(flag)) => subscribed.recovered = flag != 0,
            (9, Value::Number(offset)) => subscribed.offset = offset,
            (12, Value::Number(flag)) => subscribed.was_recovering = flag != 0,
            _ => {}
        }
    }
    Some(subscribed)
}

/// The value of a field.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let tag = varint(rest)?;
    let value = match u8::try_from(tag & 7).ok()? {
        VARINT => Value::Number(varint(rest)?),
        DELIMITED => Value::Bytes(delimited(rest)?),
        FIXED_64 => Value::Bytes(take(rest, 8)?),
        FIXED_32 => Value::Bytes(take(rest, 4)?),
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn bytes_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    match next_field(rest)? {
        (field, Value::Bytes(bytes)) => Some((field, bytes)),
        (_, Value::Number(_)) => None,
    }
}

/// What follows its length.
fn delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(rest)?).ok()?;
    take(rest, length)
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(taken)
}

/// A number of at most ten bytes, the lowest seven bits first.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (index, byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            *rest = &rest[index + 1..];
            return Some(value);
        }
    }
    None
}
