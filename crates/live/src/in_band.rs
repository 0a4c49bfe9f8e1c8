//! Which part an announced event goes with, so that it is among the media and not in the playlists alone.
//!
//! The part that holds the event's time carries it. An event whose time is packaged already goes with the next part, and says
//! its true time all the same: players that follow the show are seconds behind its end and have that time before them. An
//! event that lies ahead waits. Each rendition that carries events has each of them once; what was missing of a rendition
//! when the time came (a gap) makes it late, not lost.
//!
//! The pictures carry events, in every quality that a player may choose, and where there are none the sound: that is what
//! every player loads, and looks into. Told in both, an event would happen twice.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    config::{Config, Kind, RenditionId},
    date_range::DateRange,
    limits::{
        EVENT_AHEAD_MAX, EVENT_LATE_MAX, EVENTS_PER_PART_MAX, EVENTS_WAITING_MAX, RENDITIONS_MAX,
    },
    time::WallTime,
};

/// The events of one stream that wait for their parts.
#[derive(Debug)]
pub struct InBand {
    /// Which renditions carry events.
    carriers: Carriers,
    /// In the order of their announcement.
    waiting: VecDeque<Waiting>,
    /// Of the next event.
    next_id: u32,
}

/// One bit per rendition.
type Carriers = u8;

#[derive(Debug)]
struct Waiting {
    id: u32,
    range: Arc<DateRange>,
    /// Renditions that have yet to carry it.
    missing: Carriers,
}

/// An event that goes with a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its number within the stream, the same in every rendition.
    pub id: u32,
    /// What happens.
    pub range: Arc<DateRange>,
    /// Nanoseconds from the part's beginning to the event; negative for one that is late.
    pub offset: i64,
}

/// What becomes of an event that was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// It goes with the next part of its time.
    Waits,
    /// Its time is too long ago, or too far ahead.
    OutOfReach,
    /// Too many wait already.
    TooMany,
    /// This stream has none: what its numbers stand for must not depend on what one server was told.
    Never,
}

impl InBand {
    /// For a stream of these renditions. Where numbers come from the clock, nothing is carried: two servers serve the same
    /// bytes under them, and each hears of an event at a moment of its own.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let has_pictures = config
            .renditions()
            .any(|(_, spec)| spec.kind == Kind::Video);
        let carries = |kind| (kind == Kind::Video) == has_pictures;
        let carriers = if config.cell_millis().is_some() {
            0
        } else {
            let ids = config
                .renditions()
                .filter(|(_, spec)| carries(spec.kind))
                .map(|(id, _)| bit(id));
            ids.fold(0, |all, one| all | one)
        };
        Self {
            carriers,
            waiting: VecDeque::new(),
            next_id: 0,
        }
    }

    /// Takes an event that the playlists have taken; `end` is where media ends now.
    pub fn announce(&mut self, range: Arc<DateRange>, end: WallTime) -> Chosen {
        let start = range.start();
        if self.carriers == 0 {
            return Chosen::Never;
        }
        if start > end.after(EVENT_AHEAD_MAX) || start.after(EVENT_LATE_MAX) < end {
            return Chosen::OutOfReach;
        }
        if self.waiting.len() >= EVENTS_WAITING_MAX {
            return Chosen::TooMany;
        }
        self.waiting.push_back(Waiting {
            id: self.next_id,
            range,
            missing: self.carriers,
        });
        self.next_id = self.next_id.wrapping_add(1);
        Chosen::Waits
    }

    /// What goes with a part of media, which is made and will be listed: it begins so long after `anchor`, and lasts so long.
    pub fn due(
        &mut self,
        rendition: RenditionId,
        anchor: WallTime,
        start: Duration,
        duration: Duration,
    ) -> Vec<Due> {
        let bit = bit(rendition);
        let (begin, end) = (nanos(start), nanos(start.saturating_add(duration)));
        let mut due = Vec::new();
        for waiting in &mut self.waiting {
            let at = nanos_between(anchor, waiting.range.start());
            if waiting.missing & bit == 0 || at >= end || due.len() >= EVENTS_PER_PART_MAX {
                continue;
            }
            waiting.missing &= !bit;
            // Out of reach once a rendition was missing for long: nobody has that time before them any more.
            if begin.saturating_sub(at) <= nanos(EVENT_LATE_MAX) {
                due.push(Due {
                    id: waiting.id,
                    range: Arc::clone(&waiting.range),
                    offset: at.saturating_sub(begin),
                });
            }
        }
        self.waiting.retain(|waiting| {
            let at = nanos_between(anchor, waiting.range.start());
            waiting.missing != 0 && begin.saturating_sub(at) <= nanos(EVENT_LATE_MAX)
        });
        due
    }

    /// How many events wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

