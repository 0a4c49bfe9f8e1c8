//! What small pictures are made of: the beginning of a segment that is in memory.

use std::sync::Arc;

use bytes::Bytes;
use fanwave_live::{Media, Position, RenditionId, WallTime};

use super::{Found, Stream};
use crate::thumbnails::{self, strip::Strip};

impl Stream {
    /// The pictures for whoever seeks.
    pub(crate) fn thumbnails(&self) -> Option<&Arc<Strip>> {
        self.thumbnails.get()
    }

    /// Gives it a place for them; false if it has one.
    pub(crate) fn set_thumbnails(&self, strip: Arc<Strip>) -> bool {
        self.thumbnails.set(strip).is_ok()
    }

    /// The first segment that begins then or later and whose bytes are here: its date, its init section and its first part,
    /// which begins with a picture that needs no other (authoring rule 7.4).
    pub(crate) fn picture_from(
        &self,
        rendition: RenditionId,
        from: WallTime,
    ) -> Option<(WallTime, [Bytes; 2])> {
        let state = self.lock();
        // Asked after each part: looked through only when something may be found.
        if state.live.end()? <= from {
            return None;
        }
        thumbnails::source(&state.tracks)?;
        let snapshot = state.live.snapshot(rendition)?;
        let shelf = state.shelves.get(rendition.index())?;
        let whole = snapshot.segments.iter().map(|segment| &**segment);
        let of = |media| match shelf.find(media)? {
            Found::Pieces(pieces) => pieces.into_iter().next(),
            Found::Prepared(_) | Found::Stored { .. } => None,
        };
        whole
            .chain(&snapshot.open)
            .filter(|segment| segment.starts_at >= from)
            .find_map(|segment| {
                let init = of(Media::Init(segment.init))?;
                let part = of(Media::Part(Position::new(segment.msn.0, 0)))?;
                Some((segment.starts_at, [init, part]))
            })
    }

    /// Width and height of its pictures.
    pub(crate) fn picture_size(&self) -> Option<(u16, u16)> {
        let state = self.lock();
        let source = thumbnails::source(&state.tracks)?;
        Some((source.config.width(), source.config.height()))
    }

    /// Where its longest playlist begins.
    pub(crate) fn begins_at(&self) -> Option<WallTime> {
        self.lock().begin().map(|(at, _)| at)
    }
}
