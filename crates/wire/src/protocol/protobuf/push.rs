//! Writes pushes in Protobuf.

use super::{
    reply::{encode_info, encode_publication, encode_subs, ttl},
    writer::{bytes, delimited, flag, nested, number, text},
};
use crate::{
    Channel,
    protocol::{
        disconnect::Reconnect,
        publication::encode_notice_data,
        push::Push,
        reply::{ClientInfo, ConnectResult},
    },
};

/// Appends the push as one reply, after its length.
pub(in crate::protocol) fn encode(push: &Push<'_>, out: &mut Vec<u8>) {
    delimited(out, |out| nested(out, 4, |out| encode_kind(push, out)));
}

fn encode_kind(push: &Push<'_>, out: &mut Vec<u8>) {
    match *push {
        Push::Publication {
            channel,
            publication,
        } => {
            encode_channel(channel, out);
            nested(out, 4, |out| encode_publication(publication, out));
        }
        Push::Notice { channel, notice } => {
            encode_channel(channel, out);
            nested(out, 4, |out| {
                nested(out, 4, |out| encode_notice_data(notice, out));
            });
        }
        Push::Join { channel, info } => encode_presence(5, channel, &info, out),
        Push::Leave { channel, info } => encode_presence(6, channel, &info, out),
        Push::Unsubscribe { channel, code } => {
            encode_channel(channel, out);
            nested(out, 7, |out| {
                number(out, 2, u64::from(code.number()));
                text(out, 3, code.reason());
            });
        }
        Push::Message { data } => {
            nested(out, 8, |out| bytes(out, 1, data.get().as_bytes()));
        }
        Push::Subscribe {
            channel,
            epoch,
            offset,
        } => {
            encode_channel(channel, out);
            nested(out, 9, |out| {
                flag(out, 1, true);
                text(out, 4, &epoch.0);
                number(out, 5, offset.0);
                flag(out, 6, true);
            });
        }
        Push::Connect(result) => nested(out, 10, |out| encode_connect(&result, out)),
        Push::Disconnect(said) => nested(out, 11, |out| {
            number(out, 1, u64::from(said.code.number()));
            text(out, 2, &said.to_string());
            flag(out, 3, said.code.reconnect() == Reconnect::Retry);
        }),
        Push::Refresh { ttl_seconds } => nested(out, 12, |out| ttl(out, 1, ttl_seconds)),
    }
}

fn encode_channel(channel: &Channel, out: &mut Vec<u8>) {
    nested(out, 2, |out| {
        out.extend_from_slice(channel.lane.prefix().as_bytes());
        out.push(b':');
        out.extend_from_slice(channel.room.as_str().as_bytes());
    });
}

fn encode_presence(field: u32, channel: &Channel, info: &ClientInfo<'_>, out: &mut Vec<u8>) {
    encode_channel(channel, out);
    nested(out, field, |out| {
        nested(out, 1, |out| encode_info(info, out));
    });
}

/// Like the result of a connect, with other numbers.
fn encode_connect(result: &ConnectResult<'_>, out: &mut Vec<u8>) {
    text(out, 1, result.client);
    text(out, 2, result.version);
    encode_subs(4, result, out);
    ttl(out, 5, result.ttl_seconds);
    number(out, 7, u64::from(result.ping_seconds));
    flag(out, 8, result.pong);
    text(out, 9, result.session);
    text(out, 10, result.node);
}
