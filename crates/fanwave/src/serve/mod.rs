//! `fanwave serve`: everything together, from the first check to the last flush.
//!
//! [`assembly`] starts the parts in the order in which they need each other and stops them in the opposite one;
//! [`run`] is the program around it: the machine's limits, the screen that is printed, the signals.

pub mod assembly;
pub mod banner;
pub mod descriptors;
mod engine;
mod gateway;
pub mod health;
pub mod http;
pub mod machine;

use std::{io, process::ExitCode, time::Duration};

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use self::assembly::{Server, Show};
use crate::{
    config::plan::{LogFormat, Plan},
    output,
};

/// Exit code after a second signal, as a shell reports a program that was interrupted.
const INTERRUPTED: u8 = 130;

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
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    if plan.log.format == LogFormat::Human {
        output::print(&banner::render(plan, &server, &machine));
    }
    for shortage in machine.shortages(plan.chat.connections_max) {
        tracing::warn!(%shortage, configured = plan.chat.connections_max, "the machine holds fewer fans than configured, or slower");
    }
    tracing::info!(http = %server.http_addr(), rtmp = %server.rtmp_addr(), %descriptors, "serving");
    signals.next().await;
    tracing::info!("stopping; a second signal ends it at once");
    let stopping = server.stop(plan.shutdown_deadline);
    tokio::select! {
        () = within(stopping, plan.shutdown_deadline) => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        () = signals.next() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// Each step of stopping has its own deadline; this is the last one, around all of them.
async fn within(stopping: impl Future<Output = ()>, deadline: Duration) {
    if timeout(deadline, stopping).await.is_err() {
        tracing::warn!("not everything stopped by the deadline");
    }
}

/// Ctrl-C at a terminal and the polite kill of a supervisor.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
