//! What a platform is sent, whatever comes and however fast it takes it.

use proptest::prelude::*;

use super::*;
use crate::simulcast::format::tests::{aac, avc, opus, tracks};

fn stretch(turn: u64, tracks: Tracks) -> Arc<Stretch> {
    Arc::new(Stretch {
        turn,
        format: Format::of(&tracks),
        tracks,
    })
}

/// 720p with stereo, of this level.
fn show(turn: u64, level: u8) -> Arc<Stretch> {
    stretch(turn, tracks([avc(level)], [aac(2)]))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A picture of 40 ms, told by how long after its decoding it is shown.
fn picture(at_ms: u64, sync: bool, mark: i32) -> Sample {
    Sample {
        decode_time: at_ms * 90,
        duration: 3_600,
        composition: mark * 90,
        sync,
        data: Bytes::from_static(&[0; 1_000]),
    }
}

/// A frame of 48 kHz.
fn sound(at_ms: u64) -> Sample {
    Sample {
        decode_time: at_ms * 48,
        duration: 1_024,
        composition: 0,
        sync: true,
        data: Bytes::from_static(&[0; 100]),
    }
}

const VIDEO: TrackId = TrackId::video(0);
const AUDIO: TrackId = TrackId::audio(0);

/// What is sent now, in short.
fn sent(outbox: &mut Outbox) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        told.push(match outbox.poll(false) {
            Next::Send(Message::Format { at_ms, .. }) => format!("format {at_ms}"),
            Next::Send(Message::Picture { at_ms, key, .. }) => {
                format!("{} {at_ms}", if key { "key" } else { "picture" })
            }
            Next::Send(Message::Sound { at_ms, .. }) => format!("sound {at_ms}"),
            Next::Wait => return told,
            Next::Renew => {
                outbox.renew();
                "renew".to_owned()
            }
            Next::Unfit => {
                told.push("unfit".to_owned());
                return told;
            }
        });
    }
}

#[test]
fn a_push_begins_with_its_format_and_a_keyframe_and_sound_keeps_its_place() {
    let (mut outbox, show) = (Outbox::new(), show(1, 31));
    let give = |outbox: &mut Outbox, track, sample: &Sample| {
        outbox.handle_sample(ms(0), &show, track, sample)
    };
    assert!(!give(&mut outbox, AUDIO, &sound(0)));
    assert!(!give(&mut outbox, VIDEO, &picture(0, false, 0)));
    assert!(!outbox.is_wanted());
    assert!(give(&mut outbox, VIDEO, &picture(1_000, true, 0)));
    for at in [1_010, 1_031, 1_052] {
        give(&mut outbox, AUDIO, &sound(at));
    }
    assert_eq!(sent(&mut outbox), ["format 0", "key 0"]);
    give(&mut outbox, VIDEO, &picture(1_040, false, 80));
    assert_eq!(
        sent(&mut outbox),
        ["sound 10", "sound 31", "picture 40"],
        "the third frame is of a time that has not come"
    );
    // A publisher that has said all it has to.
    assert!(matches!(
        outbox.poll(true),
        Next::Send(Message::Sound { at_ms: 52, .. })
    ));
    assert_eq!(outbox.dropped(), 0);
}

#[test]
fn pictures_are_shown_as_long_after_their_decoding_as_before() {
    let (mut outbox, show) = (Outbox::new(), show(1, 31));
    for (at, mark) in [(0, 80), (40, -40), (80, 0)] {
        outbox.handle_sample(ms(0), &show, VIDEO, &picture(at, at == 0, mark));
    }
    let mut composition = Vec::new();
    while let Next::Send(message) = outbox.poll(false) {
        if let Message::Picture { composition_ms, .. } = message {
            composition.push(composition_ms);
        }
    }
    assert_eq!(composition, [80, -40, 0]);
}

