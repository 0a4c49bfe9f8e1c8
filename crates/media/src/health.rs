//! How well a publisher sends: rates, keyframes, drift, and whether it falls behind.
//!
//! A machine over what has arrived: times and sizes go in, a [`Report`] comes out at any moment, and a [`Change`] when
//! the publisher begins to starve its viewers or has caught up. It keeps ten seconds of sums, never a sample.
//!
//! * **Rates** are of the last [`WINDOW`], by the time of arrival; the picture rate is by media time, so that a network
//!   that delivers in bursts does not look like an encoder that does.
//! * **Lag** is how much later media arrives, measured by its own clock, than it did at its best. The clocks of an
//!   encoder and a server differ by a few parts in a hundred thousand, so the best is forgotten by [`FORGET_PER_MILLE`].
//! * **Starving** begins when the lag exceeds [`STARVING`]: viewers will run dry. It ends below half of that.
//! * **Dropped pictures** are those that would have fitted between two that came further apart than usual; of an encoder
//!   that varies its rate on purpose the count is an upper bound. [`DROPPED_MANY`] of them within [`WINDOW`] are told of,
//!   once until a whole window has had none.
//! * **Drift** is how far sound has moved against the pictures since the first [`WINDOW`]: a constant distance is how an
//!   encoder interleaves, a growing one is two clocks.

use std::{collections::VecDeque, time::Duration};

use crate::sample::TrackKind;

/// What the rates are measured over, and how long it takes to know how an encoder interleaves.
pub const WINDOW: Duration = Duration::from_secs(10);

/// The lag at which a publisher starves its viewers: with parts of a second they have at least two left.
pub const STARVING: Duration = Duration::from_secs(1);

/// Pictures missing within [`WINDOW`] that are told of: at 30 a second one of ten, which is seen.
pub const DROPPED_MANY: u64 = 30;

/// How much of the time passed the best arrival is forgotten by: twenty times what two bad quartz clocks differ by.
pub const FORGET_PER_MILLE: u32 = 1;

/// Seconds of sums that are kept, the growing one among them.
const BUCKETS_MAX: usize = 10;

/// Distances between pictures that the usual one is the median of.
const DISTANCES_MAX: usize = 31;

/// Largest hole that is counted picture by picture; a longer one is an interruption.
const HOLE_MAX: Duration = Duration::from_secs(10);

const _: () = assert!(BUCKETS_MAX as u64 == WINDOW.as_secs());

/// One sample that has arrived; its times are media time, since the same origin for both tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Which track.
    pub track: TrackKind,
    /// When it is decoded.
    pub decode: Duration,
    /// How long it lasts.
    pub duration: Duration,
    /// Whether decoding can begin with it.
    pub sync: bool,
    /// Its coded size.
    pub bytes: usize,
}

/// What has become of a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It sends less media than time passes: viewers will run dry.
    Starving,
    /// It has caught up.
    Recovered,
    /// Its timestamps leapt.
    Jumped,
    /// So many pictures were missing within [`WINDOW`].
    Dropping {
        /// At least [`DROPPED_MANY`].
        pictures: u64,
    },
}

/// Changes that wait to be drained: one input causes at most two.
const CHANGES_MAX: usize = 4;

/// How a publisher does; rates are of the last [`WINDOW`], counts of its whole stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Bits per second of pictures.
    pub video_bits_per_second: u64,
    /// Bits per second of sound.
    pub audio_bits_per_second: u64,
    /// Thousandths of a picture per second, by media time.
    pub frame_rate_milli: u64,
    /// From the keyframe before the last to the last one; `None` before the second.
    pub keyframe_interval: Option<Duration>,
    /// The longest such distance.
    pub keyframe_interval_max: Option<Duration>,
    /// How far sound has moved ahead of the pictures since the beginning, milliseconds; negative when it fell behind.
    pub drift_ms: i64,
    /// How much later media arrives than it did at its best.
    pub lag: Duration,
    /// Whether that is so much that viewers run dry.
    pub starving: bool,
    /// Pictures that are missing between others.
    pub dropped_pictures: u64,
    /// Times at which the timestamps leapt, or media was missing for longer than a sample is stretched.
    pub timestamp_jumps: u64,
}

/// The sums of one second.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Seconds of the shell's clock.
    second: u64,
    video_bytes: u64,
    audio_bytes: u64,
    pictures: u64,
    picture_time: Duration,
    dropped: u64,
}

/// The newest picture, and what is usual.
#[derive(Debug, Default)]
struct Pictures {
    last: Option<Duration>,
    keyframe: Option<Duration>,
    distances: VecDeque<Duration>,
}

/// How much later than expected media arrives.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Arrival of the first sample, and its media time.
    first: (Duration, Duration),
    /// Where the newest media ends.
    end: Duration,
    /// The least that arrival was behind media by, nanoseconds; negative when media came ahead of it.
    best: i128,
    at: Duration,
}

