//! Looks after what is in the storage: at the start, at what earlier processes have left; from then on, at what has been kept
//! for long enough.
//!
//! Where a bucket stands behind the folder, the folder is looked through first, so that nothing in it waits for the bucket; then
//! both, again and again until the bucket lets itself be read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};

use fanwave_live::MediaSeq;
use fanwave_vault::{
    Place, Vault, VaultError,
    recording::{self, About, Chunk, Segment},
    spool::BucketError,
    thumbnails,
};
use fanwave_wire::RoomId;
use tokio::{sync::watch, time::sleep};

use super::{
    catalogue::{self, Recording},
    library::Library,
};
use crate::{
    channel::Channel,
    config::RecordingConfig,
    limits::{LOOKS_MAX, RETENTION_INTERVAL},
    shared::stopped,
};

#[derive(Debug)]
pub(super) struct Tidy {
    pub(super) library: Library,
    pub(super) recording: RecordingConfig,
    pub(super) channels: Arc<BTreeMap<RoomId, Arc<Channel>>>,
    /// After so long a bucket that could not be read is tried again.
    pub(super) retry: Duration,
}

/// What is known of a folder after a look at it.
enum Seen {
    /// It is a recording, or was shown, or was known before.
    Kept,
    /// Nothing says what it is.
    Left(RoomId, Place),
    /// It is a recording that cannot be read now.
    Unread,
}

impl Tidy {
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = self.look() => {}
        }
        let RecordingConfig {
            keep, bytes_max, ..
        } = self.recording;
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = self.library.retain(keep, bytes_max) => {}
            }
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = sleep(RETENTION_INTERVAL) => {}
            }
        }
    }

    /// Looks at every stream there is, once. Those that have begun since are left alone.
    async fn look(&self) {
        let vault = &self.library.vault;
        let warn = |error: &VaultError| {
            tracing::warn!(%error, "what an earlier process has left cannot be read or removed from the storage");
        };
        if vault.spool().is_none() {
            if let Err(error) = self.look_in(vault).await {
                warn(&error);
            }
            return;
        }
        if let Err(error) = self.look_in(&vault.near()).await {
            warn(&error);
        }
        let mut told = false;
        while let Err(error) = self.look_in(vault).await {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(%error, "which recordings are in the bucket cannot be read: they are answered 503 until it can");
            }
            sleep(self.retry).await;
        }
        self.library.catalogue.complete();
    }

    /// Looks at what is in the folder, or in the folder and the bucket.
    async fn look_in(&self, vault: &Vault) -> Result<(), VaultError> {
        let mut folders = Vec::new();
        for channel in vault.folders(&Place::of([])).await? {
            if let Ok(id) = channel.name().parse::<RoomId>() {
                let of_channel = vault.folders(&channel).await?;
                folders.extend(of_channel.into_iter().map(|folder| (id.clone(), folder)));
            }
        }
        let before = self.library.catalogue.all().len();
        let looks = folders.into_iter().map(|place| self.look_at(vault, place));
        let seen: Vec<Seen> = stream::iter(looks)
            .buffer_unordered(LOOKS_MAX)
            .collect()
            .await;
        let adopted = self.library.catalogue.all().len().saturating_sub(before);
        // Nothing is removed before all clips are known, and what the bucket may know is not removed for not being known nearby.
        let is_all = vault.spool().is_some() || self.library.vault.spool().is_none();
        let mut removed = 0;
        for one in seen {
            let (channel, folder) = match one {
                Seen::Left(channel, folder) if is_all => (channel, folder),
                Seen::Unread if vault.spool().is_some() => return Err(unread()),
                _ => continue,
            };
            let clips = self.library.catalogue.of_stream(&channel, folder.name());
            if !clips.is_empty() {
                self.resume(&folder).await?;
            } else if !self.is_shown(&channel, &folder) {
                // What is in the bucket alone was put there by somebody else.
                vault.near().clear(&folder).await?;
                removed += 1;
            }
        }
        if removed + adopted > 0 {
            tracing::info!(recordings = adopted, removed, "looked through the storage");
        }
        Ok(())
    }

    async fn look_at(&self, vault: &Vault, (channel, folder): (RoomId, Place)) -> Seen {
        let id = catalogue::id(&channel, folder.name());
        if self.is_shown(&channel, &folder) || self.library.catalogue.get(&id).is_some() {
            return Seen::Kept;
        }
        match recording::read_about(vault, &folder).await {
            Ok(about) => self.adopt(&channel, folder, about).await,
            Err(VaultError::NotFound) => Seen::Left(channel, folder),
            Err(VaultError::Bucket(_)) => Seen::Unread,
            Err(error) => {
                // It is somebody's recording: never removed for not being understood.
                tracing::warn!(%folder, %error, "a recording cannot be read, and is left alone");
                Seen::Kept
            }
        }
    }

    fn is_shown(&self, channel: &RoomId, folder: &Place) -> bool {
        let channel = self.channels.get(channel);
        channel.is_some_and(|channel| channel.keeps(folder.name()))
    }

    /// Takes a recording of an earlier process, which nothing will be added to.
    async fn adopt(&self, channel: &RoomId, folder: Place, about: About) -> Seen {
        let vault = &self.library.vault;
        // Of one that was being recorded, all that is said about it is nearby, unless the folder was lost.
        let here = vault.near().size(&recording::about_place(&folder)).await;
        let is_lost = vault.spool().is_some() && here.is_err();
        let source = match about.ended || is_lost {
            true => vault.clone(),
            false => vault.near(),
        };
        if !about.ended {
            let closed = async {
                if is_lost && let Err(error) = close_sheets(vault, &folder).await {
                    // It is played without them, if need be.
                    if matches!(error, VaultError::Bucket(_)) {
                        return Err(error);
                    }
                    tracing::warn!(%folder, %error, "the pictures of a recording cannot be read");
                }
                let chunks = close(&source, vault, (&folder, &about, is_lost)).await?;
                let ended = About {
                    ended: true,
                    chunks: Some(chunks),
                    ..about.clone()
                };
                recording::write_about(vault, &folder, &ended).await
            };
            match closed.await {
                Ok(()) => {}
                Err(VaultError::Bucket(_)) => return Seen::Unread,
                Err(error) => {
                    tracing::warn!(%folder, %error, "it cannot be written down that a recording is over");
                }
            }
        }
        let recording = Arc::new(Recording::of(folder.clone(), &about, channel));
        match recording.contents(&source, self.library.clock.now()).await {
            Ok(contents) => {
                recording.adopt(&contents);
                recording.unload().await;
                self.library.catalogue.add(&recording);
            }
            Err(VaultError::Bucket(_)) => return Seen::Unread,
            Err(error) => {
                tracing::warn!(recording = recording.id(), %error, "a recording cannot be read, and is left alone");
            }
        }
        if let Err(error) = self.resume(&folder).await {
            tracing::warn!(recording = recording.id(), %error, "what is not in the bucket yet of a recording cannot be read");
        }
        Seen::Kept
    }

    /// What an earlier process has not uploaded of a folder is uploaded, and then goes from the folder: nobody shows it.
    async fn resume(&self, folder: &Place) -> Result<(), VaultError> {
        let vault = &self.library.vault;
        if let Some(spool) = vault.spool() {
            spool.resume(vault, folder).await?;
            spool.release_folder(vault, folder).await?;
        }
        Ok(())
    }
}

