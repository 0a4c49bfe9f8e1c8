//! What one platform is still to be sent, and in which order and with which times. Pure: no socket, no clock.
//!
//! 1. [`Outbox::handle_sample`] takes pictures and sound as they come, in *stretches*: each begins with a picture that can
//!    be decoded alone, and within one the times are those of one publisher's timeline.
//! 2. [`Outbox::poll`] hands out what a push sends next: a configuration, a picture, a frame of sound. Times begin at 0
//!    with the push, never go back, and go on over a break by as much time as has really passed.
//! 3. Whoever takes too little has less to take: once [`SIMULCAST_QUEUE_BYTES_MAX`] wait, or what has waited for
//!    [`SIMULCAST_QUEUE_AGE_MAX`], all before the newest keyframe is given up, and its pictures are counted.
//!
//! An outbox that is closed keeps nothing: while a platform is away, nothing waits for it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use fanwave_media::{Sample, TrackId, TrackKind, Tracks};

use super::format::Format;
use crate::limits::{
    SIMULCAST_ITEM_BYTES, SIMULCAST_QUEUE_AGE_MAX, SIMULCAST_QUEUE_BYTES_MAX,
    SIMULCAST_SOUND_AHEAD_MAX,
};

/// A piece of one publisher's timeline without a break.
#[derive(Debug)]
pub(super) struct Stretch {
    /// Whose: of two publishers, the one that was shown last counts more.
    pub(super) turn: u64,
    pub(super) tracks: Tracks,
    pub(super) format: Format,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// How pictures and sound are coded from here on.
    Format {
        /// When, milliseconds since the push began.
        at_ms: u32,
        format: Format,
    },
    /// One picture.
    Picture {
        /// When it is decoded.
        at_ms: u32,
        /// When it is shown, from then on.
        composition_ms: i32,
        key: bool,
        data: Bytes,
    },
    /// One frame of sound.
    Sound { at_ms: u32, data: Bytes },
}

/// What a push does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It sends this.
    Send(Message),
    /// It ends, and another begins: what comes cannot follow what was sent.
    Renew,
    /// It waits.
    Wait,
    /// It ends: the show is of other codecs.
    Unfit,
}

#[derive(Debug)]
pub(super) struct Outbox {
    items: VecDeque<Item>,
    /// Of the items, with what each counts beside its media.
    bytes: usize,
    intake: Intake,
    /// Of the newest publisher that was heard of.
    turn: u64,
    /// The stretch that came last.
    newest: Option<Arc<Stretch>>,
    push: Option<Push>,
    is_unfit: bool,
    dropped: u64,
}

/// What becomes of what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intake {
    /// It is not kept.
    Closed,
    /// It is kept from the next keyframe on.
    Keyframe {
        /// Whether what comes before that is missing to whoever watches.
        is_loss: bool,
    },
    /// It is kept.
    Open,
}

#[derive(Debug)]
struct Item {
    stretch: Arc<Stretch>,
    arrived: Duration,
    /// In the stretch's time.
    decode_ms: u64,
    media: Media,
}

#[derive(Debug)]
enum Media {
    Picture {
        composition_ms: i32,
        key: bool,
        data: Bytes,
    },
    Sound {
        data: Bytes,
    },
}

/// What the platform has been sent.
#[derive(Debug)]
struct Push {
    stretch: Arc<Stretch>,
    /// The stretch's time, and the push's, of one moment.
    anchor: (u64, u64),
    /// The latest time that was sent, and when what has it arrived.
    last: (u64, Duration),
    /// Latest of the pictures, and of the sound.
    last_of: [u64; 2],
}