/// Sound against pictures.
#[derive(Debug, Default)]
struct Drift {
    video_end: Option<Duration>,
    /// Where sound ends after pictures, milliseconds: sum and count of the first window and of the newest second.
    baseline: Mean,
    recent: Mean,
    recent_second: u64,
    latest_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: i64,
    count: i64,
}

impl Mean {
    fn add(&mut self, value: i64) {
        self.sum = self.sum.saturating_add(value);
        self.count += 1;
    }

    fn value(self) -> Option<i64> {
        self.sum.checked_div(self.count)
    }
}

/// Watches one publisher; see the module.
///
/// `now` is the time since an origin that the shell chose, and never goes back.
#[derive(Debug, Default)]
pub struct Health {
    buckets: VecDeque<Bucket>,
    since: Option<Duration>,
    pictures: Pictures,
    pace: Option<Pace>,
    drift: Drift,
    report: Report,
    /// Whether it is told that pictures are missing.
    dropping: bool,
    changes: VecDeque<Change>,
}

impl Health {
    /// Takes note of one sample.
    pub fn handle(&mut self, now: Duration, arrival: Arrival) {
        self.since.get_or_insert(now);
        let bucket = self.bucket(now);
        let bytes = arrival.bytes as u64;
        match arrival.track {
            TrackKind::Video => {
                bucket.video_bytes = bucket.video_bytes.saturating_add(bytes);
                bucket.pictures += 1;
                bucket.picture_time = bucket.picture_time.saturating_add(arrival.duration);
                let dropped = self.picture(&arrival);
                self.note_dropped(now, dropped);
            }
            TrackKind::Audio => bucket.audio_bytes = bucket.audio_bytes.saturating_add(bytes),
        }
        self.drift
            .take(now.saturating_sub(self.since.unwrap_or(now)), &arrival);
        self.pace(now, &arrival);
        self.judge(now);
    }

    /// Takes note of a leap of the timestamps; times after it are compared with none before it.
    pub fn handle_jump(&mut self) {
        self.report.timestamp_jumps = self.report.timestamp_jumps.saturating_add(1);
        self.change(Change::Jumped);
        self.pictures = Pictures::default();
        self.pace = None;
        self.drift = Drift::default();
    }

    /// Takes note of the time alone, when nothing arrives.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.judge(now);
    }

    /// What has changed, until `None`.
    pub fn poll_output(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// When the publisher will starve its viewers unless something arrives.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let pace = self.pace.filter(|_| !self.report.starving)?;
        let left = (STARVING + TICK).saturating_sub(pace.lag(pace.at));
        Some(pace.at.saturating_add(left))
    }

    /// How the publisher does; `None` before its first sample.
    #[must_use]
    pub fn report(&self, now: Duration) -> Option<Report> {
        let since = self.since?;
        // The last seconds that are over, and the one that is growing.
        let whole = WINDOW.as_secs() - 1;
        let began = Duration::from_secs(now.as_secs().saturating_sub(whole)).max(since);
        let kept = self
            .buckets
            .iter()
            .filter(|bucket| bucket.second >= began.as_secs());
        let sum = kept.fold(Bucket::default(), |sum, bucket| Bucket {
            second: 0,
            video_bytes: sum.video_bytes.saturating_add(bucket.video_bytes),
            audio_bytes: sum.audio_bytes.saturating_add(bucket.audio_bytes),
            pictures: sum.pictures + bucket.pictures,
            picture_time: sum.picture_time.saturating_add(bucket.picture_time),
            dropped: sum.dropped.saturating_add(bucket.dropped),
        });
        let span = now.saturating_sub(began);
        Some(Report {
            video_bits_per_second: per_second(sum.video_bytes.saturating_mul(8), span),
            audio_bits_per_second: per_second(sum.audio_bytes.saturating_mul(8), span),
            frame_rate_milli: per_second(sum.pictures.saturating_mul(1_000), sum.picture_time),
            drift_ms: self.drift.value(),
            lag: self.pace.map_or(Duration::ZERO, |pace| pace.lag(now)),
            ..self.report
        })
    }

    /// The sums of this second. Time that stands still or goes back counts into the newest.
    fn bucket(&mut self, now: Duration) -> &mut Bucket {
        let second = self
            .buckets
            .back()
            .map_or(0, |newest| newest.second)
            .max(now.as_secs());
        if self
            .buckets
            .back()
            .is_none_or(|newest| newest.second < second)
        {
            self.buckets.push_back(Bucket {
                second,
                ..Bucket::default()
            });
        }
        while self.buckets.len() > BUCKETS_MAX {
            self.buckets.pop_front();
        }
        let newest = self.buckets.len() - 1;
        &mut self.buckets[newest]
    }

    /// Tells of missing pictures, once there are many.
    fn note_dropped(&mut self, now: Duration, dropped: u64) {
        let bucket = self.bucket(now);
        bucket.dropped = bucket.dropped.saturating_add(dropped);
        let pictures = self.buckets.iter().map(|bucket| bucket.dropped).sum();
        if pictures >= DROPPED_MANY && !self.dropping {
            self.dropping = true;
            self.change(Change::Dropping { pictures });
        } else if pictures == 0 {
            self.dropping = false;
        }
    }

    fn change(&mut self, change: Change) {
        self.changes.push_back(change);
        // Nobody who drains after every input ever sees so many.
        self.changes.truncate(CHANGES_MAX);
    }

    /// Takes note of a picture; says how many are missing before it.
    fn picture(&mut self, arrival: &Arrival) -> u64 {
        let mut dropped = 0;
        let Pictures {
            last,
            keyframe,
            distances,
        } = &mut self.pictures;
        if let Some(distance) = last.and_then(|last| arrival.decode.checked_sub(last)) {
            if let Some(usual) = median(distances)
                && distance <= HOLE_MAX
            {
                dropped = missing(distance, usual);
                self.report.dropped_pictures = self.report.dropped_pictures.saturating_add(dropped);
            }
            distances.push_back(distance);
            if distances.len() > DISTANCES_MAX {
                distances.pop_front();
            }
        }
        *last = Some(arrival.decode);
        if arrival.sync {
            let interval = keyframe.and_then(|before| arrival.decode.checked_sub(before));
            self.report.keyframe_interval = interval.or(self.report.keyframe_interval);
            self.report.keyframe_interval_max = self.report.keyframe_interval_max.max(interval);
            *keyframe = Some(arrival.decode);
        }
        dropped
    }

    fn pace(&mut self, now: Duration, arrival: &Arrival) {
        let end = arrival.decode.saturating_add(arrival.duration);
        let pace = self.pace.get_or_insert(Pace {
            first: (now, end),
            end,
            best: 0,
            at: now,
        });
        pace.end = pace.end.max(end);
        pace.forget(now);
        pace.best = pace.best.min(pace.behind(now));
    }

    fn judge(&mut self, now: Duration) {
        let lag = self.pace.map_or(Duration::ZERO, |pace| pace.lag(now));
        if !self.report.starving && lag > STARVING {
            self.report.starving = true;
            self.change(Change::Starving);
        } else if self.report.starving && lag < STARVING / 2 {
            self.report.starving = false;
            self.change(Change::Recovered);
        }
    }
}

