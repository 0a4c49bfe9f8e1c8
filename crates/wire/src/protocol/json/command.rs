//! Reads commands in JSON: one object per line.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    limits::CONNECT_SUBS_MAX,
    protocol::command::{
        Command, ConnectRequest, HistoryRequest, Method, PresenceRequest, ProtocolError,
        PublishRequest, RefreshRequest, RpcRequest, SendRequest, SubRefreshRequest,
        SubscribeRequest, UnsubscribeRequest,
    },
};

/// Parses a frame of at most `commands_max` commands, one per line; blank lines are skipped.
///
/// # Errors
///
/// The whole frame is refused when any line breaks the protocol: the connection ends anyway.
pub fn parse_commands(frame: &str, commands_max: usize) -> Result<Vec<Command>, ProtocolError> {
    let mut commands = Vec::new();
    for line in frame
        .split('\n')
        .filter(|line| !line.trim_ascii().is_empty())
    {
        if commands.len() == commands_max {
            return Err(ProtocolError::TooManyCommands { max: commands_max });
        }
        commands.push(parse_command(line)?);
    }
    if commands.is_empty() {
        Err(ProtocolError::Empty)
    } else {
        Ok(commands)
    }
}

fn parse_command(line: &str) -> Result<Command, ProtocolError> {
    let Strict(envelope) = serde_json::from_str::<Strict<Envelope>>(line).map_err(|error| {
        // serde_json's own words may quote what the client sent.
        ProtocolError::Malformed {
            column: error.column(),
        }
    })?;
    envelope.into_command()
}

/// A request without fields of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct NoFields {}

/// A command as the schema has it: every method is a field, and one of them is set.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    id: u32,
    connect: Option<Strict<ConnectRequest>>,
    subscribe: Option<Strict<SubscribeRequest>>,
    unsubscribe: Option<Strict<UnsubscribeRequest>>,
    publish: Option<Strict<PublishRequest>>,
    history: Option<Strict<HistoryRequest>>,
    presence: Option<Strict<PresenceRequest>>,
    presence_stats: Option<Strict<PresenceRequest>>,
    ping: Option<Strict<NoFields>>,
    rpc: Option<Strict<RpcRequest>>,
    send: Option<Strict<SendRequest>>,
    refresh: Option<Strict<RefreshRequest>>,
    sub_refresh: Option<Strict<SubRefreshRequest>>,
}

impl Envelope {
    fn into_command(self) -> Result<Command, ProtocolError> {
        let named = [
            self.connect.map(|r| Method::Connect(r.0)),
            self.subscribe.map(|r| Method::Subscribe(r.0)),
            self.unsubscribe.map(|r| Method::Unsubscribe(r.0)),
            self.publish.map(|r| Method::Publish(r.0)),
            self.history.map(|r| Method::History(r.0)),
            self.presence.map(|r| Method::Presence(r.0)),
            self.presence_stats.map(|r| Method::PresenceStats(r.0)),
            self.ping.map(|_| Method::Ping),
            self.rpc.map(|r| Method::Rpc(r.0)),
            self.send.map(|r| Method::Send(r.0)),
            self.refresh.map(|r| Method::Refresh(r.0)),
            self.sub_refresh.map(|r| Method::SubRefresh(r.0)),
        ];
        let mut named = named.into_iter().flatten();
        let command = Command::new(self.id, named.next())?;
        if named.next().is_some() {
            return Err(ProtocolError::SeveralMethods);
        }
        Ok(command)
    }
}

/// Reads `T` from a JSON object and from nothing else; a derived reader alone would also take an array.
pub(in crate::protocol) struct Strict<T>(pub(in crate::protocol) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_map(StrictVisitor(std::marker::PhantomData))
            .map(Strict)
    }
}

struct StrictVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for StrictVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Reads an object or `null`.
pub(in crate::protocol) fn strict_option<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Strict<T>>::deserialize(deserializer)?.map(|value| value.0))
}

/// Reads the map of subscriptions of a connect, and refuses one that is too large before it has been kept.
pub(in crate::protocol) fn subs<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, SubscribeRequest>, D::Error> {
    deserializer.deserialize_option(SubsVisitor)
}

struct SubsVisitor;

impl<'de> Visitor<'de> for SubsVisitor {
    type Value = BTreeMap<String, SubscribeRequest>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {CONNECT_SUBS_MAX} subscriptions by channel")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut subs = BTreeMap::new();
        while let Some((channel, Strict(request))) = map.next_entry()? {
            subs.insert(channel, request);
            if subs.len() > CONNECT_SUBS_MAX {
                return Err(A::Error::invalid_length(subs.len(), &self));
            }
        }
        Ok(subs)
    }
}