impl Outbox {
    /// An empty one, which is open.
    pub(super) fn new() -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            intake: Intake::Keyframe { is_loss: false },
            turn: 0,
            newest: None,
            push: None,
            is_unfit: false,
            dropped: 0,
        }
    }

    /// Pictures that were given up since the server began.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether there is something to push.
    pub(super) fn is_wanted(&self) -> bool {
        !self.items.is_empty()
    }

    /// Whether what came last is of codecs that platforms do not take.
    pub(super) fn is_unfit(&self) -> bool {
        self.is_unfit
    }

    /// Whether what is pushed has sound that is not.
    pub(super) fn is_mute(&self) -> bool {
        let push = self.push.as_ref();
        push.is_some_and(|push| push.stretch.format.has_other_sound)
    }

    /// Empties it, and takes what comes from the next keyframe on.
    pub(super) fn open(&mut self) {
        self.clear();
        self.push = None;
        self.is_unfit = false;
        self.intake = Intake::Keyframe { is_loss: false };
    }

    /// Empties it, and takes nothing.
    pub(super) fn close(&mut self) {
        self.open();
        self.intake = Intake::Closed;
    }

    /// The push is over, and another begins with what waits.
    pub(super) fn renew(&mut self) {
        self.push = None;
    }

    /// Takes a sample of a track; says whether something is new to whoever polls.
    pub(super) fn handle_sample(
        &mut self,
        now: Duration,
        stretch: &Arc<Stretch>,
        track: TrackId,
        sample: &Sample,
    ) -> bool {
        if self.intake == Intake::Closed || stretch.turn < self.turn {
            return false;
        }
        self.turn = stretch.turn;
        if !stretch.format.is_taken() {
            return !std::mem::replace(&mut self.is_unfit, true);
        }
        self.is_unfit = false;
        let Some(item) = item(now, stretch, track, sample) else {
            return false;
        };
        let is_other = !is_same(self.newest.as_ref(), stretch);
        if is_other {
            self.newest = Some(Arc::clone(stretch));
            if self.intake == Intake::Open {
                self.intake = Intake::Keyframe { is_loss: false };
            }
        }
        let begins = item.begins();
        if let Intake::Keyframe { is_loss } = self.intake {
            if !begins {
                self.dropped += u64::from(is_loss && item.is_picture());
                return false;
            }
            self.intake = Intake::Open;
        }
        self.insert(item);
        self.make_room(now);
        true
    }

    /// Sound that is ahead of the pictures waits for them, so that times are in order.
    fn insert(&mut self, item: Item) {
        self.bytes += item.bytes();
        let is_later = |other: &Item| {
            is_same(Some(&other.stretch), &item.stretch)
                && !other.is_picture()
                && other.decode_ms > item.decode_ms
        };
        let later = if item.is_picture() {
            self.items.iter().rev().take_while(|o| is_later(o)).count()
        } else {
            0
        };
        self.items.insert(self.items.len() - later, item);
    }

    /// Gives up what is too much, from the oldest on and up to a keyframe.
    fn make_room(&mut self, now: Duration) {
        while self.is_too_much(now) {
            let begins = self.items.iter().rposition(Item::begins);
            let given_up = match begins {
                Some(at) if at > 0 => at,
                _ => {
                    self.intake = Intake::Keyframe { is_loss: true };
                    self.items.len()
                }
            };
            for item in self.items.drain(..given_up) {
                self.bytes -= item.bytes();
                self.dropped += u64::from(item.is_picture());
            }
        }
    }

    fn is_too_much(&self, now: Duration) -> bool {
        let oldest = self.items.front().map(|item| item.arrived);
        self.bytes > SIMULCAST_QUEUE_BYTES_MAX
            || oldest.is_some_and(|at| now.saturating_sub(at) > SIMULCAST_QUEUE_AGE_MAX)
    }

    fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    /// What a push does next; `is_ending` once nothing more will come.
    pub(super) fn poll(&mut self, is_ending: bool) -> Next {
        let Some(front) = self.items.front() else {
            return if self.is_unfit {
                Next::Unfit
            } else {
                Next::Wait
            };
        };
        if !is_ending && self.awaits_picture(front) {
            return Next::Wait;
        }
        let stretch = Arc::clone(&front.stretch);
        match &mut self.push {
            None => {
                let push = Push {
                    anchor: (front.decode_ms, 0),
                    last: (0, front.arrived),
                    last_of: [0; 2],
                    stretch,
                };
                let format = push.stretch.format.clone();
                self.push = Some(push);
                return Next::Send(Message::Format { at_ms: 0, format });
            }
            Some(push) if !is_same(Some(&push.stretch), &stretch) => {
                let format = &stretch.format;
                if !push.stretch.format.goes_on_as(format) {
                    return Next::Renew;
                }
                let changed = push.stretch.format != *format;
                let format = format.clone();
                push.begin(front, stretch);
                if changed {
                    let at_ms = wrapped(push.anchor.1);
                    return Next::Send(Message::Format { at_ms, format });
                }
            }
            Some(_) => {}
        }
        match (self.items.pop_front(), &mut self.push) {
            (Some(item), Some(push)) => {
                self.bytes -= item.bytes();
                Next::Send(push.message(item))
            }
            _ => Next::Wait,
        }
    }

    /// Whether the first that waits is sound whose picture has not come yet.
    fn awaits_picture(&self, front: &Item) -> bool {
        !front.is_picture()
            && front.stretch.format.pictures.is_some()
            && self.items.len() <= SIMULCAST_SOUND_AHEAD_MAX
            && !self.items.iter().any(Item::is_picture)
    }
}

