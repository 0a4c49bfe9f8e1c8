//! Stopping, in the opposite order of starting.
//!
//! 1. [`Server::leave_service`]: unready, so that new fans are sent elsewhere, and the other servers are told so. Everything
//!    else goes on.
//! 2. [`Server::drain`]: the demo leaves, and the fans are moved to other servers, each in their turn. The broadcast goes on
//!    for those who are still there, and the HTTP port answers.
//! 3. [`Server::stop`]: whoever is still in the chat is told to come back, publishers are let go and waiting players
//!    answered, answers under way are finished, and last the chat log is flushed.
//!
//! Each of them may be left out, and what it would have done is done at once by the next.

use std::time::{Duration, Instant};

use fanwave_gateway::{Drain, Progress};
use tokio::time::timeout;

use super::Server;
use crate::serve::health::Stage;

/// Time kept back from the deadline for flushing the chat log, whatever the steps before took.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// How long commands that are being done may take to end; what does not is done by another server.
const COMMANDS_TIME: Duration = Duration::from_secs(2);

/// How long the demo may take to leave before the fans are moved.
const DEMO_TIME: Duration = Duration::from_secs(5);

impl Server {
    /// New fans should be sent elsewhere from now on; those who come all the same are taken.
    pub fn leave_service(&self) {
        self.readiness.set(Stage::Draining);
        self.gateway.announce_drain();
    }

    /// Takes no new fans, and moves those who are there to other servers.
    pub async fn drain(&mut self, drain: Drain) -> Progress {
        self.leave_service();
        if let Some(demo) = self.demo.take() {
            bounded("the demo", DEMO_TIME, demo.stop()).await;
        }
        self.gateway.drain(drain).await
    }

    /// Stops everything in order, within the deadline; returns when nothing of it runs any more.
    pub async fn stop(self, deadline: Duration) {
        let ends_at = Instant::now() + deadline.saturating_sub(FLUSH_TIME.min(deadline / 2));
        let left = || ends_at.saturating_duration_since(Instant::now());
        self.readiness.set(Stage::Stopping);
        drop((self.key_follower, self.sweeper));
        if let Some(commands) = self.commands {
            bounded(
                "the commands of back ends",
                COMMANDS_TIME.min(left()),
                commands.stop(),
            )
            .await;
        }
        if let Some(demo) = self.demo {
            bounded("the demo", left(), demo.stop()).await;
        }
        let broadcast = async {
            // Players that wait for its next part get their answer, which the HTTP server waits for.
            bounded("the broadcast", left(), self.origin.shutdown()).await;
            // The last of what happened is told while answers under way are finished.
            let told = async {
                if let Some(reporter) = self.reporter {
                    bounded("the webhook", left(), reporter.finish()).await;
                }
                if let Some(hooks) = self.hooks {
                    bounded("the webhooks", left(), hooks.finish()).await;
                }
            };
            tokio::join!(told, self.http.stop(left()));
        };
        let (gateway, ()) = tokio::join!(self.gateway.shutdown(left()), broadcast);
        if let Err(error) = gateway {
            tracing::warn!(%error, "the gateway did not stop cleanly");
        }
        if let Some(recorder) = self.recorder {
            bounded("the recorder", FLUSH_TIME, recorder.stop()).await;
        }
        bounded("the engine", FLUSH_TIME, self.engine.stop()).await;
        bounded("the chat log", FLUSH_TIME, self.archive.close()).await;
        bounded("the chat log", FLUSH_TIME, self.store.close()).await;
        if let Some(register) = self.register {
            bounded("the catalogue", FLUSH_TIME, register.close()).await;
        }
        drop(self.data);
    }
}

/// Waits for a step of stopping, but not longer than it may take.
async fn bounded(what: &'static str, wait: Duration, step: impl Future<Output = ()>) {
    if timeout(wait, step).await.is_err() {
        tracing::warn!(what, "did not stop in time");
    }
}
