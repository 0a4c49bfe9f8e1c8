//! Uploads what is recorded to the bucket, behind the show.
//!
//! A few files at a time. While uploads fail, one at a time is tried, at growing intervals: told once when that begins and once when it
//! is over. Nothing waits for it but the folder, which keeps what the bucket does not have yet, up to the bound of the spool.

use std::{sync::Arc, time::Duration};

use fanwave_vault::{
    Vault, VaultError,
    limits::UPLOADS_MAX,
    spool::{Spool, Task},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    limits::{UPLOAD_FAREWELL, UPLOAD_RETRY_MAX},
    metrics::{
        Counted,
        storage::{StorageMetrics, UploadMetrics},
    },
    shared::stopped,
};

pub(super) struct Uploader {
    vault: Vault,
    spool: Arc<Spool>,
    /// The shortest wait after a failure.
    retry: Duration,
    metrics: UploadMetrics,
    uploads: JoinSet<(Task, Result<(), VaultError>)>,
    /// Held while uploads fail, with when the next is tried and how long is waited after that.
    failing: Option<(Counted, Instant, Duration)>,
}

impl Uploader {
    /// `None` where there is no bucket.
    pub(super) fn new(vault: &Vault, retry: Duration, metrics: &StorageMetrics) -> Option<Self> {
        Some(Self {
            spool: Arc::clone(vault.spool()?),
            vault: vault.clone(),
            retry,
            metrics: metrics.uploads.clone(),
            uploads: JoinSet::new(),
            failing: None,
        })
    }

    /// Uploads until nothing is written any more and everything is in the bucket, or that takes too long.
    pub(super) async fn run(mut self, mut written: watch::Receiver<bool>) {
        loop {
            self.begin();
            tokio::select! {
                () = stopped(&mut written) => break,
                () = self.turn() => {}
            }
        }
        let ends_at = Instant::now() + UPLOAD_FAREWELL;
        while self.spool.waiting().files > 0 {
            // Nothing will be written anew: nobody waits for it to settle.
            self.spool.hurry();
            self.begin();
            tokio::select! {
                () = sleep_until(ends_at) => break,
                () = self.turn() => {}
            }
        }
        let waiting = self.spool.waiting();
        if waiting.files > 0 {
            tracing::warn!(
                files = waiting.files,
                bytes = waiting.bytes,
                "not everything that was recorded is in the bucket: it is in the data folder, and goes there after the next start"
            );
        }
    }

    /// Begins as many uploads as may be under way.
    fn begin(&mut self) {
        let most = self.most();
        while self.uploads.len() < most
            && let Some(task) = self.spool.next()
        {
            let (spool, vault) = (Arc::clone(&self.spool), self.vault.clone());
            self.uploads.spawn(async move {
                let done = spool.upload(&vault, &task).await;
                (task, done)
            });
        }
    }

    /// How many uploads may be under way now.
    fn most(&self) -> usize {
        match &self.failing {
            None => UPLOADS_MAX,
            Some((_, at, _)) if *at <= Instant::now() => 1,
            Some(_) => 0,
        }
    }

    /// Returns when something has changed.
    async fn turn(&mut self) {
        let again = self.failing.as_ref().map(|(_, at, _)| *at);
        let most = self.most();
        let is_free = self.uploads.len() < most;
        tokio::select! {
            Some(landed) = self.uploads.join_next() => {
                // One that panicked is found by the next process.
                if let Ok((task, done)) = landed {
                    self.landed(&task, done).await;
                }
            }
            () = self.spool.until_due(), if is_free => {}
            () = sleep_until(again.unwrap_or_else(Instant::now)), if most == 0 => {}
        }
    }

    async fn landed(&mut self, task: &Task, done: Result<(), VaultError>) {
        self.spool.landed(&self.vault, task, done.is_ok()).await;
        match done {
            Ok(()) => {
                self.metrics.files.inc();
                self.metrics.bytes.inc_by(task.bytes());
                if self.failing.take().is_some() {
                    tracing::info!("recordings are uploaded to the bucket again");
                }
            }
            Err(why) => self.failed(&why),
        }
    }

    fn failed(&mut self, why: &VaultError) {
        self.metrics.failures.inc();
        let now = Instant::now();
        match &mut self.failing {
            // Of those that were under way when it began to fail.
            Some((_, at, _)) if *at > now => {}
            Some((_, at, wait)) => {
                *wait = (*wait * 2).min(UPLOAD_RETRY_MAX);
                *at = now + *wait;
            }
            None => {
                tracing::error!(
                    %why,
                    "recordings cannot be uploaded to the bucket: shows go on, and what is recorded waits in the data folder \
                     until it can be (see to the bucket; no restart is needed)"
                );
                let counted = Counted::new(&self.metrics.failing);
                self.failing = Some((counted, now + self.retry, self.retry));
            }
        }
    }
}
