//! Origins that hear the same encoder, numbered from the clock: whenever each began, they serve the same.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use fanwave_live::{Asked, Media, MediaSeq, Moment, Query, WallTime};
use fanwave_media::limits::KEYFRAME_WAIT_MS;
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use proptest::prelude::*;

use super::{KEY, publisher::AVC};
use crate::{
    ChannelConfig, LadderConfig, Numbering, OriginConfig, Secret, Takeover, ThumbnailsConfig,
    channel::{Channel, Makes, Waits},
    clock::Clock,
    ladder::Ladder,
    metrics::Metrics,
    packager::{PackError, Packager},
    rtmp::session::Event,
    simulcast::Simulcast,
    stream::{Found, Reply, Stream},
    thumbnails::Thumbnails,
};

/// 2026-11-22T19:00:00Z, which it stays: the origins' own clock is only to say which day it is.
fn showtime() -> WallTime {
    WallTime(1_795_374_000_000)
}

/// What an encoder sends, with the time of day as timestamps.
#[derive(Debug, Clone)]
struct Tag {
    /// Milliseconds since showtime.
    at: u64,
    video: bool,
    body: Bytes,
}

impl Tag {
    fn event(&self) -> Event {
        let wall = showtime().0 + self.at;
        // Some encoders write 31 bits of it.
        let timestamp = u32::try_from(wall & 0x7fff_ffff).unwrap();
        let body = self.body.clone();
        if self.video {
            Event::Video { timestamp, body }
        } else {
            Event::Audio { timestamp, body }
        }
    }
}

/// How an encoder is set.
#[derive(Debug, Clone)]
struct Encoder {
    /// Milliseconds from picture to picture, over and over.
    pictures: Vec<u64>,
    /// Pictures from one keyframe to the next.
    gop: usize,
    audio_rate: u64,
    /// Sound begins so much after the pictures, milliseconds.
    audio_after: u64,
    /// Nothing was made here, milliseconds.
    hole: Option<(u64, u64)>,
}

impl Encoder {
    /// AAC-LC, stereo.
    fn aac(&self) -> &'static [u8] {
        match self.audio_rate {
            44_100 => &[0x12, 0x10],
            _ => &[0x11, 0x90],
        }
    }

    fn tags(&self, millis: u64) -> Vec<Tag> {
        let mut tags = Vec::new();
        let (mut at, mut count) = (0, 0);
        while at < millis {
            let kind = if count % self.gop == 0 { 0x17 } else { 0x27 };
            let nal = if kind == 0x17 { 0x65 } else { 0x41 };
            let mut body = vec![kind, 1, 0, 0, 0, 0, 0, 0, 4, nal, 0x88];
            body.extend(u16::try_from(count).unwrap().to_be_bytes());
            tags.push(Tag {
                at,
                video: true,
                body: body.into(),
            });
            at += self.pictures[count % self.pictures.len()];
            count += 1;
        }
        for frame in 0.. {
            let at = self.audio_after + frame * 1_024 * 1_000 / self.audio_rate;
            if at >= millis {
                break;
            }
            let mut body = vec![0xaf, 1];
            body.extend(frame.to_be_bytes());
            tags.push(Tag {
                at,
                video: false,
                body: body.into(),
            });
        }
        tags.sort_by_key(|tag| (tag.at, !tag.video));
        let (from, to) = self.hole.unwrap_or_default();
        tags.retain(|tag| !(from..to).contains(&tag.at));
        tags
    }
}

/// Whether whoever joins then has a keyframe before an origin would refuse the encoder for having none.
fn can_begin(tags: &[Tag], joined: u64) -> bool {
    let mut pictures = tags.iter().filter(|tag| tag.video && tag.at >= joined);
    let waits_until = joined + KEYFRAME_WAIT_MS.unsigned_abs();
    pictures.any(|tag| tag.body[0] == 0x17 && tag.at < waits_until)
}

fn encoder() -> impl Strategy<Value = Encoder> {
    let pictures = prop_oneof![
        Just(vec![40]),
        Just(vec![33, 33, 34]),
        Just(vec![33, 34, 33, 33, 34]),
        Just(vec![16, 17, 17]),
    ];
    let hole = prop::option::weighted(0.3, (12_000_u64..16_000, 2_600_u64..9_000));
    (
        pictures,
        300_u64..2_900,
        prop_oneof![Just(44_100_u64), Just(48_000)],
        0_u64..50,
        hole,
    )
        .prop_map(|(pictures, gop_millis, audio_rate, audio_after, hole)| {
            let mean = pictures.iter().sum::<u64>() / pictures.len() as u64;
            Encoder {
                gop: usize::try_from(gop_millis / (mean + 1)).unwrap().max(1),
                pictures,
                audio_rate,
                audio_after,
                hole: hole.map(|(from, lasts)| (from, from + lasts)),
            }
        })
}

