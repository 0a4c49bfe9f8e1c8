//! Webhooks that are set through the API: what happens is written down for each of them, and sent until it is taken or given up.
//!
//! ```text
//! the origin's news ----------------------+
//! the rooms' log --Scribe, one server----+--> catalogue: a row for each webhook --Postman, one server for each--> the receiver
//! ```
//!
//! All that matters is in the catalogue. Any number of servers may work on one: the rooms' log is taken over by one of them at a time,
//! and each webhook is sent to by one at a time; whoever dies is followed by another when its lease has ended. A delivery under way at
//! that moment is sent once more, with the same id.

mod lease;
mod metrics;
mod postman;
mod room_news;
mod scribe;
mod verdict;

use std::{sync::Arc, time::Duration};

use fanwave_api::webhooks::Webhooks as Desk;
use fanwave_bus::Engine;
use fanwave_store::catalogue::Catalogue;
use fanwave_wire::{RoomId, token::TokenKey};
use futures_util::stream::BoxStream;
use prometheus_client::registry::Registry;
use tokio::{sync::watch, task::JoinHandle};

use self::{lease::Holder, metrics::Metrics, postman::Postman, scribe::Scribe};
use crate::{clock, outgoing::Outgoing, webhook::Event};

/// How often is looked for what is to be sent, and for what has happened in rooms.
const TURN: Duration = Duration::from_secs(1);

/// How webhooks are told.
#[derive(Clone)]
pub(crate) struct Config {
    /// Where they are kept.
    pub(crate) catalogue: Catalogue,
    /// What their secrets are derived from.
    pub(crate) key: TokenKey,
    /// What connections go through.
    pub(crate) outgoing: Outgoing,
    /// Longest wait for an answer.
    pub(crate) timeout: Duration,
    /// How often an event is sent at most.
    pub(crate) attempts: u32,
}

/// What they are told of.
pub(crate) struct Sources {
    /// What happens to shows; ends when nothing more can.
    pub(crate) news: BoxStream<'static, Event>,
    /// Whose log has what happens in rooms.
    pub(crate) engine: Arc<dyn Engine>,
    /// Which rooms.
    pub(crate) rooms: Vec<RoomId>,
}

/// Tells webhooks. Dropping it ends that at once; what waits is told by whoever starts next.
#[derive(Debug)]
pub(crate) struct Webhooks {
    holder: Holder,
    scribe: JoinHandle<()>,
    postman: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Webhooks {
    /// Has to be called within a tokio runtime.
    pub(crate) fn start(config: Config, sources: Sources, registry: &mut Registry) -> Self {
        let holder = Holder::new(config.catalogue.clone());
        let metrics = Metrics::register(registry);
        let (stop, stopped) = watch::channel(false);
        let Sources {
            news,
            engine,
            rooms,
        } = sources;
        let scribe = Scribe::new(&config.catalogue, holder.clone(), (engine, rooms));
        let postman = Postman::new(config, holder.clone(), metrics);
        Self {
            holder,
            scribe: tokio::spawn(scribe.run(news, stopped.clone())),
            postman: tokio::spawn(postman.run(stopped)),
            stop,
        }
    }

    /// What the API answers from.
    pub(crate) fn desk(catalogue: &Catalogue, key: &TokenKey) -> Desk {
        Desk {
            catalogue: catalogue.clone(),
            key: key.clone(),
            now: clock::now,
        }
    }

    /// Writes down what happened last, and ends what is under way; the origin has to be shut down before.
    pub(crate) async fn finish(mut self) {
        self.stop.send_replace(true);
        for task in [&mut self.scribe, &mut self.postman] {
            if let Err(error) = task.await {
                tracing::warn!(%error, "what webhooks are told was not written down to the end");
            }
        }
        self.holder.let_go().await;
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        self.scribe.abort();
        self.postman.abort();
    }
}

/// Ends when it is to.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever would say so is gone: that is an end, too.
    drop(stop.wait_for(|stopped| *stopped).await);
}

/// The wall clock, as the catalogue has it.
fn now() -> i64 {
    i64::try_from(clock::now().0).unwrap_or(i64::MAX)
}

/// So many milliseconds.
fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
