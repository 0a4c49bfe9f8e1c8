//! What a stream answers to viewers: the playlist machine's word, with the bytes that belong to it.

use std::sync::Arc;

use fanwave_live::{
    Answer, Asked, BadRequest, Media, MediaAnswer, Moment, Position, Query, RenditionId,
    render::Form,
};

use tokio::{sync::watch, time::Instant};

use super::{
    State, Stream,
    shelf::{self, Found},
};
use crate::{http::Prepared, playlist::Playlist};

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Reply<T> {
    /// 200 with this.
    Ready(T),
    /// Ask again when the rendition changes. Whoever waits is woken at this moment at the latest.
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
            Answer::Wait { not_past, .. } => return state.hold(rendition, not_past),
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

    /// Wakes who waits for something of a rendition in which somebody has waited for too long; says by when that is to be done the
    /// next time.
    pub(crate) fn wake_late(&self, now: Moment) -> Option<Moment> {
        let mut state = self.lock();
        let mut late = Vec::new();
        let mut next = None;
        for (shelf, changed) in state.shelves.iter_mut().zip(&self.changed) {
            match shelf.held_until() {
                Some(until) if until <= now => {
                    shelf.release();
                    late.push(changed);
                }
                until => next = next.into_iter().chain(until).min(),
            }
        }
        drop(state);
        late.into_iter().for_each(wake);
        next
    }

    /// Wakes everybody who waits for something.
    pub(crate) fn wake_all(&self) {
        self.changed.iter().for_each(wake);
    }

    /// Keeps the answer to whoever wants all of a part, if it is one of the latest; whether it is.
    pub(crate) fn keep_prepared(
        &self,
        rendition: RenditionId,
        position: Position,
        part: Arc<Prepared>,
    ) -> bool {
        let mut state = self.lock();
        let shelf = state.shelves.get_mut(rendition.index());
        shelf.is_some_and(|shelf| shelf.keep_prepared(position, part))
    }

    /// Answers a request for media with the pieces it is made of, or with where they are.
    pub(crate) fn media(&self, asked: Asked, rendition: RenditionId, media: Media) -> Reply<Found> {
        self.serve(asked, rendition, media, |shelf| shelf.find(media))
    }

    /// Answers a request for the whole of a part with what was prepared for an earlier one, if that is kept.
    pub(crate) fn part(
        &self,
        asked: Asked,
        rendition: RenditionId,
        position: Position,
    ) -> Reply<Found> {
        let media = Media::Part(position);
        self.serve(asked, rendition, media, |shelf| {
            let prepared = shelf.prepared(position).cloned();
            prepared.map(Found::Prepared).or_else(|| shelf.find(media))
        })
    }

    fn serve(
        &self,
        asked: Asked,
        rendition: RenditionId,
        media: Media,
        find: impl FnOnce(&shelf::Shelf) -> Option<Found>,
    ) -> Reply<Found> {
        let mut state = self.lock();
        match state.live.media(asked, rendition, media) {
            MediaAnswer::Serve => {
                let found = state.shelves.get(rendition.index()).and_then(find);
                match (found, media) {
                    (Some(found), _) => Reply::Ready(found),
                    // Of a rung whose encoder has not begun yet.
                    (None, Media::Init(_)) => Reply::NotYet,
                    (None, Media::Segment(_) | Media::Part(_)) => Reply::Gone,
                }
            }
            MediaAnswer::Wait { not_past } => state.hold(rendition, not_past),
            MediaAnswer::Unavailable => Reply::Unavailable,
            MediaAnswer::NotYet => Reply::NotYet,
            MediaAnswer::Gone => Reply::Gone,
        }
    }
}

impl State {
    /// Has a request wait.
    fn hold<T>(&mut self, rendition: RenditionId, until: Moment) -> Reply<T> {
        if let Some(shelf) = self.shelves.get_mut(rendition.index()) {
            shelf.hold(until);
        }
        Reply::Wait(until)
    }
}

/// Has them ask again, though nothing has changed.
fn wake(changed: &watch::Sender<Instant>) {
    changed.send_modify(|_| ());
}
