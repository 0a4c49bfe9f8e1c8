//! How the program stops, by who told it to.
//!
//! | told by | what happens |
//! |---|---|
//! | SIGTERM | unready at once; new fans are taken until load balancers have noticed (`drain.propagation`); then the fans are moved at a pace that the other servers can take (`drain.percent_per_second`); then everything stops, before `drain.grace` is over |
//! | SIGINT | somebody waits: all fans are moved within a second, then everything stops |
//! | either again while fans are moved | those who are left are told at once, and everything stops within [`HURRIED`] |
//! | either again after that | it ends on the spot |
//!
//! Whatever the way, every fan is told by a close code and a return slot. The exit code is 0 after a stop in order, and
//! [`INTERRUPTED`] after one that was hurried.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use fanwave_gateway::Drain;
use tokio::time::{sleep, timeout};

use super::{
    assembly::Server,
    signals::{Signals, Told},
};
use crate::config::plan::Plan;

/// Exit code after a second signal, as a shell reports a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// How long stopping takes for somebody who has said it twice.
const HURRIED: Duration = Duration::from_secs(2);

/// Stops the server as it was told to.
pub(super) async fn stop(
    mut server: Server,
    plan: &Plan,
    told: Told,
    signals: &mut Signals,
) -> ExitCode {
    let began = Instant::now();
    let moved = tokio::select! {
        () = move_fans(&mut server, plan, told) => true,
        _ = signals.next() => false,
    };
    let (deadline, code) = if moved {
        (deadline(plan, told, began.elapsed()), ExitCode::SUCCESS)
    } else {
        tracing::info!("told twice: stopping at once");
        (HURRIED, ExitCode::from(INTERRUPTED))
    };
    let stopping = Box::pin(server.stop(deadline));
    tokio::select! {
        () = within(stopping, deadline) => {
            tracing::info!("stopped");
            code
        }
        _ = signals.next() => ExitCode::from(INTERRUPTED),
    }
}

/// What is left for stopping when the fans have been moved.
fn deadline(plan: &Plan, told: Told, elapsed: Duration) -> Duration {
    let left = match told {
        Told::Terminate => plan.drain.grace.saturating_sub(elapsed),
        Told::Interrupt => plan.shutdown_deadline.saturating_sub(elapsed),
    };
    left.min(plan.shutdown_deadline)
}

/// Has the fans go to other servers.
async fn move_fans(server: &mut Server, plan: &Plan, told: Told) {
    server.leave_service();
    let drain = match told {
        Told::Interrupt => {
            tracing::info!("stopping; a second signal ends it at once");
            Drain::quick()
        }
        Told::Terminate => {
            let propagation = plan.drain.propagation;
            tracing::info!(
                ?propagation,
                "stopping: not ready any more, the fans are moved when that is known; a second signal ends it at once"
            );
            sleep(propagation).await;
            paced(plan)
        }
    };
    let progress = server.drain(drain).await;
    tracing::info!(
        moved = progress.moved,
        of = progress.fans,
        "the fans were moved"
    );
}

/// The paced drain that the plan leaves time for.
fn paced(plan: &Plan) -> Drain {
    let within = plan
        .drain
        .grace
        .saturating_sub(plan.drain.propagation + plan.shutdown_deadline);
    let asked = plan.drain.percent_per_second;
    let drain = Drain::paced(asked, within);
    let percent = drain.percent_in_force();
    if percent > asked {
        tracing::warn!(
            asked,
            percent,
            ?within,
            "the fans are moved faster than configured: drain.grace leaves no more time"
        );
    } else {
        tracing::info!(percent, ?within, "the fans are moved");
    }
    drain
}

/// Each step of stopping has its own deadline; this is the last one, around all of them.
async fn within(stopping: impl Future<Output = ()>, deadline: Duration) {
    if timeout(deadline, stopping).await.is_err() {
        tracing::warn!("not everything stopped by the deadline");
    }
}
