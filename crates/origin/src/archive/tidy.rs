//! Looks after what is in the storage: at the start, at what earlier processes have left; from then on, at what has been kept
//! for long enough.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_vault::{
    Place, VaultError,
    recording::{self, About},
};
use fanwave_wire::RoomId;
use tokio::{sync::watch, time::sleep};

use super::{catalogue::Recording, library::Library};
use crate::{
    channel::Channel, config::RecordingConfig, limits::RETENTION_INTERVAL, shared::stopped,
};

#[derive(Debug)]
pub(super) struct Tidy {
    pub(super) library: Library,
    pub(super) recording: RecordingConfig,
    pub(super) channels: Arc<BTreeMap<RoomId, Arc<Channel>>>,
}

impl Tidy {
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = stopped(&mut stop) => return,
            looked = self.look() => if let Err(error) = looked {
                tracing::warn!(%error, "what an earlier process has left cannot be read or removed from the storage");
            },
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
    async fn look(&self) -> Result<(), VaultError> {
        let vault = &self.library.vault;
        let (mut removed, mut adopted) = (0, 0);
        // Streams whose recording is deleted may still have files that clips need: clips first.
        let mut left = Vec::new();
        for channel in vault.folders(&Place::of([])).await? {
            let Ok(id) = channel.name().parse::<RoomId>() else {
                continue;
            };
            for folder in vault.folders(&channel).await? {
                if self.is_shown(&id, &folder) {
                    continue;
                }
                match recording::read_about(vault, &folder).await {
                    Ok(about) => {
                        self.adopt(&id, folder, about).await;
                        adopted += 1;
                    }
                    Err(VaultError::NotFound) => left.push((id.clone(), folder)),
                    Err(error) => {
                        // It is somebody's recording: never removed for not being understood.
                        tracing::warn!(%folder, %error, "a recording cannot be read, and is left alone");
                    }
                }
            }
        }
        for (channel, folder) in left {
            let clips = self.library.catalogue.of_stream(&channel, folder.name());
            if clips.is_empty() && !self.is_shown(&channel, &folder) {
                vault.clear(&folder).await?;
                removed += 1;
            }
        }
        if removed + adopted > 0 {
            tracing::info!(recordings = adopted, removed, "looked through the storage");
        }
        Ok(())
    }

    fn is_shown(&self, channel: &RoomId, folder: &Place) -> bool {
        let channel = self.channels.get(channel);
        channel.is_some_and(|channel| channel.keeps(folder.name()))
    }

    /// Takes a recording of an earlier process, which nothing will be added to.
    async fn adopt(&self, channel: &RoomId, folder: Place, about: About) {
        let vault = &self.library.vault;
        let ended = About {
            ended: true,
            ..about.clone()
        };
        if !about.ended
            && let Err(error) = recording::write_about(vault, &folder, &ended).await
        {
            tracing::warn!(%folder, %error, "it cannot be written down that a recording is over");
        }
        let recording = Arc::new(Recording::of(folder, &about, channel));
        match recording.contents(vault, self.library.clock.now()).await {
            Ok(contents) => {
                recording.adopt(&contents);
                recording.unload().await;
                self.library.catalogue.add(&recording);
            }
            Err(error) => {
                tracing::warn!(recording = recording.id(), %error, "a recording cannot be read, and is left alone");
            }
        }
    }
}