#[test]
fn a_publisher_that_is_back_goes_on_in_the_same_push_as_much_later_as_it_was_away() {
    let mut outbox = Outbox::new();
    for (turn, arrived, at, expected) in [
        (1, 100, 5_000, vec!["format 0", "key 0"]),
        // The same again, with timestamps of its own, twenty seconds later.
        (2, 20_100, 0, vec!["key 20000"]),
        // What the one before still had to say is not heard.
        (1, 20_110, 5_040, vec![]),
        // Coded otherwise, and alike.
        (3, 20_150, 0, vec!["format 20050", "key 20050"]),
    ] {
        let show = show(turn, if turn == 3 { 32 } else { 31 });
        outbox.handle_sample(ms(arrived), &show, VIDEO, &picture(at, true, 0));
        assert_eq!(sent(&mut outbox), expected, "turn {turn}");
    }
    let mono = stretch(4, tracks([avc(32)], [aac(1)]));
    outbox.handle_sample(ms(20_200), &mono, VIDEO, &picture(0, true, 0));
    assert_eq!(sent(&mut outbox), ["renew", "format 0", "key 0"]);
}

#[test]
fn whoever_takes_nothing_for_long_goes_on_at_the_newest_keyframe() {
    let (mut outbox, show) = (Outbox::new(), show(1, 31));
    for number in 0..300 {
        let at = number * 40;
        let sample = picture(at, number % 50 == 0, 0);
        outbox.handle_sample(ms(at), &show, VIDEO, &sample);
    }
    // From 10.04 s on, the first ten seconds are too old: all before the keyframe of then.
    assert_eq!(outbox.dropped(), 250);
    let told = sent(&mut outbox);
    assert_eq!(told[..3], ["format 0", "key 0", "picture 40"]);
    assert_eq!(told.len(), 51);
}

#[test]
fn what_is_too_much_at_once_is_given_up_whole_and_counted() {
    let (mut outbox, show) = (Outbox::new(), show(1, 31));
    let large = Sample {
        data: Bytes::from(vec![0; SIMULCAST_QUEUE_BYTES_MAX / 4]),
        ..picture(0, false, 0)
    };
    for number in 0..6_u64 {
        let sample = Sample {
            decode_time: number * 3_600,
            sync: number == 0,
            ..large.clone()
        };
        outbox.handle_sample(ms(number * 40), &show, VIDEO, &sample);
        assert!(outbox.bytes <= SIMULCAST_QUEUE_BYTES_MAX);
    }
    // The fourth was too much for four; what follows it cannot be decoded.
    assert_eq!((outbox.dropped(), outbox.is_wanted()), (6, false));
    outbox.handle_sample(ms(240), &show, AUDIO, &sound(240));
    outbox.handle_sample(ms(240), &show, VIDEO, &picture(240, true, 0));
    assert_eq!(sent(&mut outbox), ["format 0", "key 0"]);
    assert_eq!(outbox.dropped(), 6);
}

#[test]
fn nothing_waits_while_it_is_closed() {
    let (mut outbox, show) = (Outbox::new(), show(1, 31));
    outbox.handle_sample(ms(0), &show, VIDEO, &picture(0, true, 0));
    outbox.close();
    assert!(!outbox.handle_sample(ms(1), &show, VIDEO, &picture(40, true, 0)));
    assert_eq!((outbox.is_wanted(), outbox.dropped()), (false, 0));
    outbox.open();
    outbox.handle_sample(ms(2), &show, VIDEO, &picture(80, false, 0));
    outbox.handle_sample(ms(3), &show, VIDEO, &picture(120, true, 0));
    assert_eq!(sent(&mut outbox), ["format 0", "key 0"]);
    assert_eq!(outbox.dropped(), 0, "nobody was promised these");
}

#[test]
fn sound_of_another_codec_is_left_out_and_pictures_of_one_are_refused() {
    let mut outbox = Outbox::new();
    let mute = stretch(1, tracks([avc(31)], [opus()]));
    outbox.handle_sample(ms(0), &mute, VIDEO, &picture(0, true, 0));
    outbox.handle_sample(ms(0), &mute, AUDIO, &sound(0));
    assert_eq!(sent(&mut outbox), ["format 0", "key 0"]);
    assert!(outbox.is_mute() && !outbox.is_unfit());

    let unheard = stretch(2, tracks([], [opus()]));
    assert!(outbox.handle_sample(ms(40), &unheard, AUDIO, &sound(0)));
    assert!(
        !outbox.handle_sample(ms(60), &unheard, AUDIO, &sound(20)),
        "it is told once"
    );
    assert_eq!(sent(&mut outbox), ["unfit"]);
    outbox.open();
    assert!(!outbox.is_unfit());
}

