//! What a stream wants of its storage: the next file to write, the next to remove.
//!
//! Whoever keeps the stream asks for one errand after the other, does it, and says how it went. Nothing is queued for it:
//! what there is to do follows from what the stream holds, so that a storage that stands still costs what the stream
//! holds anyway, and never makes a publisher wait. A segment that is not stored in time leaves the playlists, and with it
//! everything before it, because a playlist loses segments at its beginning alone (section 6.2.2 of the draft).

use std::sync::Arc;

use bytes::Bytes;
use fanwave_live::{
    DateRange, InitId, Input, MediaSeq, Moment, RenditionId, WallTime,
    render::multivariant_playlist,
};

use super::{
    Keeping, State, Stream,
    shelf::{self, Held, Whole},
};

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A whole segment is to be written.
    Store {
        rendition: RenditionId,
        whole: Whole,
        pieces: Vec<Bytes>,
    },
    /// A whole segment has no media, or none any more, and is to be written down as that.
    Note {
        rendition: RenditionId,
        whole: Whole,
    },
    /// A segment's file is not needed nearby any more.
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

    /// A segment is in the storage, or written down.
    pub(crate) fn stored(&self, rendition: RenditionId, msn: MediaSeq, has_file: bool) {
        let mut state = self.lock();
        let forgets = state.keeping.forgets_files();
        let Some(shelf) = state.shelves.get_mut(rendition.index()) else {
            return;
        };
        shelf
            .unstored
            .pop_front_if(|whole| whole.segment.msn <= msn);
        match shelf.segments.get_mut(&msn) {
            Some(Held::Here { stored, .. }) if has_file => *stored = true,
            Some(_) => {}
            // Forgotten while it was written.
            None if has_file && forgets => {
                state.removals.push_back((rendition, msn));
            }
            None => {}
        }
        state.drop_stored();
    }

    /// The storage is full: one segment of each rendition is given up at the beginning, if the window stays longer than what
    /// is kept in memory anyway.
    pub(crate) fn make_room(&self, now: Moment) {
        let oldest = {
            let state = self.lock();
            let Keeping::Window { unstored } = state.keeping else {
                return;
            };
            let end = state.live.end().unwrap_or_default();
            state.begin().filter(|(at, _)| end.since(*at) > unstored)
        };
        if let Some((_, oldest)) = oldest {
            let first = oldest.next();
            self.tell(now, Input::Shorten { first });
        }
    }

    /// Nothing of the stream is wanted any more, whether or not somebody could still ask for it.
    pub(crate) fn discard(&self) {
        self.lock().finished = true;
        self.errands.notify_one();
    }

    /// The bytes of an init section.
    pub(crate) fn init(&self, rendition: RenditionId, init: InitId) -> Option<Bytes> {
        let state = self.lock();
        let shelf = state.shelves.get(rendition.index())?;
        shelf.inits.get(&init).cloned()
    }

    /// What was announced, but for the first so many.
    pub(crate) fn happenings(&self, known: usize) -> Vec<Arc<DateRange>> {
        let state = self.lock();
        state.happenings.iter().skip(known).cloned().collect()
    }

    /// The multivariant playlist as it is beside those of the renditions.
    pub(crate) fn choices(&self) -> String {
        let state = self.lock();
        let choices = shelf::multivariant(".", &self.config, &state.tracks, &state.shelves);
        multivariant_playlist(&choices)
    }
}

impl State {
    pub(super) fn has_errands(&mut self) -> bool {
        self.ended || self.finished || !self.removals.is_empty() || self.next_to_store().is_some()
    }

    /// Takes note of segments that have become whole.
    pub(super) fn note_whole(&mut self) {
        if self.keeping == Keeping::Memory {
            return;
        }
        for (rendition, _) in self.live.config().renditions() {
            if let Some(shelf) = self.shelves.get_mut(rendition.index()) {
                shelf.note_whole(&self.live, rendition);
            }
        }
    }

    /// The oldest whole segment that is not in the storage.
    fn next_to_store(&mut self) -> Option<Errand> {
        if self.keeping == Keeping::Memory {
            return None;
        }
        let is_recorded = matches!(self.keeping, Keeping::Recorded { .. });
        let mut next: Option<(MediaSeq, RenditionId)> = None;
        for (rendition, _) in self.live.config().renditions() {
            let shelf = self.shelves.get_mut(rendition.index())?;
            let segments = &shelf.segments;
            // Of what is gap there is nothing to store, and what is forgotten was not stored in time.
            let is_nothing =
                |whole: &mut Whole| !is_recorded && !segments.contains_key(&whole.segment.msn);
            while shelf.unstored.pop_front_if(is_nothing).is_some() {}
            if let Some(whole) = shelf.unstored.front() {
                let candidate = (whole.segment.msn, rendition);
                next = Some(next.map_or(candidate, |other| other.min(candidate)));
            }
        }
        let (msn, rendition) = next?;
        let shelf = self.shelves.get(rendition.index())?;
        let whole = shelf.unstored.front()?.clone();
        Some(match shelf.segments.get(&msn) {
            Some(Held::Here { pieces, .. }) => Errand::Store {
                rendition,
                whole,
                pieces: pieces.clone(),
            },
            Some(Held::Stored(_)) | None => Errand::Note { rendition, whole },
        })
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
        let Some(unstored) = self.keeping.unstored() else {
            return;
        };
        let ids = self.live.config().renditions().map(|(id, _)| id);
        let overdue = ids.filter_map(|rendition| {
            let shelf = self.shelves.get(rendition.index())?;
            let waiting = shelf.unstored.iter().map(|whole| whole.segment.msn);
            // What has nothing to store waits for nothing.
            let mut waiting = waiting.filter(|msn| shelf.segments.contains_key(msn));
            let msn = waiting.next()?;
            let since = self.live.listed_since(rendition, msn)?;
            (since.after(unstored) < now).then_some(msn)
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
    pub(super) fn begin(&self) -> Option<(WallTime, MediaSeq)> {
        let ids = self.live.config().renditions().map(|(id, _)| id);
        let first = |rendition| {
            let snapshot = self.live.snapshot(rendition)?;
            let first = snapshot.segments.first()?;
            Some((first.starts_at, first.msn))
        };
        ids.filter_map(first).min()
    }
}
