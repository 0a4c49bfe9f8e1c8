//! Removes what earlier processes have left: streams whose playlists ended with them.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_vault::{Place, Vault, VaultError};
use fanwave_wire::RoomId;

use crate::channel::Channel;

/// Looks at every stream there is, once. Those that have begun since are left alone.
pub(super) async fn tidy(vault: Vault, channels: Arc<BTreeMap<RoomId, Arc<Channel>>>) {
    match remove_left(&vault, &channels).await {
        Ok(0) => {}
        Ok(streams) => tracing::info!(streams, "removed what an earlier process had left"),
        Err(error) => {
            tracing::warn!(%error, "what an earlier process has left cannot be removed from the storage");
        }
    }
}

async fn remove_left(
    vault: &Vault,
    channels: &BTreeMap<RoomId, Arc<Channel>>,
) -> Result<usize, VaultError> {
    let mut removed = 0;
    for channel in vault.folders(&Place::of([])).await? {
        let shown = channel
            .name()
            .parse::<RoomId>()
            .ok()
            .and_then(|id| channels.get(&id));
        for stream in vault.folders(&channel).await? {
            if shown.is_some_and(|channel| channel.stream(stream.name()).is_some()) {
                continue;
            }
            vault.clear(&stream).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
