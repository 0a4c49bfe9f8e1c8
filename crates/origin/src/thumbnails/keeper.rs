//! Keeps the pictures of one stream: takes one when it is due, puts them on sheets, and has old ones removed.

use std::sync::Arc;

use bytes::Bytes;
use fanwave_live::{RenditionId, WallTime};
use fanwave_vault::{
    VaultError,
    thumbnails::{self, FORMAT, Sheets},
};
use thiserror::Error;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    ThumbnailMetrics,
    child::{Child, Failed},
    strip::Strip,
};
use crate::{
    archive::SheetShelf,
    ladder::command::size,
    limits::{STORAGE_DEADLINE, THUMBNAIL_GRACE, THUMBNAIL_PAUSE},
    shared::stopped,
    stream::Stream,
};

#[derive(Debug)]
pub(super) struct Keeper {
    stream: Arc<Stream>,
    /// The rendition whose pictures they are.
    leader: RenditionId,
    strip: Arc<Strip>,
    child: Child,
    lines: u32,
    metrics: ThumbnailMetrics,
    /// Where sheets are kept; nowhere where a stream is in memory alone.
    shelf: Option<SheetShelf>,
    /// From when on a picture is due.
    due: WallTime,
    /// Not before this, because the last attempt failed.
    not_before: Instant,
}

/// Why a sheet is not there.
#[derive(Debug, Error)]
enum NoSheet {
    #[error(transparent)]
    Child(#[from] Failed),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the storage did not answer within {STORAGE_DEADLINE:?}")]
    Late,
}

impl Keeper {
    pub(super) fn new(
        (stream, leader): (Arc<Stream>, RenditionId),
        strip: Arc<Strip>,
        (child, lines, metrics): (Child, u32, ThumbnailMetrics),
        shelf: Option<SheetShelf>,
    ) -> Self {
        Self {
            due: stream.since(),
            stream,
            leader,
            strip,
            child,
            lines,
            metrics,
            shelf,
            not_before: Instant::now(),
        }
    }

    /// Keeps them until the stream is over, or the origin stops.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let Some(mut changed) = self.stream.watch(self.leader) else {
            return;
        };
        while !self.stream.is_ended() && !self.stream.is_finished() {
            changed.mark_unchanged();
            if Instant::now() >= self.not_before {
                tokio::select! {
                    () = stopped(&mut stop) => break,
                    () = self.step() => {}
                }
            }
            let pause = self.not_before;
            tokio::select! {
                () = stopped(&mut stop) => break,
                changed = changed.changed() => if changed.is_err() { break },
                () = sleep_until(pause), if pause > Instant::now() => {}
            }
        }
        if !self.stream.is_finished() {
            self.sheets(true).await;
        }
    }

    async fn step(&mut self) {
        if let Some((at, media)) = self.stream.picture_from(self.leader, self.due) {
            // Also if it comes to nothing: the next one may be better.
            self.due = at.after(self.strip.interval());
            self.take(at, media).await;
            self.sheets(false).await;
        }
        self.trim().await;
    }

    async fn take(&mut self, at: WallTime, media: [Bytes; 2]) {
        let Some((width, height)) = self.stream.picture_size() else {
            return;
        };
        let size = size(self.lines, width, height);
        match self.child.picture(media, size).await {
            Ok(jpeg) => {
                self.metrics.made.inc();
                self.strip.add(at, size, jpeg);
            }
            Err(why) => self.failed(&why),
        }
    }

    /// Puts pictures on sheets, for as long as there are enough of them.
    async fn sheets(&mut self, is_last: bool) {
        let Some(shelf) = self.shelf.clone() else {
            return;
        };
        while let Some(pictures) = self.strip.next_sheet(is_last) {
            let number = self.strip.sheet_number();
            let stored = async {
                let jpegs: Vec<_> = pictures.iter().map(|one| one.jpeg.clone()).collect();
                let sheet = self.child.sheet(&jpegs).await?;
                let place = thumbnails::sheet_place(&shelf.folder, number);
                bounded(shelf.vault.write(&place, vec![sheet])).await
            };
            if let Err(why) = stored.await {
                self.failed(&why);
                return;
            }
            self.strip.settle(pictures);
            if let Err(why) = self.write_down(&shelf).await {
                self.failed(&why);
            }
            // The last sheet is made when the recording is over, which may be deleted from then on.
            if shelf.is_orphaned()
                && let Err(why) =
                    bounded(thumbnails::remove(&shelf.vault, &shelf.folder, number)).await
            {
                tracing::warn!(folder = %shelf.folder, %why, "the pictures of a deleted recording are not removed");
            }
        }
    }

    async fn write_down(&self, shelf: &SheetShelf) -> Result<(), NoSheet> {
        if !shelf.is_recorded() {
            return Ok(());
        }
        let interval = self.strip.interval().as_millis();
        let sheets = Sheets {
            format: FORMAT,
            interval_ms: u64::try_from(interval).unwrap_or(u64::MAX),
            sheets: self.strip.sheets(),
        };
        bounded(thumbnails::write(&shelf.vault, &shelf.folder, &sheets)).await
    }

    /// What has left the playlists a while ago goes, but for what is recorded.
    async fn trim(&mut self) {
        let is_recorded = self.shelf.as_ref().is_some_and(SheetShelf::is_recorded);
        let begins = self.stream.begins_at().filter(|_| !is_recorded);
        let before = begins.map(|begins| {
            let grace = u64::try_from(THUMBNAIL_GRACE.as_millis()).unwrap_or(u64::MAX);
            WallTime(begins.0.saturating_sub(grace))
        });
        let removed = self.strip.trim(before);
        let Some(shelf) = &self.shelf else {
            return;
        };
        for number in removed {
            let place = thumbnails::sheet_place(&shelf.folder, number);
            // What cannot be removed goes with the folder.
            if let Err(why) = bounded(shelf.vault.remove(&place)).await {
                tracing::debug!(%place, %why, "a sheet of pictures is not removed");
            }
        }
    }

    fn failed(&mut self, why: &dyn std::error::Error) {
        self.metrics.failed.inc();
        self.not_before = Instant::now() + THUMBNAIL_PAUSE;
        tracing::warn!(prefix = self.stream.prefix(), %why, "a picture for whoever seeks is not made");
    }
}

async fn bounded(work: impl Future<Output = Result<(), VaultError>>) -> Result<(), NoSheet> {
    let done = timeout(STORAGE_DEADLINE, work).await;
    Ok(done.map_err(|_| NoSheet::Late)??)
}