fn bit(rendition: RenditionId) -> Carriers {
    1_u8.checked_shl(u32::try_from(rendition.index()).unwrap_or(u32::MAX))
        .unwrap_or(0)
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

fn nanos_between(from: WallTime, to: WallTime) -> i64 {
    if to >= from {
        nanos(to.since(from))
    } else {
        -nanos(from.since(to))
    }
}

const _: () = assert!(RENDITIONS_MAX <= Carriers::BITS as usize);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        config::{Numbering, RenditionSpec, Settings},
        date_range::DateRangeSpec,
    };

    const ANCHOR: WallTime = WallTime(1_000_000);

    fn spec(name: &str, kind: Kind) -> RenditionSpec {
        RenditionSpec {
            name: name.parse().unwrap(),
            kind,
            timescale: 90_000,
        }
    }

    fn config(renditions: Vec<RenditionSpec>, numbering: Numbering) -> Config {
        let settings = Settings {
            numbering,
            ..Settings::default()
        };
        Config::new(settings, renditions).unwrap()
    }

    fn both() -> Config {
        config(
            vec![spec("video", Kind::Video), spec("audio", Kind::Audio)],
            Numbering::Counted,
        )
        .with_shadows(vec!["480p".parse().unwrap()])
        .unwrap()
    }

    fn ids(config: &Config) -> [RenditionId; 3] {
        ["video", "audio", "480p"].map(|name| config.rendition(name).unwrap())
    }

    fn event(at_ms: i64) -> Arc<DateRange> {
        let range = DateRange::new(&DateRangeSpec {
            id: format!("at {at_ms}"),
            class: None,
            start: WallTime(ANCHOR.0.saturating_add_signed(at_ms)),
            duration: None,
            attributes: Vec::new(),
        });
        Arc::new(range.unwrap())
    }

    /// What goes with the part of that second.
    fn second(events: &mut InBand, rendition: RenditionId, second: u64) -> Vec<(String, i64)> {
        let due = events.due(
            rendition,
            ANCHOR,
            Duration::from_secs(second),
            Duration::from_secs(1),
        );
        due.into_iter()
            .map(|due| (due.range.id().to_string(), due.offset / 1_000_000))
            .collect()
    }

    #[test]
    fn the_part_that_holds_the_time_carries_the_event_once_in_every_quality() {
        let config = both();
        let [video, audio, rung] = ids(&config);
        let mut events = InBand::new(&config);
        assert_eq!(events.announce(event(2_000), ANCHOR), Chosen::Waits);
        assert_eq!(events.announce(event(1_999), ANCHOR), Chosen::Waits);
        assert_eq!(second(&mut events, video, 0), []);
        assert_eq!(second(&mut events, video, 1), [("at 1999".to_owned(), 999)]);
        assert_eq!(second(&mut events, video, 2), [("at 2000".to_owned(), 0)]);
        assert_eq!(second(&mut events, video, 3), []);
        // The rung is a little behind.
        for part in 0..3 {
            assert_eq!(second(&mut events, audio, part), []);
        }
        assert_eq!(second(&mut events, rung, 1), [("at 1999".to_owned(), 999)]);
        assert_eq!(events.waiting(), 1);
        assert_eq!(second(&mut events, rung, 2), [("at 2000".to_owned(), 0)]);
        assert_eq!(events.waiting(), 0);
    }

    #[test]
    fn an_event_of_a_packaged_time_goes_with_the_next_part_and_says_its_own_time() {
        let config = both();
        let [video, _, rung] = ids(&config);
        let mut events = InBand::new(&config);
        assert_eq!(events.announce(event(-1_500), ANCHOR), Chosen::Waits);
        assert_eq!(
            second(&mut events, video, 5),
            [("at -1500".to_owned(), -6_500)]
        );
        // A rung that was away for long has nothing to say of it.
        assert_eq!(second(&mut events, rung, 59), []);
        assert_eq!(events.waiting(), 0);
    }

    #[test]
    fn where_there_are_no_pictures_the_sound_carries_events() {
        let config = config(vec![spec("audio", Kind::Audio)], Numbering::Counted);
        let audio = config.rendition("audio").unwrap();
        let mut events = InBand::new(&config);
        events.announce(event(500), ANCHOR);
        assert_eq!(second(&mut events, audio, 0), [("at 500".to_owned(), 500)]);
    }

    #[test]
    fn a_stream_that_is_numbered_by_the_clock_carries_none() {
        let config = config(vec![spec("video", Kind::Video)], Numbering::Clock);
        let mut events = InBand::new(&config);
        assert_eq!(events.announce(event(500), ANCHOR), Chosen::Never);
    }

    #[test]
    fn what_is_out_of_reach_or_too_much_does_not_wait() {
        let mut events = InBand::new(&both());
        let day = 24 * 3_600_000;
        assert_eq!(events.announce(event(day + 1), ANCHOR), Chosen::OutOfReach);
        assert_eq!(events.announce(event(-60_001), ANCHOR), Chosen::OutOfReach);
        for _ in 0..EVENTS_WAITING_MAX {
            assert_eq!(events.announce(event(day), ANCHOR), Chosen::Waits);
        }
        assert_eq!(events.announce(event(0), ANCHOR), Chosen::TooMany);
    }

    #[test]
    fn a_crowd_of_events_is_spread_over_parts() {
        let config = both();
        let [video, ..] = ids(&config);
        let mut events = InBand::new(&config);
        for at in 0..20 {
            events.announce(event(at), ANCHOR);
        }
        assert_eq!(second(&mut events, video, 0).len(), EVENTS_PER_PART_MAX);
        let late = second(&mut events, video, 1);
        assert_eq!(late.len(), 20 - EVENTS_PER_PART_MAX);
        assert_eq!(late[0], ("at 16".to_owned(), -984));
    }

    proptest! {
        /// Whatever is announced when, each rendition of pictures has every event once, at its time.
        #[test]
        fn every_event_is_carried_once_at_its_time(
            steps in prop::collection::vec((0_i64..90_000, any::<bool>(), 1_u64..3_000), 1..200),
        ) {
            let config = both();
            let [video, _, rung] = ids(&config);
            let mut events = InBand::new(&config);
            let mut announced = Vec::new();
            let mut carried = [Vec::new(), Vec::new()];
            let mut now = Duration::ZERO;
            let mut part = |events: &mut InBand, now: Duration, duration| {
                for (rendition, carried) in [video, rung].into_iter().zip(&mut carried) {
                    for due in events.due(rendition, ANCHOR, now, duration) {
                        let at = nanos(now) + due.offset;
                        prop_assert_eq!(at, nanos_between(ANCHOR, due.range.start()));
                        prop_assert!(due.offset < nanos(duration));
                        carried.push(due.id);
                    }
                }
                Ok(())
            };
            for (at, is_announced, millis) in steps {
                let end = ANCHOR.after(now);
                // Far enough from being too late, however many have to go first.
                let is_fresh = ANCHOR.0.saturating_add_signed(at + 10_000) > end.0;
                if is_announced && is_fresh && events.announce(event(at), end) == Chosen::Waits {
                    announced.push(u32::try_from(announced.len()).unwrap());
                }
                let duration = Duration::from_millis(millis);
                part(&mut events, now, duration)?;
                now += duration;
            }
            // What lies ahead, and what is spread over parts.
            for _ in 0..60 {
                let duration = Duration::from_secs(3);
                part(&mut events, now, duration)?;
                now += duration;
            }
            prop_assert_eq!(events.waiting(), 0);
            for mut carried in carried {
                carried.sort_unstable();
                prop_assert_eq!(&carried, &announced);
            }
        }
    }
}