/// The shortest time there is, so that a deadline lies past its limit and not on it.
const TICK: Duration = Duration::from_nanos(1);

impl Pace {
    /// How far arrival is behind media, nanoseconds, compared with the first sample.
    fn behind(&self, now: Duration) -> i128 {
        let passed = now.saturating_sub(self.first.0);
        let sent = signed(self.end) - signed(self.first.1);
        signed(passed) - sent
    }

    fn forget(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at);
        self.best += signed(passed) * i128::from(FORGET_PER_MILLE) / 1_000;
        self.at = self.at.max(now);
    }

    fn lag(&self, now: Duration) -> Duration {
        let lag = (self.behind(now) - self.best).max(0);
        Duration::from_nanos(u64::try_from(lag).unwrap_or(u64::MAX))
    }
}

impl Drift {
    fn take(&mut self, age: Duration, arrival: &Arrival) {
        let end = arrival.decode.saturating_add(arrival.duration);
        match arrival.track {
            TrackKind::Video => self.video_end = Some(end),
            TrackKind::Audio => {
                let Some(video) = self.video_end else { return };
                let ahead = (signed(end) - signed(video)) / 1_000_000;
                let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
                if age < WINDOW {
                    self.baseline.add(ahead);
                }
                // One second's mean: within it the interleaving goes back and forth.
                if age.as_secs() != self.recent_second {
                    self.latest_ms = self.recent.value();
                    self.recent = Mean::default();
                    self.recent_second = age.as_secs();
                }
                self.recent.add(ahead);
            }
        }
    }

    fn value(&self) -> i64 {
        match (self.baseline.value(), self.latest_ms) {
            (Some(baseline), Some(latest)) => latest.saturating_sub(baseline),
            _ => 0,
        }
    }
}

/// How many pictures of the usual distance would have fitted in between.
fn missing(distance: Duration, usual: Duration) -> u64 {
    let usual = usual.as_nanos().max(1);
    // Half a picture of tolerance: milliseconds make 33 of 33.4.
    let pictures = (distance.as_nanos() + usual / 2) / usual;
    u64::try_from(pictures)
        .unwrap_or(u64::MAX)
        .saturating_sub(1)
}

/// `None` until enough is known.
fn median(distances: &VecDeque<Duration>) -> Option<Duration> {
    if distances.len() < DISTANCES_MAX / 2 {
        return None;
    }
    let mut sorted: Vec<_> = distances.iter().copied().collect();
    sorted.sort_unstable();
    sorted
        .get(sorted.len() / 2)
        .copied()
        .filter(|usual| !usual.is_zero())
}

fn per_second(amount: u64, span: Duration) -> u64 {
    let micros = span.as_micros();
    if micros == 0 {
        return 0;
    }
    u64::try_from(u128::from(amount) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// Nanoseconds: a [`Duration`] has fewer than 2^94.
fn signed(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests;
