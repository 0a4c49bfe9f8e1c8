//! Fanwave, the one binary: configuration, assembly and tools around the shells.
//!
//! The library part exists so that tests can start a whole server in their own process ([`serve::assembly`]); the
//! program is [`cli::run`]. Only this crate sees all the others, and it holds no rule of theirs: what a room, a playlist
//! or a frame does is decided in the pure crates.

pub mod assets;
mod chat_log;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod datadir;
pub mod demo;
pub mod embed;
pub mod fetch;
mod judge;
pub mod jwks;
pub mod load;
mod nodes;
mod oidc;
pub mod outgoing;
pub mod output;
pub mod proxy;
pub mod secret;
pub mod serve;
pub mod telemetry;
pub mod viewers;
pub mod webhook;
mod webhooks;
