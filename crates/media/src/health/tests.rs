//! An encoder in virtual time, and what is said of it.

use proptest::prelude::*;

use super::*;

const PICTURE: Duration = Duration::from_millis(40);
const FRAME: Duration = Duration::from_micros(21_333);

/// Sends 25 pictures and 47 audio frames a second; `late` says how much later than its media time a moment arrives.
struct Encoder {
    health: Health,
    changes: Vec<(Duration, Change)>,
    pictures: u32,
    frames: u32,
}

impl Encoder {
    fn new() -> Self {
        Self {
            health: Health::default(),
            changes: Vec::new(),
            pictures: 0,
            frames: 0,
        }
    }

    /// Plays media from where it stands to `until`; picture `n` is left out where `drops` says so.
    fn play(
        &mut self,
        until: Duration,
        late: impl Fn(Duration) -> Duration,
        drops: impl Fn(u32) -> bool,
    ) {
        loop {
            let (picture, frame) = (PICTURE * self.pictures, FRAME * self.frames);
            if picture.min(frame) >= until {
                return;
            }
            let arrival = if picture <= frame {
                let number = self.pictures;
                self.pictures += 1;
                if drops(number) {
                    continue;
                }
                Arrival {
                    track: TrackKind::Video,
                    decode: picture,
                    duration: PICTURE,
                    sync: number.is_multiple_of(50),
                    bytes: 20_000,
                }
            } else {
                self.frames += 1;
                Arrival {
                    track: TrackKind::Audio,
                    decode: frame,
                    duration: FRAME,
                    sync: true,
                    bytes: 400,
                }
            };
            let now = arrival.decode + late(arrival.decode);
            self.health.handle(now, arrival);
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Duration) {
        while let Some(change) = self.health.poll_output() {
            self.changes.push((now, change));
        }
    }
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn steady(_: Duration) -> Duration {
    Duration::from_millis(200)
}

fn none(_: u32) -> bool {
    false
}

#[test]
fn a_good_encoder_is_described_as_it_is() {
    let mut encoder = Encoder::new();
    encoder.play(seconds(30), steady, none);
    let report = encoder
        .health
        .report(seconds(30) + steady(seconds(30)))
        .unwrap();
    let within = |seen: u64, meant: u64| seen.abs_diff(meant) * 20 <= meant;
    assert!(
        within(report.video_bits_per_second, 20_000 * 25 * 8),
        "{report:?}"
    );
    assert!(
        within(report.audio_bits_per_second, 400 * 47 * 8),
        "{report:?}"
    );
    assert_eq!(report.frame_rate_milli, 25_000);
    assert_eq!(report.keyframe_interval, Some(seconds(2)));
    assert_eq!(report.keyframe_interval_max, Some(seconds(2)));
    assert_eq!((report.dropped_pictures, report.timestamp_jumps), (0, 0));
    assert!(report.drift_ms.abs() <= 2, "{report:?}");
    assert!(report.lag < Duration::from_millis(100), "{report:?}");
    assert_eq!(encoder.changes, []);
}

#[test]
fn rates_are_right_from_the_first_second_on() {
    let mut encoder = Encoder::new();
    encoder.play(seconds(2), steady, none);
    let report = encoder
        .health
        .report(seconds(2) + steady(seconds(2)))
        .unwrap();
    assert!(
        report.video_bits_per_second.abs_diff(4_000_000) < 400_000,
        "{report:?}"
    );
}

#[test]
fn a_slow_network_starves_and_recovers() {
    let mut encoder = Encoder::new();
    encoder.play(seconds(20), steady, none);
    // One tenth of the media is late for 15 s, then it catches up at once.
    encoder.play(seconds(35), |at| steady(at) + (at - seconds(20)) / 10, none);
    let caught_up = Duration::from_millis(36_700);
    encoder.play(
        seconds(40),
        |at| steady(at).max(caught_up.saturating_sub(at)),
        none,
    );
    let [(starving, Change::Starving), (recovered, Change::Recovered)] = encoder.changes[..] else {
        panic!("{:?}", encoder.changes)
    };
    assert!(
        starving > seconds(30) && starving < seconds(33),
        "{starving:?}"
    );
    assert!(recovered >= seconds(35), "{recovered:?}");
}

#[test]
fn silence_starves_at_the_moment_foretold() {
    let mut encoder = Encoder::new();
    encoder.play(seconds(20), steady, none);
    let due = encoder.health.poll_timeout().unwrap();
    encoder
        .health
        .handle_timeout(due - Duration::from_millis(1));
    assert_eq!(encoder.health.poll_output(), None);
    encoder.health.handle_timeout(due);
    assert_eq!(encoder.health.poll_output(), Some(Change::Starving));
    assert!(due > seconds(21) && due < seconds(22), "{due:?}");
    assert_eq!(encoder.health.poll_timeout(), None, "it is known");
}

#[test]
fn a_clock_that_is_a_little_slow_is_no_lag() {
    let mut encoder = Encoder::new();
    // 100 parts in a million for two hours: 0.7 s.
    encoder.play(seconds(7_200), |at| steady(at) + at / 10_000, none);
    assert_eq!(encoder.changes, []);
    assert!(encoder.health.report(seconds(7_201)).unwrap().lag < Duration::from_millis(900));
}

#[test]
fn many_missing_pictures_are_told_of_once_until_it_is_over() {
    let mut encoder = Encoder::new();
    // Every fifth for ten seconds, and again a minute later.
    encoder.play(seconds(90), steady, |number| {
        number % 5 == 1 && (matches!(number, 250..500) || number >= 1_750)
    });
    let told: Vec<_> = encoder.changes.iter().map(|(at, _)| at.as_secs()).collect();
    let many = Change::Dropping {
        pictures: DROPPED_MANY,
    };
    assert!(encoder.changes.iter().all(|(_, change)| *change == many));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!((10..20).contains(&told[0]) && told[1] >= 70, "{told:?}");
    let mut few = Encoder::new();
    few.play(seconds(60), steady, |number| number % 20 == 19);
    assert_eq!(few.changes, []);
}

#[test]
fn a_leap_is_told_of() {
    let mut health = Health::default();
    health.handle_jump();
    assert_eq!(health.poll_output(), Some(Change::Jumped));
    assert_eq!(health.poll_output(), None);
}

#[test]
fn missing_pictures_are_counted() {
    let mut encoder = Encoder::new();
    encoder.play(seconds(30), steady, |number| {
        number % 100 == 60 || number == 301 || number == 302
    });
    assert_eq!(
        encoder.health.report(seconds(30)).unwrap().dropped_pictures,
        7 + 2
    );
}

#[test]
fn two_clocks_are_a_drift() {
    let mut health = Health::default();
    // Sound runs 0.1 % fast: after 100 s it is 100 ms ahead, of which the first window saw 5 on the average.
    for number in 0..2_500_u32 {
        let now = PICTURE * number;
        health.handle(
            now,
            Arrival {
                track: TrackKind::Video,
                decode: now,
                duration: PICTURE,
                sync: false,
                bytes: 1,
            },
        );
        let sound = now + now / 1_000;
        health.handle(
            now,
            Arrival {
                track: TrackKind::Audio,
                decode: sound,
                duration: PICTURE,
                sync: true,
                bytes: 1,
            },
        );
    }
    let drift = health.report(seconds(100)).unwrap().drift_ms;
    assert!((90..=96).contains(&drift), "{drift}");
}

#[test]
fn a_leap_is_counted_and_compared_with_nothing_before_it() {
    let mut encoder = Encoder::new();
    encoder.play(seconds(5), steady, none);
    encoder.health.handle_jump();
    // A minute of media time is left out.
    encoder.pictures += 25 * 60;
    encoder.frames += 47 * 60;
    encoder.play(seconds(70), |_| Duration::ZERO, none);
    let report = encoder.health.report(seconds(70)).unwrap();
    assert_eq!((report.timestamp_jumps, report.dropped_pictures), (1, 0));
    assert_eq!(encoder.changes, [(seconds(65), Change::Jumped)]);
}

proptest! {
    #[test]
    fn anything_may_arrive_at_any_time(
        arrivals in proptest::collection::vec((0_u64..u64::MAX / 4, any::<bool>(), 0..u64::MAX / 4, 0_u64..1 << 40, any::<usize>()), 0..200),
    ) {
        let mut health = Health::default();
        let mut starving = false;
        for (now, video, decode, duration, bytes) in arrivals {
            let track = if video { TrackKind::Video } else { TrackKind::Audio };
            let now = Duration::from_nanos(now);
            let (decode, duration) = (Duration::from_nanos(decode), Duration::from_nanos(duration));
            health.handle(now, Arrival { track, decode, duration, sync: bytes % 2 == 0, bytes });
            while let Some(change) = health.poll_output() {
                // The two take turns.
                prop_assert_eq!(change, if starving { Change::Recovered } else { Change::Starving });
                starving = !starving;
            }
            prop_assert_eq!(health.report(now).unwrap().starving, starving);
            prop_assert!(health.buckets.len() <= BUCKETS_MAX);
        }
    }
}
