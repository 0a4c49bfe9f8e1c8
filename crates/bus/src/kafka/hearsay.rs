//! What servers tell about themselves: a third topic, of which one partition is used, that keeps nothing for long.
//!
//! Nobody reads back what they have not heard: a server listens from the end on, and again from the end after an
//! interruption. Where the topic is missing, the servers do not know of each other.

use std::sync::Arc;

use rskafka::client::partition::OffsetAt;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinHandle,
    time::sleep,
};

use super::wires::{Trouble, Wire, Wires};
use crate::{
    limits::{KAFKA_FETCH_BYTES, KAFKA_POLL_MAX, RECONNECT_EVERY},
    shared::{BrokerError, Signal},
};

/// Speaking and listening. It ends with this value.
#[derive(Debug)]
pub(super) struct Hearsay {
    /// Its requests are not tried again without anybody knowing: what is told is told once.
    speaking: Wire,
    task: JoinHandle<()>,
}

impl Drop for Hearsay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hearsay {
    /// Begins to listen. Needs a tokio runtime.
    pub(super) fn start(wires: &Arc<Wires>, signals: mpsc::Sender<Signal>) -> Self {
        let listening = Wire::of_hearsay(wires);
        Self {
            speaking: Wire::of_hearsay(wires),
            task: tokio::spawn(listen(listening, signals)),
        }
    }

    /// Tells all servers; nobody, where the topic is missing.
    pub(super) async fn tell(&self, hearsay: &[u8]) -> Result<(), BrokerError> {
        match self.speaking.write(None, hearsay.to_vec()).await {
            Ok(_) | Err(Trouble::Missing) => Ok(()),
            Err(trouble) => Err(trouble.into()),
        }
    }
}

async fn listen(wire: Wire, signals: mpsc::Sender<Signal>) {
    let mut next = None;
    while !signals.is_closed() {
        next = match hear(&wire, next, &signals).await {
            Ok(next) => Some(next),
            Err(trouble) => {
                let error = BrokerError::from(trouble);
                tracing::trace!(%error, "what servers tell about themselves is not heard");
                wire.forget();
                sleep(RECONNECT_EVERY).await;
                None
            }
        };
    }
}

/// Hears what there is from a place on, or from the end, and answers where to go on.
async fn hear(
    wire: &Wire,
    next: Option<i64>,
    signals: &mpsc::Sender<Signal>,
) -> Result<i64, Trouble> {
    let from = match next {
        Some(next) => next,
        None => {
            let end = wire.call(async |partition| partition.get_offset(OffsetAt::Latest).await);
            end.await?
        }
    };
    let patience = i32::try_from(KAFKA_POLL_MAX.as_millis()).unwrap_or(i32::MAX);
    let fetched = wire.call(async |partition| {
        partition
            .fetch_records(from, 1..KAFKA_FETCH_BYTES, patience)
            .await
    });
    let (records, _) = fetched.await?;
    let reached = records.last().map_or(from, |last| last.offset + 1);
    // A set of records is answered whole, also where its beginning is not asked for.
    for record in records.into_iter().filter(|record| record.offset >= from) {
        let told = Signal::Told(record.record.value.unwrap_or_default());
        if let Err(TrySendError::Closed(_)) = signals.try_send(told) {
            break;
        }
    }
    Ok(reached)
}
