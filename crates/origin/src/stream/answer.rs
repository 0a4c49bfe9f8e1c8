//! What a stream answers to viewers: the playlist machine's word, with the bytes that belong to it.

use std::sync::Arc;

use fanwave_live::{
    Answer, Asked, BadRequest, Media, MediaAnswer, Moment, Query, RenditionId, render::Form,
};

use super::{
    State, Stream,
    shelf::{self, Found},
};
use crate::playlist::Playlist;

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Reply<T> {
    /// 200 with this.
    Ready(T),
    /// Ask again when the rendition changes, or at this moment.
    Wait(Moment),
    /// 400.
    BadRequest(BadRequest),
    /// 503.
    Unavailable,
    /// 404, and may be otherwise in a moment.
    NotYet,
    /// 404 for good.
    Gone,
}

impl Stream {
    /// The multivariant playlist, once a player can be sent here.
    pub(crate) fn master(&self) -> Option<Arc<Playlist>> {
        let mut state = self.lock();
        if !state.live.ready() {
            return None;
        }
        let State {
            master,
            tracks,
            shelves,
            ..
        } = &mut *state;
        let playlist = master.get_or_insert_with(|| {
            Arc::new(Playlist::multivariant(shelf::multivariant(
                &self.prefix,
                &self.config,
                tracks,
                shelves,
            )))
        });
        Some(Arc::clone(playlist))
    }

    /// Answers a request for a media playlist.
    pub(crate) fn playlist(
        &self,
        asked: Asked,
        rendition: RenditionId,
        query: &Query,
    ) -> Reply<Arc<Playlist>> {
        let mut state = self.lock();
        let snapshot = match state.live.request(asked, rendition, query) {
            Answer::Render(snapshot) => snapshot,
            Answer::Wait { not_past, .. } => return Reply::Wait(not_past),
            Answer::BadRequest(why) => return Reply::BadRequest(why),
            Answer::Unavailable => return Reply::Unavailable,
            Answer::Gone => return Reply::Gone,
        };
        let Some(shelf) = state.shelves.get_mut(rendition.index()) else {
            return Reply::Gone;
        };
        let form = Form::of(&snapshot, query.skip);
        let Some(place) = shelf.playlists.get_mut(form.index()) else {
            return Reply::Gone;
        };
        let kept = place
            .take()
            .filter(|kept| kept.is_version(snapshot.version));
        let playlist = kept.unwrap_or_else(|| Arc::new(Playlist::media(snapshot, form)));
        *place = Some(Arc::clone(&playlist));
        Reply::Ready(playlist)
    }

    /// How many renditions of the stream take less bandwidth than this one has until now.
    pub(crate) fn rank(&self, rendition: RenditionId) -> usize {
        let state = self.lock();
        let rate = |shelf: &shelf::Shelf| shelf.rate.average();
        let Some(own) = state.shelves.get(rendition.index()).map(rate) else {
            return 0;
        };
        state
            .shelves
            .iter()
            .filter(|shelf| rate(shelf) < own)
            .count()
    }

    /// Answers a request for media with the pieces it is made of, or with where they are.
    pub(crate) fn media(&self, asked: Asked, rendition: RenditionId, media: Media) -> Reply<Found> {
        let state = self.lock();
        match state.live.media(asked, rendition, media) {
            MediaAnswer::Serve => {
                let found = state
                    .shelves
                    .get(rendition.index())
                    .and_then(|shelf| shelf.find(media));
                match (found, media) {
                    (Some(found), _) => Reply::Ready(found),
                    // Of a rung whose encoder has not begun yet.
                    (None, Media::Init(_)) => Reply::NotYet,
                    (None, Media::Segment(_) | Media::Part(_)) => Reply::Gone,
                }
            }
            MediaAnswer::Wait { not_past } => Reply::Wait(not_past),
            MediaAnswer::Unavailable => Reply::Unavailable,
            MediaAnswer::NotYet => Reply::NotYet,
            MediaAnswer::Gone => Reply::Gone,
        }
    }
}
