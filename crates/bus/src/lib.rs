//! The engine that makes many gateways one room: its contract, its conformance suite, and its adapters.
//!
//! * [`Engine`] and [`Sink`]: the contract. Gateways know nothing else of an engine.
//! * [`memory::MemoryEngine`]: the default; one process, durable through the log store, nothing to install.
//! * [`shared::SharedEngine`]: many processes are one platform, over a [`Broker`](shared::Broker).
//! * `kafka` (with the feature of that name): such a broker over Apache Kafka.
//! * `nats` (with the feature of that name): such a broker over NATS JetStream, one server or a cluster.
//! * `redis` (with the feature of that name): such a broker over Redis 7, one server, Sentinel or Cluster.
//! * [`commands::CommandQueue`]: what back ends send over a broker, worked off by one server at a time.
//! * [`recorder`]: writes what is said over a broker down in an archive.
//! * [`clock`]: the rooms' time, which the machine's clock may not make leap.
//! * `conformance` (with the feature of that name): the cases that every engine passes.
//!
//! This crate does not know what a message means, and holds no sockets of fans.

#[cfg(all(test, any(feature = "nats", feature = "redis")))]
mod certificates;
pub mod clock;
pub mod commands;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod engine;
#[cfg(test)]
#[path = "../../free_port.rs"]
mod free_port;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod limits;
pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;
pub mod recorder;
#[cfg(feature = "redis")]
pub mod redis;
pub mod shared;
mod window;

pub use engine::{Ack, BoxFuture, Engine, EngineError, History, HistoryQuery, Sink, Snapshot};
