//! The engine that makes many gateways one room: its contract, its conformance suite, and the in-process adapter.
//!
//! * [`Engine`] and [`Sink`]: the contract. Gateways know nothing else of an engine.
//! * [`memory::MemoryEngine`]: the default; one process, durable through the log store, nothing to install.
//! * `conformance` (with the feature of that name): the cases that every engine passes.
//!
//! This crate does not know what a message means, and holds no sockets.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod engine;
pub mod limits;
pub mod memory;

pub use engine::{Ack, BoxFuture, Engine, EngineError, History, HistoryQuery, Sink, Snapshot};
