//! Runs of offsets, in the order in which the archive has met them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use fanwave_wire::{Channel, Epoch, Offset, UnixMillis};

use super::Archive;
use crate::{
    Standing, StoreError,
    limits::{CASSANDRA_KNOWN_MAX, RUNS_READ_MAX},
    rows::signed,
};

/// The numbers of runs, which never change.
#[derive(Debug, Default)]
pub(super) struct Runs(Mutex<BTreeMap<(Channel, String), i32>>);

impl Runs {
    fn get(&self, channel: &Channel, epoch: &Epoch) -> Option<i32> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(channel.clone(), epoch.0.to_string())).copied()
    }

    fn put(&self, channel: &Channel, epoch: &Epoch, run: i32) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CASSANDRA_KNOWN_MAX {
            known.clear();
        }
        known.insert((channel.clone(), epoch.0.to_string()), run);
    }
}

/// Up to where a run is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub(super) offset: Offset,
    /// When that was said.
    pub(super) at: UnixMillis,
}

impl Archive {
    /// The numbers and epochs of a channel's runs, newest first.
    pub(super) async fn run_list(
        &self,
        channel: &Channel,
    ) -> Result<Vec<(i32, String)>, StoreError> {
        let limit = i32::try_from(RUNS_READ_MAX).unwrap_or(i32::MAX);
        self.ask_all(&self.0.statements.runs, (channel.to_string(), limit))
            .await
    }

    /// The number of a run, if the archive has it.
    pub(super) async fn find_run(
        &self,
        channel: &Channel,
        epoch: &Epoch,
    ) -> Result<Option<i32>, StoreError> {
        if let Some(run) = self.0.runs.get(channel, epoch) {
            return Ok(Some(run));
        }
        let runs = self.run_list(channel).await?;
        let found = runs.iter().find(|(_, of)| **of == *epoch.0);
        let found = found.map(|(run, _)| *run);
        if let Some(run) = found {
            self.0.runs.put(channel, epoch, run);
        }
        Ok(found)
    }

    /// The number of a run, which begins here if it is new.
    pub(super) async fn run(&self, channel: &Channel, epoch: &Epoch) -> Result<i32, StoreError> {
        loop {
            if let Some(run) = self.find_run(channel, epoch).await? {
                return Ok(run);
            }
            let newest = self
                .run_list(channel)
                .await?
                .first()
                .map_or(0, |(run, _)| *run);
            let begun = (channel.to_string(), newest + 1, &*epoch.0);
            // Whoever comes first takes the number; the others look again.
            self.act_if(&self.0.statements.begin_run, begun).await?;
        }
    }

    /// The heads of a run, and of the one before it.
    pub(super) async fn heads(
        &self,
        channel: &Channel,
        run: i32,
    ) -> Result<(Head, Option<Head>), StoreError> {
        let values = (channel.to_string(), run - 1, run);
        let rows: Vec<(i32, i64, i64)> = self.ask_all(&self.0.statements.heads, values).await?;
        let head = |run: i32| {
            let found = rows.iter().find(|(of, ..)| *of == run);
            found.map(|(_, offset, at)| Head {
                offset: Offset(offset.unsigned_abs()),
                at: UnixMillis(at.unsigned_abs()),
            })
        };
        Ok((head(run).unwrap_or_default(), head(run - 1)))
    }

    pub(super) async fn put_head(
        &self,
        channel: &Channel,
        run: i32,
        head: Head,
    ) -> Result<(), StoreError> {
        let (offset, at) = (signed(head.offset.0), signed(head.at.0));
        let values = (channel.to_string(), run, offset, at, offset);
        self.act(&self.0.statements.put_head, values).await
    }

    pub(crate) async fn reached(&self, channel: &Channel) -> Result<Option<Standing>, StoreError> {
        let limit = 1;
        let newest: Vec<(i32, String)> = self
            .ask_all(&self.0.statements.runs, (channel.to_string(), limit))
            .await?;
        let Some((run, epoch)) = newest.into_iter().next() else {
            return Ok(None);
        };
        let (head, _) = self.heads(channel, run).await?;
        Ok(Some(Standing {
            epoch: Epoch(epoch.into()),
            head: head.offset,
        }))
    }

    /// Oldest first.
    pub(crate) async fn runs(&self, channel: &Channel) -> Result<Vec<Standing>, StoreError> {
        let runs = self.run_list(channel).await?;
        let (Some((newest, _)), Some((oldest, _))) = (runs.first(), runs.last()) else {
            return Ok(Vec::new());
        };
        let heads = (channel.to_string(), *oldest, *newest);
        let heads: Vec<(i32, i64, i64)> = self.ask_all(&self.0.statements.heads, heads).await?;
        let head = |run: i32| heads.iter().find(|(of, ..)| *of == run);
        let standings = runs.into_iter().rev().map(|(run, epoch)| Standing {
            epoch: Epoch(epoch.into()),
            head: Offset(head(run).map_or(0, |(_, head, _)| head.unsigned_abs())),
        });
        Ok(standings.collect())
    }
}
