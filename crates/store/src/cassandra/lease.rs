//! What one process does at a time. A lease ends by itself when its process does.

use fanwave_wire::RoomId;
use tokio::time::{Instant, sleep, timeout};

use super::Archive;
use crate::{
    Cause, StoreError,
    limits::{CASSANDRA_CALL_MAX, CASSANDRA_LEASE, CASSANDRA_LEASE_PAUSE},
};

/// A lease that was taken.
#[derive(Debug)]
pub(crate) struct Lease {
    archive: Archive,
    name: String,
    holder: String,
    since: Instant,
    /// Whether it was given back.
    is_over: bool,
}

/// The one of the process that records.
const RECORDER: &str = "recorder";

fn seconds() -> i32 {
    i32::try_from(CASSANDRA_LEASE.as_secs()).unwrap_or(i32::MAX)
}

impl Archive {
    pub(crate) async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        self.take_lease(RECORDER.to_owned()).await
    }

    /// The right to remove something of a room that its retention, or a person, has to be rid of.
    pub(super) async fn room_lease(&self, room: &str) -> Result<Option<Lease>, StoreError> {
        self.take_lease(format!("room {room}")).await
    }

    async fn take_lease(&self, name: String) -> Result<Option<Lease>, StoreError> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(|error| StoreError::Refused(Cause::new(error)))?;
        let holder = format!("{:032x}", u128::from_be_bytes(bits));
        let since = Instant::now();
        let values = (&name, &holder, seconds());
        let taken = self.act_if(&self.0.statements.take_lease, values).await?;
        Ok(taken.then(|| Lease {
            archive: self.clone(),
            name,
            holder,
            since,
            is_over: false,
        }))
    }

    /// Returns when nobody has the lease of a room who had it before.
    pub(super) async fn without_room_lease(&self, room: &RoomId) -> Result<(), StoreError> {
        let name = format!("room {room}");
        let mut first = None;
        let gone = async {
            loop {
                let holder: Vec<(Option<String>,)> =
                    self.ask_all(&self.0.statements.lease, (&name,)).await?;
                let holder = holder.into_iter().next().and_then(|(holder,)| holder);
                let Some(holder) = holder else {
                    return Ok(());
                };
                if *first.get_or_insert_with(|| holder.clone()) != holder {
                    return Ok(());
                }
                sleep(CASSANDRA_LEASE_PAUSE).await;
            }
        };
        match timeout(CASSANDRA_LEASE * 2, gone).await {
            Ok(gone) => gone,
            Err(_) => Err(StoreError::Busy),
        }
    }
}

impl Lease {
    /// Whether it is still held; it is kept for another while then.
    pub(crate) async fn is_held(&mut self) -> bool {
        let began = Instant::now();
        let values = (seconds(), &self.holder, &self.name, &self.holder);
        let kept = self
            .archive
            .act_if(&self.archive.0.statements.keep_lease, values)
            .await;
        match kept {
            Ok(true) => {
                self.since = began;
                true
            }
            Ok(false) => false,
            Err(_) => self.is_fresh(),
        }
    }

    /// Whether nobody else can have it before another call is done.
    pub(super) fn is_fresh(&self) -> bool {
        self.since.elapsed() + CASSANDRA_CALL_MAX < CASSANDRA_LEASE
    }

    pub(super) async fn give_back(mut self) {
        self.is_over = true;
        give(&self.archive, &self.name, &self.holder).await;
    }
}

async fn give(archive: &Archive, name: &str, holder: &str) {
    // Otherwise it ends by itself.
    drop(
        archive
            .act_if(&archive.0.statements.give_lease, (name, holder))
            .await,
    );
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let archive = self.archive.clone();
        let (name, holder) = (self.name.clone(), self.holder.clone());
        runtime.spawn(async move { give(&archive, &name, &holder).await });
    }
}
