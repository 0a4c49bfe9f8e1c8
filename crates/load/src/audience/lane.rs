//! One viewer's way through one rendition, as hls.js goes it: a playlist that is held until there is a part, the part, and
//! the playlist of the next one.

use std::collections::BTreeMap;

use super::{playlist::Wish, wire::Sink};
use crate::limits::PLAYLIST_BYTES_MAX;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) rendition: usize,
    pub(super) asked: Asked,
    pub(super) asked_ns: u64,
    /// Segment and part to ask for; none before the first playlist.
    pub(super) next: Option<(u64, u64)>,
    /// When the last part was whole.
    pub(super) part_ns: u64,
    pub(super) status: u16,
    pub(super) bytes: u64,
    /// The playlist, where nobody has read it before.
    pub(super) body: Vec<u8>,
    /// When to ask again, after a failure; 0 where that is not due.
    pub(super) again_ns: u64,
}

/// What an answer under way belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Asked {
    #[default]
    Nothing,
    Playlist,
    Part,
    /// One of the paths that are asked for over and over.
    Again(usize),
}

impl Lane {
    pub(super) fn wish(&self) -> Wish {
        (self.rendition, self.next)
    }
}

/// The lanes of a connection, listening.
pub(super) struct Listening<'a> {
    pub(super) lanes: &'a mut [Lane],
    /// Whose answers are whole now.
    pub(super) whole: &'a mut Vec<usize>,
    /// Whether somebody has read the playlist of this wish.
    pub(super) is_read: &'a dyn Fn(Wish) -> bool,
}

impl Sink for Listening<'_> {
    fn head(&mut self, place: usize, status: u16) {
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.status = status;
            lane.bytes = 0;
            lane.body.clear();
        }
    }

    fn data(&mut self, place: usize, bytes: &[u8]) {
        let Some(lane) = self.lanes.get_mut(place) else {
            return;
        };
        lane.bytes += bytes.len() as u64;
        if lane.asked == Asked::Playlist
            && lane.body.len() + bytes.len() <= PLAYLIST_BYTES_MAX
            && !(self.is_read)(lane.wish())
        {
            lane.body.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, place: usize) {
        self.whole.push(place);
    }
}

/// When the first of those who waited for a part had its playlist, and how many waited.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    first: BTreeMap<Wish, Wake>,
}

/// One part, and who waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wake {
    pub(super) first_ns: u64,
    pub(super) waiters: u64,
}

impl Wakes {
    /// Notes that somebody has the playlist that it asked for at some time; says how long after the first, if it waited
    /// for it.
    pub(super) fn note(&mut self, wish: Wish, asked_ns: u64, now: u64) -> Option<u64> {
        wish.1?;
        let wake = self.first.entry(wish).or_insert(Wake {
            first_ns: now,
            waiters: 0,
        });
        // Whoever came when it was there did not wait.
        if asked_ns >= wake.first_ns {
            return None;
        }
        wake.waiters += 1;
        Some(now.saturating_sub(wake.first_ns))
    }

    /// How many waited for each part, smallest first.
    pub(super) fn waiters(&self) -> Vec<u64> {
        let mut waiters: Vec<_> = self.first.values().map(|wake| wake.waiters).collect();
        waiters.sort_unstable();
        waiters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_is_measured_from_the_first_and_who_came_later_is_not() {
        let mut wakes = Wakes::default();
        let wish = (0, Some((7, 1)));
        assert_eq!(wakes.note(wish, 100, 1_000), Some(0));
        assert_eq!(wakes.note(wish, 900, 1_250), Some(250));
        assert_eq!(wakes.note(wish, 1_100, 1_300), None);
        assert_eq!(wakes.note((0, None), 1, 2), None);
        assert_eq!(wakes.note((1, Some((7, 1))), 1, 2), Some(0));
        assert_eq!(wakes.waiters(), [1, 2]);
    }

    #[test]
    fn only_what_nobody_has_read_is_kept() {
        let mut lanes = [
            Lane::default(),
            Lane {
                rendition: 1,
                ..Lane::default()
            },
        ];
        for lane in &mut lanes {
            lane.asked = Asked::Playlist;
        }
        let mut whole = Vec::new();
        let mut listening = Listening {
            lanes: &mut lanes,
            whole: &mut whole,
            is_read: &|(rendition, _)| rendition == 0,
        };
        for place in [0, 1, 2] {
            listening.head(place, 200);
            listening.data(place, b"abc");
            listening.end(place);
        }
        assert_eq!(whole, [0, 1, 2]);
        assert_eq!((lanes[0].bytes, lanes[0].body.len()), (3, 0));
        assert_eq!((lanes[1].bytes, lanes[1].body.len()), (3, 3));
    }
}
