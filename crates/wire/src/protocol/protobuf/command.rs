//! Reads commands in Protobuf.

use super::reader::{Reader, Value};
use crate::{
    limits::CONNECT_SUBS_MAX,
    protocol::command::{
        Command, ConnectRequest, HistoryRequest, Method, PresenceRequest, ProtocolError,
        PublishRequest, RefreshRequest, RpcRequest, SendRequest, StreamPosition, SubRefreshRequest,
        SubscribeRequest, UnsubscribeRequest,
    },
};

/// Parses a frame of 1 to `commands_max` commands, each after its length.
pub(in crate::protocol) fn parse_commands(
    frame: &[u8],
    commands_max: usize,
) -> Result<Vec<Command>, ProtocolError> {
    let mut frame = Reader::new(frame);
    let mut commands = Vec::new();
    while !frame.is_at_end() {
        if commands.len() == commands_max {
            return Err(ProtocolError::TooManyCommands { max: commands_max });
        }
        commands.push(read_command(frame.delimited()?)?);
    }
    if commands.is_empty() {
        Err(ProtocolError::Empty)
    } else {
        Ok(commands)
    }
}

fn read_command(message: Reader<'_>) -> Result<Command, ProtocolError> {
    let (mut id, mut method) = (0, None);
    read(message, |field, value| {
        match field {
            1 => id = value.u32()?,
            4..=15 if method.is_some() => return Err(ProtocolError::SeveralMethods),
            4..=15 => method = Some(read_method(field, value.message()?)?),
            _ => {}
        }
        Ok(())
    })?;
    Command::new(id, method)
}

fn read_method(field: u64, message: Reader<'_>) -> Result<Method, ProtocolError> {
    Ok(match field {
        4 => Method::Connect(read_connect(message)?),
        5 => Method::Subscribe(read_subscribe(message)?),
        6 => Method::Unsubscribe(UnsubscribeRequest {
            channel: read_text(message, 1)?,
        }),
        7 => Method::Publish(read_publish(message)?),
        8 => Method::Presence(PresenceRequest {
            channel: read_text(message, 1)?,
        }),
        9 => Method::PresenceStats(PresenceRequest {
            channel: read_text(message, 1)?,
        }),
        10 => Method::History(read_history(message)?),
        11 => {
            read(message, |_, _| Ok(()))?;
            Method::Ping
        }
        12 => Method::Send(read_send(message)?),
        13 => Method::Rpc(read_rpc(message)?),
        14 => Method::Refresh(RefreshRequest {
            token: read_text(message, 1)?.into(),
        }),
        15 => Method::SubRefresh(read_sub_refresh(message)?),
        _ => Method::Unknown,
    })
}

fn read_connect(message: Reader<'_>) -> Result<ConnectRequest, ProtocolError> {
    let mut request = ConnectRequest::default();
    read(message, |field, value| {
        match field {
            1 => request.token = value.text()?.into(),
            2 => request.data = value.data()?,
            3 => {
                let (channel, sub) = read_sub(value.message()?)?;
                request.subs.insert(channel, sub);
                if request.subs.len() > CONNECT_SUBS_MAX {
                    return Err(ProtocolError::TooManySubscriptions);
                }
            }
            4 => request.name = value.text()?,
            5 => request.version = value.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(request)
}

/// One entry of the map of subscriptions of a connect.
fn read_sub(message: Reader<'_>) -> Result<(String, SubscribeRequest), ProtocolError> {
    let mut entry = (String::new(), SubscribeRequest::default());
    read(message, |field, value| {
        match field {
            1 => entry.0 = value.text()?,
            2 => entry.1 = read_subscribe(value.message()?)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(entry)
}

fn read_subscribe(message: Reader<'_>) -> Result<SubscribeRequest, ProtocolError> {
    let mut request = SubscribeRequest::default();
    read(message, |field, value| {
        match field {
            1 => request.channel = value.text()?,
            2 => request.token = value.text()?.into(),
            3 => request.recover = value.flag()?,
            6 => request.epoch = value.text()?,
            7 => request.offset = value.u64()?,
            8 => request.data = value.data()?,
            9 => request.positioned = value.flag()?,
            10 => request.recoverable = value.flag()?,
            11 => request.join_leave = value.flag()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(request)
}

fn read_publish(message: Reader<'_>) -> Result<PublishRequest, ProtocolError> {
    let mut request = PublishRequest::default();
    read(message, |field, value| {
        match field {
            1 => request.channel = value.text()?,
            2 => request.data = value.data()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(request)
}

fn read_history(message: Reader<'_>) -> Result<HistoryRequest, ProtocolError> {
    let mut request = HistoryRequest::default();
    read(message, |field, value| {
        match field {
            1 => request.channel = value.text()?,
            7 => request.limit = value.i32()?,
            8 => request.since = Some(read_position(value.message()?)?),
            9 => request.reverse = value.flag()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(request)
}

fn read_position(message: Reader<'_>) -> Result<StreamPosition, ProtocolError> {
    let mut position = StreamPosition::default();
    read(message, |field, value| {
        match field {
            1 => position.offset = value.u64()?,
            2 => position.epoch = value.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(position)
}

fn read_send(message: Reader<'_>) -> Result<SendRequest, ProtocolError> {
    let mut request = SendRequest::default();
    read(message, |field, value| {
        if field == 1 {
            request.data = value.data()?;
        }
        Ok(())
    })?;
    Ok(request)
}

fn read_rpc(message: Reader<'_>) -> Result<RpcRequest, ProtocolError> {
    let mut request = RpcRequest::default();
    read(message, |field, value| {
        match field {
            1 => request.data = value.data()?,
            2 => request.method = value.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(request)
}

fn read_sub_refresh(message: Reader<'_>) -> Result<SubRefreshRequest, ProtocolError> {
    let mut request = SubRefreshRequest::default();
    read(message, |field, value| {
        match field {
            1 => request.channel = value.text()?,
            2 => request.token = value.text()?.into(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(request)
}

/// The one text that a message has; empty when it is missing.
fn read_text(message: Reader<'_>, wanted: u64) -> Result<String, ProtocolError> {
    let mut text = String::new();
    read(message, |field, value| {
        if field == wanted {
            text = value.text()?;
        }
        Ok(())
    })?;
    Ok(text)
}

/// Reads all fields of a message.
fn read<'a>(
    mut message: Reader<'a>,
    mut take: impl FnMut(u64, &Value<'a>) -> Result<(), ProtocolError>,
) -> Result<(), ProtocolError> {
    while let Some((field, value)) = message.next_field()? {
        take(field, &value)?;
    }
    Ok(())
}
