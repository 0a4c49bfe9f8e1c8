//! Ctrl-C, or a polite kill, in the middle of a run.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use anyhow::Context;
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
};

/// Counts how often the end is asked for.
///
/// # Errors
///
/// The system has no thread for it, or no signals.
pub(super) fn count(ends: &Arc<AtomicU8>) -> Result<(), anyhow::Error> {
    let ends = Arc::clone(ends);
    listen(move || {
        ends.fetch_add(1, Ordering::Relaxed);
    })
}

/// Ctrl-C reaches all processes of a terminal: workers go on until the coordinator says so, or is gone.
///
/// # Errors
///
/// As above.
pub(super) fn leave_to_the_coordinator() -> Result<(), anyhow::Error> {
    listen(|| {})
}

fn listen(mut heard: impl FnMut() + Send + 'static) -> Result<(), anyhow::Error> {
    let runtime = Builder::new_current_thread().enable_io().build();
    let runtime = runtime.context("signals cannot be waited for")?;
    let (mut interrupt, mut terminate) = runtime
        .block_on(async { signals() })
        .context("signals cannot be waited for")?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => heard(),
                    _ = terminate.recv() => heard(),
                }
            }
        })
    });
    Ok(())
}

fn signals() -> io::Result<(Signal, Signal)> {
    Ok((
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    ))
}
