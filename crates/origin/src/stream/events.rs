//! Announced events on their way into the media: in front of the part that `live` chose, as the box that `media` writes.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use fanwave_live::{
    DateRange, RenditionId,
    in_band::{Chosen, Due},
};
use fanwave_media::event::{self, Event};

use super::State;

/// What the text of an event is, for whoever finds it among the media.
const DESCRIPTION: &str = "fanwave.event";

impl State {
    /// Takes an event that the playlists have taken.
    pub(super) fn carry(&mut self, range: &Arc<DateRange>) {
        let end = self.live.end().unwrap_or_else(|| self.live.anchor());
        match self.events.announce(Arc::clone(range), end) {
            Chosen::Waits | Chosen::Never => {}
            chosen @ (Chosen::OutOfReach | Chosen::TooMany) => {
                tracing::info!(id = %range.id(), ?chosen, "an event is in the playlists alone");
            }
        }
    }

    /// A part with the events that go with it in front. `decode_time` is of its first sample.
    pub(super) fn with_events(
        &mut self,
        (rendition, decode_time): (RenditionId, u64),
        (start, duration): (Duration, Duration),
        part: Bytes,
    ) -> Bytes {
        let anchor = self.live.anchor();
        let due = self.events.due(rendition, anchor, start, duration);
        let spec = self.live.config().spec(rendition);
        let (false, Some(spec)) = (due.is_empty(), spec) else {
            return part;
        };
        let mut all = BytesMut::with_capacity(part.len());
        for due in &due {
            match event::emsg(&described(due, decode_time, spec.timescale)) {
                Ok(emsg) => all.extend_from_slice(&emsg),
                // A part is not lost for it.
                Err(error) => {
                    tracing::warn!(id = %due.range.id(), %error, "an event is in the playlists alone");
                }
            }
        }
        all.extend_from_slice(&part);
        all.freeze()
    }
}

/// An event as it stands in front of a part that begins with this decode time.
///
/// A date is one of the decode timeline, from which the playlists count: sound is heard at its decode time, and players
/// find a segment's pictures by it.
fn described(due: &Due, decode_time: u64, timescale: u32) -> Event<'_> {
    let lasts = due.range.duration();
    Event {
        id: due.id,
        timescale,
        presentation_time: event::time_from(decode_time, timescale, due.offset),
        duration: lasts.map_or(event::DURATION_UNKNOWN, |lasts| {
            event::duration_of(timescale, lasts.as_nanos())
        }),
        description: DESCRIPTION,
        text: due.range.json(),
    }
}
