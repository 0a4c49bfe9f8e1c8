//! History, and what is remembered across a restart.

use std::sync::Arc;

use fanwave_wire::{
    Channel, Offset,
    limits::{HISTORY_PAGE_MAX, RECENT_MAX},
};

use super::{Harness, assert_gapless, channel, draft, everything, offsets, send_all, started};
use crate::{Engine, HistoryQuery};

/// The offsets on a page of history.
async fn page(
    engine: &Arc<dyn Engine>,
    lane: &Channel,
    since: Option<u64>,
    limit: usize,
    reverse: bool,
) -> Vec<u64> {
    let query = HistoryQuery {
        since: since.map(Offset),
        limit,
        reverse,
    };
    offsets(
        &engine
            .history(lane, query)
            .await
            .expect("history can be read")
            .publications,
    )
}

/// History is read from either end and from anywhere, whether memory reaches that far or not.
pub async fn history_is_read_from_anywhere(harness: &mut impl Harness) {
    let newest = RECENT_MAX as u64 + 200;
    let (engine, _) = started(harness).await;
    let lane = channel("chat:demo");
    assert!(
        page(&engine, &lane, None, 10, false).await.is_empty(),
        "a new channel has no history"
    );
    send_all(&engine, &lane, 1..=newest).await;
    let (end, start) = (vec![newest, newest - 1], vec![1, 2]);
    assert_eq!(page(&engine, &lane, None, 2, false).await, start);
    assert_eq!(page(&engine, &lane, Some(0), 2, false).await, start);
    assert_eq!(page(&engine, &lane, None, 2, true).await, end);
    for middle in [50, newest - 50] {
        assert_eq!(
            page(&engine, &lane, Some(middle), 2, false).await,
            [middle + 1, middle + 2]
        );
        assert_eq!(
            page(&engine, &lane, Some(middle), 2, true).await,
            [middle - 1, middle - 2]
        );
    }
    // Across the edge of what is kept in memory.
    let edge = newest - RECENT_MAX as u64 + 3;
    assert_eq!(
        page(&engine, &lane, Some(edge), 4, true).await,
        [edge - 1, edge - 2, edge - 3, edge - 4]
    );
    // Beyond both ends there is nothing.
    assert!(
        page(&engine, &lane, Some(newest), 2, false)
            .await
            .is_empty()
    );
    assert!(
        page(&engine, &lane, Some(newest + 9), 2, false)
            .await
            .is_empty()
    );
    assert_eq!(page(&engine, &lane, Some(newest + 9), 2, true).await, end);
    assert!(page(&engine, &lane, Some(1), 2, true).await.is_empty());
    assert!(page(&engine, &lane, Some(0), 2, true).await.is_empty());
    assert_eq!(
        page(&engine, &lane, None, usize::MAX, true).await.len(),
        HISTORY_PAGE_MAX,
        "a page is bounded"
    );
    harness.end(engine).await;
}

/// A query for nothing answers with where the channel stands.
pub async fn history_says_where_the_channel_stands(harness: &mut impl Harness) {
    let (engine, _) = started(harness).await;
    let lane = channel("chat:demo");
    send_all(&engine, &lane, 1..=3).await;
    let snapshot = engine.subscribe(&lane).await.expect("subscribed");
    let query = HistoryQuery {
        since: None,
        limit: 0,
        reverse: false,
    };
    let history = engine
        .history(&lane, query)
        .await
        .expect("history can be read");
    assert_eq!((history.head, history.epoch), (Offset(3), snapshot.epoch));
    assert!(history.publications.is_empty());
    harness.end(engine).await;
}

/// An engine that is started anew goes on where the log stands: the same epoch, the next offset, the newest messages.
pub async fn a_restart_goes_on_where_the_log_stands(harness: &mut impl Harness) {
    let newest = RECENT_MAX as u64 + 20;
    let (engine, _) = started(harness).await;
    let lane = channel("room:demo");
    send_all(&engine, &lane, 1..=newest).await;
    let before = engine.subscribe(&lane).await.expect("subscribed");
    harness.end(engine).await;

    let (engine, recorder) = started(harness).await;
    let after = engine.subscribe(&lane).await.expect("subscribed");
    assert_eq!(after, before);
    assert_eq!(
        offsets(&after.recent),
        (21..=newest).collect::<Vec<u64>>(),
        "the newest, and no more than are kept"
    );
    send_all(&engine, &lane, [newest + 1]).await;
    let delivered = recorder
        .until(&lane, &draft("fan", &(newest + 1).to_string()))
        .await;
    assert_eq!(offsets(&delivered), [newest + 1]);
    assert_gapless(&everything(&engine, &lane).await);
    harness.end(engine).await;
}