/// One origin.
struct Twin {
    channel: Arc<Channel>,
    packager: Packager,
}

impl Twin {
    fn new() -> Self {
        let config = ChannelConfig {
            id: "demo".parse().unwrap(),
            stream_key: Secret::new(KEY),
            takeover: Takeover::Refuse,
            numbering: Numbering::Clock,
        };
        let waits = Waits {
            reconnect_window: Duration::from_secs(30),
            silence: Duration::from_secs(3),
            starving: Duration::from_secs(6),
            recovery: Duration::from_secs(10),
        };
        let settings = OriginConfig::new(Vec::new()).live_settings();
        let metrics = Metrics::register(&mut Registry::default());
        let ladder = Ladder::new(
            LadderConfig::default(),
            Duration::from_secs(5),
            metrics.ladder,
        );
        let thumbnails = Thumbnails::new(
            ThumbnailsConfig::default(),
            "ffmpeg".into(),
            metrics.thumbnails,
        );
        let clock = Clock::start(showtime);
        let makes = Makes {
            ladder: Arc::new(ladder),
            thumbnails: Arc::new(thumbnails),
            archive: None,
            simulcast: Simulcast::of(&config.id, &[], clock),
        };
        let teller = crate::news::Teller::new(clock);
        let channel = Channel::new(config, &settings, makes, (waits, clock), teller);
        let channel = Arc::new(channel);
        let packager = Packager::new(channel.claim().unwrap(), Counter::default());
        Self { channel, packager }
    }

    /// Hears what the encoder sends from `from` on, after the codec configurations.
    fn hear(&mut self, encoder: &Encoder, tags: &[Tag], from: u64) -> Result<(), PackError> {
        let config = |video, head: &[u8], record: &[u8]| Tag {
            at: from,
            video,
            body: [head, record].concat().into(),
        };
        let configs = [
            config(true, &[0x17, 0, 0, 0, 0], AVC),
            config(false, &[0xaf, 0], encoder.aac()),
        ];
        let heard = tags.iter().filter(|tag| tag.at >= from);
        for tag in configs.iter().chain(heard) {
            self.packager.handle(&tag.event())?;
        }
        Ok(())
    }

    fn stream(&self) -> Arc<Stream> {
        self.channel.current().expect("a stream")
    }

    /// A rendition's playlist, and the bytes of each part of each of its segments.
    fn serves(&self, rendition: &str) -> (String, BTreeMap<MediaSeq, Vec<Bytes>>) {
        let stream = self.stream();
        let id = stream.config().rendition(rendition).expect("a rendition");
        let asked = Asked::first(Moment::default());
        let Reply::Ready(playlist) = stream.playlist(asked, id, &Query::PLAIN) else {
            panic!("a playlist");
        };
        let text = String::from_utf8(playlist.text().to_vec()).unwrap();
        let whole = |line: &str| {
            let name = line.strip_prefix(rendition)?.strip_prefix('/')?;
            Some(MediaSeq(name.strip_suffix(".m4s")?.parse().ok()?))
        };
        let pieces = |msn| match stream.media(asked, id, Media::Segment(msn)) {
            Reply::Ready(Found::Pieces(pieces)) => Some((msn, pieces)),
            _ => None,
        };
        let media = text.lines().filter_map(whole).filter_map(pieces).collect();
        (text, media)
    }
}

/// A playlist from its first date on: without what says how much was before.
fn from_first_date(text: &str) -> &str {
    &text[text.find("#EXT-X-PROGRAM-DATE-TIME:").expect("a date")..]
}