impl Push {
    /// Another stretch follows, as much later as it came later.
    fn begin(&mut self, first: &Item, stretch: Arc<Stretch>) {
        let (last, at) = self.last;
        let passed = first.arrived.saturating_sub(at).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX).max(1);
        self.anchor = (first.decode_ms, last.saturating_add(passed));
        self.stretch = stretch;
    }

    fn message(&mut self, item: Item) -> Message {
        let (from, to) = self.anchor;
        let kind = usize::from(!item.is_picture());
        // Sound of a moment before the keyframe has that moment.
        let at = to.saturating_add(item.decode_ms.saturating_sub(from));
        let at = at.max(self.last_of[kind]);
        self.last_of[kind] = at;
        if at >= self.last.0 {
            self.last = (at, item.arrived);
        }
        let at_ms = wrapped(at);
        match item.media {
            Media::Picture {
                composition_ms,
                key,
                data,
            } => Message::Picture {
                at_ms,
                composition_ms,
                key,
                data,
            },
            Media::Sound { data } => Message::Sound { at_ms, data },
        }
    }
}

impl Item {
    fn is_picture(&self) -> bool {
        matches!(self.media, Media::Picture { .. })
    }

    /// Whether a player can begin with it.
    fn begins(&self) -> bool {
        match self.media {
            Media::Picture { key, .. } => key,
            Media::Sound { .. } => self.stretch.format.pictures.is_none(),
        }
    }

    fn bytes(&self) -> usize {
        let (Media::Picture { data, .. } | Media::Sound { data }) = &self.media;
        data.len() + SIMULCAST_ITEM_BYTES
    }
}

fn is_same(one: Option<&Arc<Stretch>>, other: &Arc<Stretch>) -> bool {
    one.is_some_and(|one| Arc::ptr_eq(one, other))
}

/// The sample, if it is of a track that is sent.
fn item(now: Duration, stretch: &Arc<Stretch>, track: TrackId, sample: &Sample) -> Option<Item> {
    let Stretch { tracks, format, .. } = &**stretch;
    let timescale = tracks.timescale(track);
    let decode_ms = millis(sample.decode_time, timescale);
    let media = match track.kind {
        TrackKind::Video => {
            let is_sent = track.index == 0 && format.pictures.is_some();
            let shown_ms = millis(sample.presentation_time(), timescale);
            // In the 24 bits that RTMP has for it.
            let composition = shown_ms.saturating_sub(decode_ms).min(0x7f_ffff);
            let before = decode_ms.saturating_sub(shown_ms).min(0x7f_ffff);
            is_sent.then(|| Media::Picture {
                composition_ms: i32::try_from(composition).unwrap_or(0)
                    - i32::try_from(before).unwrap_or(0),
                key: sample.sync,
                data: sample.data.clone(),
            })
        }
        TrackKind::Audio => {
            let is_sent = format
                .sound
                .as_ref()
                .is_some_and(|sound| sound.track == track);
            is_sent.then(|| Media::Sound {
                data: sample.data.clone(),
            })
        }
    };
    Some(Item {
        stretch: Arc::clone(stretch),
        arrived: now,
        decode_ms,
        media: media?,
    })
}

/// Milliseconds as RTMP counts them: modulo 2^32, which is 49 days.
fn wrapped(ms: u64) -> u32 {
    u32::try_from(ms & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

fn millis(ticks: u64, timescale: u32) -> u64 {
    ticks.saturating_mul(1_000) / u64::from(timescale.max(1))
}

#[cfg(test)]
mod tests;
