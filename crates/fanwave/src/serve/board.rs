//! Has the API know what is on, what comes next, and which emotes there are, whichever server it was decided at.

use std::sync::Arc;

use fanwave_api::{emotes::Emotes, limits::BOARD_EVERY, schedule::Board};
use fanwave_store::catalogue::{Catalogue, CatalogueError};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock;

/// Reads what there is to show, over and over. Says in the log when that cannot be done, and when it can again.
pub(super) async fn follow((board, emotes): (Arc<Board>, Arc<Emotes>), catalogue: Catalogue) {
    let mut turns = interval(BOARD_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        turns.tick().await;
        match refresh(&board, &emotes, &catalogue).await {
            Ok(()) => {
                if std::mem::take(&mut is_failing) {
                    tracing::info!("what is on, and the emotes, can be read again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "what is on, and the emotes, cannot be read: what was read last is shown");
                }
            }
        }
    }
}

async fn refresh(
    board: &Board,
    emotes: &Emotes,
    catalogue: &Catalogue,
) -> Result<(), CatalogueError> {
    let now = i64::try_from(clock::now().0).unwrap_or(i64::MAX);
    board.refresh(catalogue, now).await?;
    emotes.refresh(catalogue).await
}
