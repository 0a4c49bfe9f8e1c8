//! Commands in a Redis Stream.
//!
//! * A back end adds entries with one field, `command`. They are read by a consumer group, and an entry that is done is
//!   acknowledged and deleted in one transaction: the stream's length is what waits.
//! * Whoever leads reads as the group's one consumer, so that what a server had taken that is gone is the next one's own
//!   to read again. The lead is a key that goes away by itself.
//! * Dead letters are a second stream, of about [`REDIS_DEAD_LETTERS_MAX`] entries.

use std::sync::{Arc, Mutex, PoisonError};

use ::redis::{
    Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection, cmd,
    pipe,
};
use tokio::time::timeout;

use super::{
    config::RedisConfig,
    servers::{Servers, connection_config},
    slots::slot_of,
};
use crate::{
    BoxFuture,
    commands::{CommandQueue, Entry, Place, new_holder},
    limits::{BROKER_CALL_MAX, COMMAND_LEASE, COMMANDS_POLL_MAX, REDIS_DEAD_LETTERS_MAX},
    shared::BrokerError,
};

/// The group that reads the stream, and its one consumer.
const GROUP: &str = "fanwave";

/// The field of an entry that is the command.
const FIELD: &str = "command";

/// Takes the lead where nobody has it, or keeps it.
const LEAD: &str = "
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";

/// Gives it back, if it is still one's own.
const LEAVE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0";

/// The queue; see the module.
#[derive(Debug)]
pub struct RedisCommands {
    servers: Servers,
    stream: String,
    dead: String,
    lead: String,
    holder: String,
    state: Mutex<State>,
    /// Reading waits at the server, which nothing else may wait for.
    reading: tokio::sync::Mutex<Option<MultiplexedConnection>>,
}

#[derive(Debug, Default)]
struct State {
    /// Behind which of those that were taken before is to be read; `None`: all of them were, and new ones come.
    again_after: Option<String>,
}

impl RedisCommands {
    /// Connects when it is first used. The key of the stream names it; the others are made of it.
    ///
    /// # Errors
    ///
    /// This machine has no randomness.
    pub fn open(config: RedisConfig, stream: &str) -> Result<Arc<Self>, BrokerError> {
        Ok(Arc::new(Self {
            servers: Servers::new(config),
            stream: stream.to_owned(),
            dead: format!("{stream}:dead"),
            lead: format!("{stream}:lead"),
            holder: new_holder()?,
            state: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }))
    }

    /// Asks whoever has a key.
    async fn ask<T: FromRedisValue>(&self, key: &str, ask: Ask<'_>) -> Result<T, BrokerError> {
        let asked = async {
            let (address, mut connection) = self.servers.connection(slot_of(key)).await?;
            let answer: RedisResult<T> = match ask {
                Ask::One(command) => command.query_async(&mut connection).await,
                Ask::Together(pipeline) => pipeline.query_async(&mut connection).await,
            };
            if let Err(error) = &answer {
                // Whoever asks asks again.
                let _ = self.servers.learn(&address, error).await;
            }
            answer
        };
        match timeout(BROKER_CALL_MAX, asked).await {
            Ok(answer) => answer.map_err(|error: RedisError| BrokerError::unavailable(&error)),
            Err(_) => Err(BrokerError::unavailable("Redis does not answer")),
        }
    }

