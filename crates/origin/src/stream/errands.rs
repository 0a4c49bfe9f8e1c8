//! What a stream wants of its storage: the next file to write, the next to remove.
//!
//! Whoever keeps the stream asks for one errand after the other, does it, and says how it went. Nothing is queued for it:
//! what there is to do follows from what the stream holds, so that a storage that stands still costs what the stream
//! holds anyway, and never makes a publisher wait. A segment that is not stored in time leaves the playlists, and with it
//! everything before it, because a playlist loses segments at its beginning alone (section 6.2.2 of the draft).

use bytes::Bytes;
use fanwave_live::{Input, MediaSeq, Moment, RenditionId, WallTime};

use super::{Keeping, State, Stream, shelf::Held};

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A whole segment is to be written.
    Store {
        rendition: RenditionId,
        msn: MediaSeq,
        pieces: Vec<Bytes>,
    },
    /// A segment's file is not needed any more.
    Remove {
        rendition: RenditionId,
        msn: MediaSeq,
    },
}

impl Stream {
    /// Returns when there may be something to do.
    pub(crate) async fn until_errands(&self) {
        self.errands.notified().await;
    }

    /// The next thing to do: the same again until it is said how it went.
    pub(crate) fn next_errand(&self) -> Option<Errand> {
        let mut state = self.lock();
        if let Some((rendition, msn)) = state.removals.front().copied() {
            return Some(Errand::Remove { rendition, msn });
        }
        state.next_to_store()
    }

    /// A segment's file has been removed, or cannot be.
    pub(crate) fn removed(&self) {
        self.lock().removals.pop_front();
    }

    /// A segment is in the storage.
    pub(crate) fn stored(&self, rendition: RenditionId, msn: MediaSeq) {
        let mut state = self.lock();
        let Some(shelf) = state.shelves.get_mut(rendition.index()) else {
            return;
        };
        shelf.next_to_store = shelf.next_to_store.max(msn.next());
        match shelf.segments.get_mut(&msn) {
            Some(Held::Here { stored, .. }) => *stored = true,
            Some(Held::Stored(_)) => {}
            // Forgotten while it was written.
            None => state.removals.push_back((rendition, msn)),
        }
        state.drop_stored();
    }

    /// The storage is full: one segment of each rendition is given up at the beginning, if the window stays longer than what
    /// is kept in memory anyway.
    pub(crate) fn make_room(&self, now: Moment) {
        let first = {
            let state = self.lock();
            let Keeping::Window { unstored } = state.keeping else {
                return;
            };
            let end = state.live.end().unwrap_or_default();
            state.begin().filter(|(at, _)| end.since(*at) > unstored)
        };
        if let Some((_, oldest)) = first {
            self.tell(
                now,
                Input::Shorten {
                    first: oldest.next(),
                },
            );
        }
    }

    /// Nothing of the stream is wanted any more, whether or not somebody could still ask for it.
    pub(crate) fn discard(&self) {
        self.lock().finished = true;
        self.errands.notify_one();
    }
}

impl State {
    pub(super) fn has_errands(&mut self) -> bool {
        self.finished || !self.removals.is_empty() || self.next_to_store().is_some()
    }

    /// The oldest whole segment that is not in the storage.
    fn next_to_store(&mut self) -> Option<Errand> {
        if self.keeping == Keeping::Memory {
            return None;
        }
        let renditions: Vec<_> = self.live.config().renditions().map(|(id, _)| id).collect();
        let mut next: Option<(MediaSeq, RenditionId)> = None;
        for rendition in renditions {
            let shelf = self.shelves.get_mut(rendition.index())?;
            let grows = self.live.next(rendition)?.msn;
            // Of what is gap there is nothing to store, and what is forgotten was not stored in time.
            while shelf.next_to_store < grows && !shelf.segments.contains_key(&shelf.next_to_store)
            {
                shelf.next_to_store = shelf.next_to_store.next();
            }
            if shelf.next_to_store < grows {
                let candidate = (shelf.next_to_store, rendition);
                next = Some(next.map_or(candidate, |other| other.min(candidate)));
            }
        }
        let (msn, rendition) = next?;
        match self.shelves.get(rendition.index())?.segments.get(&msn)? {
            Held::Here { pieces, .. } => Some(Errand::Store {
                rendition,
                msn,
                pieces: pieces.clone(),
            }),
            Held::Stored(_) => None,
        }
    }

    /// Lets go of the bytes of segments that are in the storage, once none of their parts is listed.
    pub(super) fn drop_stored(&mut self) {
        if self.keeping == Keeping::Memory {
            return;
        }
        for (rendition, _) in self.live.config().renditions() {
            let from = self.live.parts_from(rendition);
            let shelf = self.shelves.get_mut(rendition.index());
            if let (Some(from), Some(shelf)) = (from, shelf) {
                self.bytes = self.bytes.saturating_sub(shelf.drop_stored(from));
            }
        }
    }

    /// Has the playlists shortened where a segment could not be stored for too long.
    pub(super) fn give_up(&mut self, now: Moment) {
        let Keeping::Window { unstored } = self.keeping else {
            return;
        };
        let ids = self.live.config().renditions().map(|(id, _)| id);
        let overdue = ids.filter_map(|rendition| {
            let shelf = self.shelves.get(rendition.index())?;
            let (msn, held) = shelf.segments.range(shelf.next_to_store..).next()?;
            let since = self.live.listed_since(rendition, *msn)?;
            let is_due = !held.is_stored() && since.after(unstored) < now;
            is_due.then_some(*msn)
        });
        if let Some(overdue) = overdue.max() {
            let first = overdue.next();
            // What has ended stays as it is.
            if let Err(error) = self.live.handle(now, Input::Shorten { first }) {
                tracing::debug!(%error, "playlists were not shortened");
            }
        }
    }

    /// Where the longest rendition begins.
    fn begin(&self) -> Option<(WallTime, MediaSeq)> {
        let ids = self.live.config().renditions().map(|(id, _)| id);
        let first = |rendition| {
            let snapshot = self.live.snapshot(rendition)?;
            let first = snapshot.segments.first()?;
            Some((first.starts_at, first.msn))
        };
        ids.filter_map(first).min()
    }
}