#[test]
fn sound_alone_begins_anywhere() {
    let (mut outbox, radio) = (Outbox::new(), stretch(1, tracks([], [aac(2)])));
    for at in [300, 321] {
        outbox.handle_sample(ms(at), &radio, AUDIO, &sound(at));
    }
    assert_eq!(sent(&mut outbox), ["format 0", "sound 0", "sound 21"]);
}

/// What may happen to an outbox.
#[derive(Debug, Clone)]
enum Step {
    Picture {
        sync: bool,
        bytes: usize,
    },
    Sound {
        ahead_ms: u64,
    },
    /// The timeline breaks, and another publisher is shown where `other`.
    Break {
        other: bool,
        level: u8,
    },
    Poll(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (proptest::bool::weighted(0.1), 1..3_000_000_usize)
            .prop_map(|(sync, bytes)| Step::Picture { sync, bytes }),
        6 => (0..80_u64).prop_map(|ahead_ms| Step::Sound { ahead_ms }),
        1 => (any::<bool>(), 31..33_u8).prop_map(|(other, level)| Step::Break { other, level }),
        4 => (1..20_usize).prop_map(Step::Poll),
        1 => (0..12_000_u64).prop_map(Step::Pass),
    ]
}

/// What a platform has seen.
#[derive(Default)]
struct Seen {
    formats: usize,
    picture: Option<(i32, u32)>,
    sound: Option<u32>,
    pictures: u64,
}

impl Seen {
    fn see(&mut self, message: &Message) -> Result<(), TestCaseError> {
        match message {
            Message::Format { at_ms, .. } => {
                prop_assert!(self.formats > 0 || *at_ms == 0);
                self.formats += 1;
            }
            Message::Picture {
                at_ms,
                composition_ms,
                key,
                ..
            } => {
                prop_assert!(self.formats > 0);
                let follows = self
                    .picture
                    .is_some_and(|(mark, _)| mark + 1 == *composition_ms);
                prop_assert!(follows || *key, "a picture that nothing is before");
                prop_assert!(self.picture.is_none_or(|(_, before)| before <= *at_ms));
                self.picture = Some((*composition_ms, *at_ms));
                self.pictures += 1;
            }
            Message::Sound { at_ms, .. } => {
                prop_assert!(self.formats > 0 && self.picture.is_some());
                prop_assert!(self.sound.is_none_or(|before| before <= *at_ms));
                self.sound = Some(*at_ms);
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_comes_a_platform_can_decode_what_it_is_sent(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let large = Bytes::from(vec![0; 3_000_000]);
        let (mut outbox, mut seen) = (Outbox::new(), Seen::default());
        let (mut now, mut at, mut heard, mut mark) = (0, 0, 0, 0);
        let (mut turn, mut level) = (1, 31);
        let mut stretch = show(turn, level);
        for step in steps {
            match step {
                Step::Picture { sync, bytes } => {
                    let data = large.slice(..bytes);
                    let sample = Sample { data, ..picture(at, sync, mark) };
                    outbox.handle_sample(ms(now), &stretch, VIDEO, &sample);
                    (at, now, mark) = (at + 40, now + 40, mark + 1);
                }
                Step::Sound { ahead_ms } => {
                    heard = (at + ahead_ms).max(heard);
                    outbox.handle_sample(ms(now), &stretch, AUDIO, &sound(heard));
                }
                Step::Break { other, level: next } => {
                    turn += u64::from(other);
                    level = next;
                    stretch = show(turn, level);
                    (at, heard) = (at % 1_000, 0);
                    // What follows a break is not decoded with what was before.
                    mark += 2;
                }
                Step::Poll(times) => for _ in 0..times {
                    match outbox.poll(false) {
                        Next::Send(message) => seen.see(&message)?,
                        Next::Wait => break,
                        other => prop_assert!(false, "{other:?}"),
                    }
                },
                Step::Pass(passed) => now += passed,
            }
            let held: usize = outbox.items.iter().map(Item::bytes).sum();
            prop_assert_eq!(outbox.bytes, held);
            prop_assert!(held <= SIMULCAST_QUEUE_BYTES_MAX);
            if let Some(front) = outbox.items.front() {
                prop_assert!(outbox.push.is_some() || front.begins());
            }
        }
        let waiting = outbox.items.iter().filter(|item| item.is_picture()).count();
        let known = seen.pictures + outbox.dropped() + waiting as u64;
        prop_assert!(known <= u64::try_from(mark).unwrap_or_default());
    }
}