    /// Makes the group, and with it the stream.
    async fn make(&self) -> Result<(), BrokerError> {
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&self.stream).arg(GROUP);
        create.arg("0").arg("MKSTREAM");
        let made: Result<Value, _> = self.ask(&self.stream, Ask::One(&create)).await;
        match made {
            // It is there.
            Err(BrokerError::Unavailable { reason }) if reason.contains("BUSYGROUP") => Ok(()),
            made => made.map(drop),
        }
    }

    async fn read(&self, most: usize) -> Result<Vec<Entry>, BrokerError> {
        let after = self.state().again_after.clone();
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(GROUP);
        read.arg("COUNT").arg(most);
        if after.is_none() {
            let patience = u64::try_from(COMMANDS_POLL_MAX.as_millis()).unwrap_or(u64::MAX);
            read.arg("BLOCK").arg(patience);
        }
        read.arg("STREAMS").arg(&self.stream);
        read.arg(after.as_deref().unwrap_or(">"));
        let mut held = self.reading.lock().await;
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => {
                let address = self.servers.address(slot_of(&self.stream)).await;
                let address = address.map_err(|error| BrokerError::unavailable(&error))?;
                let connected = self.servers.connect(&address, connection_config()).await;
                if connected.is_err() {
                    self.servers.forget().await;
                }
                connected.map_err(|error| BrokerError::unavailable(&error))?
            }
        };
        let answer: RedisResult<Value> = read.query_async(&mut connection).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.servers.forget().await;
                return Err(BrokerError::unavailable(&error));
            }
        };
        // A connection that has failed is not kept.
        *held = Some(connection);
        let entries = read_entries(answer)?;
        if after.is_some() {
            self.state().again_after = entries.last().map(|(id, _)| id.clone());
        }
        let entry = |(id, fields): (String, Fields)| {
            let named = |(name, _): &(Vec<u8>, Vec<u8>)| name == FIELD.as_bytes();
            let bytes = fields.into_iter().find(named).map(|(_, value)| value);
            Entry {
                place: Place::new(id.clone(), id),
                // One without is no command, and is told so.
                bytes: bytes.unwrap_or_default(),
            }
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
enum Ask<'a> {
    One(&'a Cmd),
    Together(&'a Pipeline),
}

impl CommandQueue for RedisCommands {
    fn lead(&self) -> BoxFuture<'_, Result<bool, BrokerError>> {
        Box::pin(async move {
            let lease = u64::try_from(COMMAND_LEASE.as_millis()).unwrap_or(u64::MAX);
            let mut ask = cmd("EVAL");
            ask.arg(LEAD).arg(1).arg(&self.lead);
            ask.arg(&self.holder).arg(lease);
            let leads: i64 = self.ask(&self.lead, Ask::One(&ask)).await?;
            Ok(leads == 1)
        })
    }

    fn rewind(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            self.make().await?;
            self.state().again_after = Some("0-0".to_owned());
            Ok(())
        })
    }

    fn take(&self, most: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        Box::pin(async move {
            match timeout(BROKER_CALL_MAX, self.read(most)).await {
                Ok(taken) => taken,
                Err(_) => Err(BrokerError::unavailable("Redis does not answer")),
            }
        })
    }

    fn done<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let mut together = pipe();
            together.atomic();
            let id = place.token();
            together.cmd("XACK").arg(&self.stream).arg(GROUP).arg(id);
            together.cmd("XDEL").arg(&self.stream).arg(id);
            let answer: Result<Value, _> = self.ask(&self.stream, Ask::Together(&together)).await;
            answer.map(drop)
        })
    }

    fn bury<'a>(&'a self, letter: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let mut add = cmd("XADD");
            add.arg(&self.dead).arg("MAXLEN").arg("~");
            add.arg(REDIS_DEAD_LETTERS_MAX);
            add.arg("*").arg("letter").arg(letter);
            let answer: Result<Value, _> = self.ask(&self.dead, Ask::One(&add)).await;
            answer.map(drop)
        })
    }

    fn waiting(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        Box::pin(async move {
            let mut count = cmd("XLEN");
            count.arg(&self.stream);
            self.ask(&self.stream, Ask::One(&count)).await
        })
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            let mut ask = cmd("EVAL");
            ask.arg(LEAVE).arg(1).arg(&self.lead).arg(&self.holder);
            let answer: Result<Value, _> = self.ask(&self.lead, Ask::One(&ask)).await;
            answer.map(drop)
        })
    }
}

/// The fields of an entry, each with its value.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads an answer to `XREADGROUP` (RESP3): nothing, or a map from the one stream to its entries.
fn read_entries(answer: Value) -> Result<Vec<(String, Fields)>, BrokerError> {
    let strange = || BrokerError::unavailable("Redis answers something else than a stream");
    let entries = match answer {
        Value::Nil => return Ok(Vec::new()),
        Value::Map(streams) => streams.into_iter().next().map(|(_, entries)| entries),
        Value::Array(streams) => streams.into_iter().next().and_then(|stream| match stream {
            Value::Array(pair) => pair.into_iter().nth(1),
            _ => None,
        }),
        _ => return Err(strange()),
    };
    let Some(Value::Array(entries)) = entries else {
        return Err(strange());
    };
    let read = |entry| {
        // An entry that somebody has deleted has no fields.
        let (id, fields): (String, Option<Vec<Vec<u8>>>) = ::redis::from_redis_value(entry).ok()?;
        let mut fields = fields.unwrap_or_default().into_iter();
        let mut pairs = Vec::new();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            pairs.push((name, value));
        }
        Some((id, pairs))
    };
    entries
        .into_iter()
        .map(|entry| read(entry).ok_or_else(strange))
        .collect()
}