fn unread() -> VaultError {
    VaultError::Bucket(BucketError::Unreachable(
        "some of it was not read".to_owned(),
    ))
}

/// Where the folder is lost, the bucket may know of sheets that did not get there.
async fn close_sheets(vault: &Vault, folder: &Place) -> Result<(), VaultError> {
    let mut sheets = match thumbnails::read(vault, folder).await {
        Err(VaultError::NotFound) => return Ok(()),
        read => read?,
    };
    let files = vault.files(&folder.join(thumbnails::FOLDER)).await?;
    let there: BTreeSet<Place> = files.into_iter().map(|(place, _)| place).collect();
    let known = sheets.sheets.len();
    sheets
        .sheets
        .retain(|sheet| there.contains(&thumbnails::sheet_place(folder, sheet.number)));
    if sheets.sheets.len() < known {
        thumbnails::write(vault, folder, &sheets).await?;
    }
    Ok(())
}

/// Counts the chunks of a recording that was being recorded. Where the folder is lost, the bucket may have an index that names
/// segments which did not get there: they are gaps.
async fn close(
    source: &Vault,
    vault: &Vault,
    (folder, about, is_lost): (&Place, &About, bool),
) -> Result<u32, VaultError> {
    let mut there: BTreeSet<Place> = BTreeSet::new();
    if is_lost {
        for rendition in &about.renditions {
            let files = source.files(&folder.join(&rendition.name)).await?;
            there.extend(files.into_iter().map(|(place, _)| place));
        }
    }
    let mut number = 0;
    while let Some(chunk) = recording::read_chunk(source, folder, number).await? {
        let mut mended: Chunk = chunk.clone();
        let is_missing = |one: &Segment| {
            let rendition = about.renditions.get(usize::from(one.rendition));
            let name = rendition.and_then(|known| known.name.parse().ok());
            let place = name.map(|name| super::segment(folder, &name, MediaSeq(one.number)));
            is_lost && place.is_none_or(|place| !there.contains(&place))
        };
        for one in mended.segments.iter_mut().filter(|one| is_missing(one)) {
            one.bytes = 0;
        }
        if mended != chunk {
            recording::write_chunk(vault, folder, number, &mended).await?;
        }
        number += 1;
    }
    Ok(number)
}
