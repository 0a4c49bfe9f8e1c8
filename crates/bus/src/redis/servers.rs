//! Which server has which slot, and one connection to each that is used.
//!
//! A connection is made when it is first needed, by one caller while the others wait, and not more often than every
//! [`RECONNECT_EVERY`]. When a server says that a slot is elsewhere, or does not answer, what is known of the topology is
//! forgotten and asked anew.

use std::{collections::HashMap, ops::RangeInclusive, time::Duration};

use ::redis::{
    AsyncConnectionConfig, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value,
    aio::MultiplexedConnection, cmd,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use super::{
    config::{Address, CONNECT_MAX, RedisConfig, Topology},
    scripts::Scripts,
    slots::SLOTS,
};
use crate::limits::{BROKER_CALL_MAX, RECONNECT_EVERY};

/// The servers, and the connections to them.
#[derive(Debug)]
pub(super) struct Servers {
    config: RedisConfig,
    scripts: Scripts,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Who has which slots; empty when it has to be asked.
    slots: Vec<(RangeInclusive<u16>, Address)>,
    connections: HashMap<Address, MultiplexedConnection>,
    tried_at: Option<Instant>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known")
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

/// Whether trying again, with what is then known, may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    Again,
    None,
}

impl Servers {
    pub(super) fn new(config: RedisConfig) -> Self {
        Self {
            config,
            scripts: Scripts::new(),
            known: Mutex::new(Known::default()),
        }
    }

    pub(super) fn config(&self) -> &RedisConfig {
        &self.config
    }

    pub(super) fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// The connection to whoever has a slot.
    pub(super) async fn connection(
        &self,
        slot: u16,
    ) -> RedisResult<(Address, MultiplexedConnection)> {
        let mut known = self.known.lock().await;
        let address = self.locate(&mut known, slot).await?;
        if let Some(connection) = known.connections.get(&address) {
            return Ok((address, connection.clone()));
        }
        known.pace().await;
        let connection = self.connect(&address, connection_config()).await;
        if connection.is_err() {
            known.slots.clear();
        }
        let mut connection = connection?;
        for load in self.scripts.load() {
            load.exec_async(&mut connection).await?;
        }
        known
            .connections
            .insert(address.clone(), connection.clone());
        Ok((address, connection))
    }

    /// Who has a slot.
    pub(super) async fn address(&self, slot: u16) -> RedisResult<Address> {
        let mut known = self.known.lock().await;
        self.locate(&mut known, slot).await
    }

    /// Draws the consequences of an error of a server.
    pub(super) async fn learn(&self, address: &Address, error: &RedisError) -> Remedy {
        let gone = error.is_io_error() || error.is_unrecoverable_error();
        let (forget_connection, forget_slots) = match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => (true, false),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
                (true, true)
            }
            _ if error.is_cluster_error() => (false, true),
            _ if gone => (true, true),
            _ => return Remedy::None,
        };
        let mut known = self.known.lock().await;
        if forget_connection {
            known.connections.remove(address);
        }
        if forget_slots {
            known.slots.clear();
        }
        // Waiting once more for a server that has not answered would take longer than a call may.
        if error.is_timeout() {
            Remedy::None
        } else {
            Remedy::Again
        }
    }

    /// Asks anew who has which slots, next time.
    pub(super) async fn forget(&self) {
        self.known.lock().await.slots.clear();
    }

    /// A connection of one's own.
    pub(super) async fn connect(
        &self,
        address: &Address,
        config: AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        self.config
            .client(address)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    async fn locate(&self, known: &mut Known, slot: u16) -> RedisResult<Address> {
        if known.slots.is_empty() {
            known.slots = match &self.config.topology {
                Topology::Single => {
                    let server = self.config.servers.first().ok_or_else(nowhere)?;
                    vec![(0..=SLOTS - 1, server.clone())]
                }
                Topology::Sentinel { primary } => {
                    known.pace().await;
                    vec![(0..=SLOTS - 1, self.ask_sentinels(primary).await?)]
                }
                Topology::Cluster => {
                    known.pace().await;
                    self.ask_cluster().await?
                }
            };
        }
        let found = known.slots.iter().find(|(slots, _)| slots.contains(&slot));
        let found = found.map(|(_, address)| address.clone());
        if found.is_none() {
            // The cluster is being put together or repaired.
            known.slots.clear();
        }
        found.ok_or_else(nowhere)
    }

    async fn ask_sentinels(&self, primary: &str) -> RedisResult<Address> {
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(primary);
        let mut failure = nowhere();
        for sentinel in &self.config.servers {
            match self.ask(sentinel, &question).await {
                Ok(answer) => match ::redis::from_redis_value::<Option<(String, u16)>>(answer) {
                    Ok(Some((host, port))) => return Ok(sentinel.told(host, port)),
                    Ok(None) => {}
                    Err(error) => failure = error.into(),
                },
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn ask_cluster(&self) -> RedisResult<Vec<(RangeInclusive<u16>, Address)>> {
        let mut question = cmd("CLUSTER");
        question.arg("SLOTS");
        let mut failure = nowhere();
        for server in &self.config.servers {
            match self.ask(server, &question).await {
                Ok(answer) => match read_slots(&answer, server) {
                    Some(slots) if !slots.is_empty() => return Ok(slots),
                    _ => {}
                },
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn ask(&self, server: &Address, question: &::redis::Cmd) -> RedisResult<Value> {
        let mut connection = self.connect(server, connection_config()).await?;
        question.query_async(&mut connection).await
    }
}

impl Known {
    /// Waits until it is time for another attempt.
    async fn pace(&mut self) {
        if let Some(tried_at) = self.tried_at {
            sleep_until(tried_at + RECONNECT_EVERY).await;
        }
        self.tried_at = Some(Instant::now());
    }
}

/// How every connection is made.
pub(super) fn connection_config() -> AsyncConnectionConfig {
    let patience = BROKER_CALL_MAX - Duration::from_millis(500);
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_MAX))
        .set_response_timeout(Some(patience))
}

/// Reads the answer to `CLUSTER SLOTS`: a first and a last slot, then the primary, then its replicas.
fn read_slots(answer: &Value, asked: &Address) -> Option<Vec<(RangeInclusive<u16>, Address)>> {
    let Value::Array(ranges) = answer else {
        return None;
    };
    let read = |range: &Value| {
        let Value::Array(fields) = range else {
            return None;
        };
        let [first, last, Value::Array(primary), ..] = fields.as_slice() else {
            return None;
        };
        let [host, port, ..] = primary.as_slice() else {
            return None;
        };
        let port = number(port)?;
        // A server that does not know its own name is the one that was asked.
        let host = match host {
            Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
            _ => asked.host.clone(),
        };
        Some((number(first)?..=number(last)?, asked.told(host, port)))
    };
    ranges.iter().map(read).collect()
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

fn nowhere() -> RedisError {
    (ErrorKind::Client, "no server is known to have this room").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_of_a_cluster_is_read() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let server =
            |host: &str, port| Value::Array(vec![text(host), Value::Int(port), text("id")]);
        let range = |first, last, primary| {
            let replica = server("10.0.0.9", 9);
            Value::Array(vec![Value::Int(first), Value::Int(last), primary, replica])
        };
        let asked = Address::new("10.0.0.1", 1);
        let answer = Value::Array(vec![
            range(0, 8_191, server("10.0.0.2", 2)),
            range(8_192, 16_383, server("", 3)),
        ]);
        let expected = vec![
            (0..=8_191, Address::new("10.0.0.2", 2)),
            (8_192..=16_383, Address::new("10.0.0.1", 3)),
        ];
        assert_eq!(read_slots(&answer, &asked), Some(expected));
        let strange = Value::Array(vec![range(0, 99_999, server("", 3))]);
        assert_eq!(read_slots(&strange, &asked), None);
        assert_eq!(read_slots(&Value::Nil, &asked), None);
    }
}