proptest! {
    #[test]
    fn whoever_joins_later_serves_the_same(encoder in encoder(), joined in 0_u64..11_000) {
        let tags = encoder.tags(40_000);
        prop_assume!(can_begin(&tags, joined));
        let (mut first, mut second) = (Twin::new(), Twin::new());
        first.hear(&encoder, &tags, 0).unwrap();
        second.hear(&encoder, &tags, joined).unwrap();
        let prefix = |twin: &Twin| twin.stream().prefix().to_owned();
        prop_assert_eq!(prefix(&first), prefix(&second));
        for rendition in ["video", "audio"] {
            let (all, earlier) = first.serves(rendition);
            let (late, later) = second.serves(rendition);
            prop_assert!(later.len() >= 2, "{late}");
            let since = WallTime(showtime().0 + joined).0 / 3_000;
            prop_assert!(later.keys().all(|msn| msn.0 > since), "what may have been served before is not served again");
            for (msn, parts) in &later {
                prop_assert!(Some(parts) == earlier.get(msn), "{rendition} {msn}");
            }
            prop_assert!(all.ends_with(from_first_date(&late)), "{rendition}");
        }
    }

    #[test]
    fn encoders_of_one_clock_make_playlists_that_differ_in_nothing(encoder in encoder(), joined in 0_u64..11_000) {
        let tags = encoder.tags(40_000);
        prop_assume!(can_begin(&tags, joined));
        let mut others = tags.clone();
        for tag in others.iter_mut().filter(|tag| tag.video) {
            // Another picture, of another size.
            tag.body = [&tag.body[..], &[0x88; 9]].concat().into();
            let payload = u32::try_from(tag.body.len() - 9).unwrap();
            tag.body = [&tag.body[..5], &payload.to_be_bytes(), &tag.body[9..]].concat().into();
        }
        let (mut first, mut second) = (Twin::new(), Twin::new());
        first.hear(&encoder, &tags, 0).unwrap();
        second.hear(&encoder, &others, joined).unwrap();
        let prefix = |twin: &Twin| twin.stream().prefix().to_owned();
        prop_assert_eq!(prefix(&first), prefix(&second));
        for rendition in ["video", "audio"] {
            let ((all, _), (late, _)) = (first.serves(rendition), second.serves(rendition));
            prop_assert!(all.ends_with(from_first_date(&late)), "{rendition}");
        }
    }

    #[test]
    fn a_segment_has_the_number_of_its_cell(encoder in encoder()) {
        let mut twin = Twin::new();
        twin.hear(&encoder, &encoder.tags(40_000), 0).unwrap();
        let (text, _) = twin.serves("video");
        let lines: Vec<_> = text.lines().collect();
        let dates = lines.iter().enumerate().filter(|(_, line)| line.starts_with("#EXT-X-PROGRAM-DATE-TIME:"));
        for (index, date) in dates {
            let Some(uri) = lines[index..].iter().find(|line| line.starts_with("video/")) else { break };
            let is_gap = lines[index..].iter().take_while(|line| **line != *uri).any(|line| *line == "#EXT-X-GAP");
            let msn: u64 = uri.trim_start_matches("video/").trim_end_matches(".m4s").parse().unwrap();
            let cell = WallTime(msn * 3_000);
            let next = WallTime((msn + 1) * 3_000);
            let dated = |at: WallTime| format!("#EXT-X-PROGRAM-DATE-TIME:{at}");
            let (from, to) = (dated(cell), dated(next));
            prop_assert!(is_gap || (from.as_str()..to.as_str()).contains(date), "{uri} {date}");
        }
    }
}

#[test]
fn nobody_begins_with_the_last_picture_before_a_hole() {
    let encoder = Encoder {
        pictures: vec![40],
        gop: 41,
        audio_rate: 44_100,
        audio_after: 11,
        hole: Some((13_121, 17_441)),
    };
    let tags = encoder.tags(40_000);
    let (mut first, mut second) = (Twin::new(), Twin::new());
    first.hear(&encoder, &tags, 0).unwrap();
    // A keyframe at 13,120 ms is the first that this one could begin with.
    second.hear(&encoder, &tags, 6_561).unwrap();
    for rendition in ["video", "audio"] {
        let ((all, _), (late, _)) = (first.serves(rendition), second.serves(rendition));
        assert!(all.ends_with(from_first_date(&late)), "{rendition}: {late}");
    }
}

#[test]
fn keyframes_further_apart_than_a_cell_and_times_of_another_clock_are_refused() {
    let encoder = Encoder {
        pictures: vec![40],
        gop: 100,
        audio_rate: 48_000,
        audio_after: 0,
        hole: None,
    };
    let why = Twin::new()
        .hear(&encoder, &encoder.tags(30_000), 0)
        .unwrap_err();
    assert_eq!(
        why.to_string(),
        "the keyframe interval is longer than 3s: set it to 2 s in the encoder"
    );
    let from_zero = Encoder { gop: 50, ..encoder };
    let tags: Vec<_> = from_zero
        .tags(10_000)
        .into_iter()
        .map(|tag| Tag {
            at: tag.at + 3_600_000,
            ..tag
        })
        .collect();
    let why = Twin::new().hear(&from_zero, &tags, 0).unwrap_err();
    assert!(matches!(why, PackError::NotTheClock { .. }), "{why}");
}
