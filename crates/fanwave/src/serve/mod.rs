//! `fanwave serve`: everything together, from the first check to the last flush.
//!
//! [`assembly`] starts the parts in the order in which they need each other and stops them in the opposite one;
//! [`run`] is the program around it: the machine's limits, the screen that is printed, the signals, and what each of them
//! means (`stopping`).

pub mod accounts;
pub mod assembly;
mod authoriser;
pub mod back_ends;
pub mod banner;
mod beside;
mod board;
#[cfg(feature = "s3")]
pub mod bucket;
mod commands;
pub mod descriptors;
mod encoders;
mod engine;
mod foreign_pages;
mod gateway;
pub mod health;
pub mod http;
pub mod machine;
mod news;
mod proxy;
mod recorder;
mod signals;
pub mod simulcast;
mod stopping;
pub(crate) mod store;
mod stream_keys;
mod webhook;
pub(crate) mod webhooks;

use std::process::ExitCode;

use anyhow::Context;

use self::{
    assembly::{Server, Show},
    signals::Signals,
};
use crate::{
    config::plan::{LogFormat, Plan},
    output,
};

/// Serves until a signal, and stops in order; a second signal ends it at once.
///
/// # Errors
///
/// Whatever keeps the server from starting, in words that say what to do.
pub async fn run(plan: &Plan, show: Show) -> Result<ExitCode, anyhow::Error> {
    // Listened for first: a Ctrl-C during a slow start must not be lost.
    let mut signals = Signals::listen().context("signals cannot be listened for")?;
    let descriptors = descriptors::raise();
    let machine = machine::read(descriptors);
    let server = tokio::select! {
        started = Server::start(plan, show) => started?,
        _ = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    if plan.log.format == LogFormat::Human {
        output::print(&banner::render(plan, &server, &machine));
    }
    for shortage in machine.shortages(plan.chat.connections_max) {
        tracing::warn!(%shortage, configured = plan.chat.connections_max, "the machine holds fewer fans than configured, or slower");
    }
    tracing::info!(http = %server.http_addr(), rtmp = %server.rtmp_addr(), rtmps = ?server.rtmps_addr(), srt = ?server.srt_addr(), whip = ?server.whip_addr(), %descriptors, "serving");
    let told = signals.next().await;
    Ok(Box::pin(stopping::stop(server, plan, told, &mut signals)).await)
}
