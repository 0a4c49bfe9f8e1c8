//! Where snapshots are kept: a second topic, which keeps the newest record of every key.
//!
//! It is a convenience: without it, a server reads a partition from its first entry on. Which server writes a snapshot
//! needs no agreement: the one whose entry has the next round place in Kafka.

use std::sync::Arc;

use rskafka::client::partition::OffsetAt;
use tokio::task::JoinHandle;

use super::{
    snapshot::{self, Pieces, Snapshot},
    view::View,
    wires::{Trouble, Wire},
};
use crate::{limits::KAFKA_FETCH_BYTES, shared::BrokerError};

/// The shelf of one partition.
#[derive(Debug)]
pub(super) struct Shelf {
    wire: Arc<Wire>,
    /// How many entries are between two snapshots.
    every: i64,
    writing: Option<Writing>,
}

/// A snapshot on its way. It ends with this value.
#[derive(Debug)]
struct Writing(JoinHandle<()>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Shelf {
    pub(super) fn new(wire: Wire, every: u32) -> Self {
        Self {
            wire: Arc::new(wire),
            every: i64::from(every.max(1)),
            writing: None,
        }
    }

    /// The newest snapshot; `None` where there is none that can be used.
    pub(super) async fn newest(&self) -> Result<Option<Snapshot>, BrokerError> {
        let pieces = self.pieces().await;
        // It is not needed again before long.
        self.wire.forget();
        let pieces = match pieces {
            Ok(pieces) => pieces,
            Err(Trouble::Gone(error)) => return Err(error),
            Err(Trouble::Refused(_) | Trouble::Missing | Trouble::OutOfRange) => return Ok(None),
        };
        match pieces.newest() {
            None => Ok(None),
            Some(Ok(snapshot)) => Ok(Some(snapshot)),
            Some(Err(error)) => {
                tracing::warn!(
                    ?error,
                    "a snapshot cannot be read: the log is, from its beginning"
                );
                Ok(None)
            }
        }
    }

    async fn pieces(&self) -> Result<Pieces, Trouble> {
        let first = self
            .wire
            .call(async |partition| partition.get_offset(OffsetAt::Earliest).await);
        let mut next = first.await?;
        let mut pieces = Pieces::default();
        loop {
            let fetched = self.wire.call(async |partition| {
                partition.fetch_records(next, 0..KAFKA_FETCH_BYTES, 1).await
            });
            let (records, _) = fetched.await?;
            let Some(last) = records.last() else {
                return Ok(pieces);
            };
            next = last.offset + 1;
            for record in records {
                pieces.add(&record.record.value.unwrap_or_default());
            }
        }
    }

    /// Whether it is up to the writer of the entry at this place to keep a snapshot.
    pub(super) fn is_due(&self, at: i64) -> bool {
        let busy = self
            .writing
            .as_ref()
            .is_some_and(|writing| !writing.0.is_finished());
        !busy && at > 0 && at % self.every == 0
    }

    /// Begins to write down what is true.
    pub(super) fn keep(&mut self, view: &View) -> Result<(), BrokerError> {
        let Some(last) = view.last() else {
            return Ok(());
        };
        let pieces = snapshot::pieces(super::random()?, last, &view.fold);
        if pieces.is_empty() {
            tracing::warn!("what is known of a partition is too much for a snapshot");
        }
        let wire = Arc::clone(&self.wire);
        self.writing = Some(Writing(tokio::spawn(async move {
            if let Err(trouble) = write(&wire, pieces).await {
                let error = BrokerError::from(trouble);
                tracing::debug!(%error, "a snapshot has not been kept");
            }
            wire.forget();
        })));
        Ok(())
    }
}

async fn write(wire: &Wire, pieces: Vec<Vec<u8>>) -> Result<(), Trouble> {
    for (index, piece) in pieces.into_iter().enumerate() {
        wire.write(Some(index.to_string().into_bytes()), piece)
            .await?;
    }
    Ok(())
}
