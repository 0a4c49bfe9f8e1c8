//! What a query asks, of the window and of the log.

use std::sync::Arc;

use fanwave_room::recent::{Recent, Recovery};
use fanwave_store::{Kind, Order, Page};
use fanwave_wire::{Offset, Publication};

use crate::HistoryQuery;

/// The answer to a query, when the window holds all of it.
pub(crate) fn remembered(recent: &Recent, query: HistoryQuery) -> Option<Vec<Arc<Publication>>> {
    let HistoryQuery {
        since,
        limit,
        reverse,
    } = query;
    if limit == 0 {
        return Some(Vec::new());
    }
    if reverse {
        let end = since.unwrap_or(Offset(u64::MAX));
        let newest_first = recent.all().rev();
        let before = newest_first.filter(|publication| publication.offset < end);
        let page: Vec<_> = before.take(limit).cloned().collect();
        return (page.len() == limit || recent.is_whole()).then_some(page);
    }
    let since = since.unwrap_or_default();
    if since > recent.head() {
        return Some(Vec::new());
    }
    match recent.after(since) {
        Recovery::Recovered(missed) => Some(missed.take(limit).cloned().collect()),
        Recovery::Unrecoverable => None,
    }
}

/// What a query asks of a log that stands at `head`, which is the newest that was delivered.
pub(crate) fn page(query: HistoryQuery, head: Offset) -> Page {
    let HistoryQuery {
        since,
        limit,
        reverse,
    } = query;
    let (after, through, order) = if reverse {
        let before = since.map_or(head, |since| Offset(since.0.saturating_sub(1)).min(head));
        (Offset(0), before, Order::NewestFirst)
    } else {
        (since.unwrap_or_default(), head, Order::OldestFirst)
    };
    Page {
        after,
        through,
        limit,
        order,
        kind: Kind::Everything,
    }
}
