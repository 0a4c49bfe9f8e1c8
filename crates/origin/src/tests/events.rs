//! What is announced to happen at a time of the show.

use std::time::Duration;

use fanwave_live::WallTime;
use serde_json::json;

use super::{KEY, Show, long_ago, parts, publisher::Publisher, segments};
use crate::{AnnounceError, AttributeValue, DateRange, DateRangeSpec};

fn event(id: &str) -> DateRange {
    event_at(id, long_ago(), None)
}

fn event_at(id: &str, start: WallTime, duration: Option<Duration>) -> DateRange {
    DateRange::new(&DateRangeSpec {
        id: id.to_owned(),
        class: Some("org.example.song".to_owned()),
        start,
        duration,
        attributes: vec![(
            "X-TITLE".to_owned(),
            AttributeValue::Text("Encore \\ é".to_owned()),
        )],
    })
    .unwrap()
}

/// The boxes of a file, one after the other.
fn boxes(mut file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((length, rest)) = file.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        let name = String::from_utf8(rest[..4].to_vec()).unwrap();
        found.push((name, rest[4..length - 4].to_vec()));
        file = &file[length..];
    }
    found
}

/// An event that was found in a part.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// Ticks from the part's first decode time to the event.
    pub(super) offset: i64,
    /// Ticks.
    pub(super) duration: u32,
    /// What it says.
    pub(super) event: serde_json::Value,
}

/// The events in front of a part's media.
pub(super) fn found(part: &[u8]) -> Vec<Found> {
    let boxes = boxes(part);
    let [events @ .., (moof, media), (mdat, _)] = &boxes[..] else {
        panic!("a part ends with moof and mdat")
    };
    assert_eq!((moof.as_str(), mdat.as_str()), ("moof", "mdat"));
    let tfdt = media.windows(4).position(|name| name == b"tfdt").unwrap() + 4;
    // Version 1: 64 bits behind version and flags.
    assert_eq!(media[tfdt], 1);
    let decode_time = u64::from_be_bytes(media[tfdt + 4..tfdt + 12].try_into().unwrap());
    let read = |(name, emsg): &(String, Vec<u8>)| {
        assert_eq!((name.as_str(), &emsg[..4]), ("emsg", &[1, 0, 0, 0][..]));
        let field = |at: usize| u32::from_be_bytes(emsg[at..at + 4].try_into().unwrap());
        assert_eq!(field(4), 90_000, "the track's timescale");
        let time = u64::from_be_bytes(emsg[8..16].try_into().unwrap());
        let text = b"TXXX____--\x03fanwave.event\0".len();
        let frame = emsg.windows(4).position(|name| name == b"TXXX").unwrap();
        Found {
            offset: i64::try_from(time).unwrap() - i64::try_from(decode_time).unwrap(),
            duration: field(16),
            event: serde_json::from_slice(&emsg[frame + text..]).unwrap(),
        }
    };
    events.iter().map(read).collect()
}

#[tokio::test]
async fn an_event_goes_with_the_part_of_its_time_and_a_late_one_with_the_next() {
    let show = Show::start().await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    let since = show.until(|status| status.live).await.since.unwrap().0;
    let channel = "demo".parse().unwrap();
    let announce = |id: &str, millis: u64, duration| {
        let event = event_at(id, WallTime(since + millis), duration);
        show.origin.announce_event(&channel, event).unwrap();
    };
    announce("ahead", 7_125, Some(Duration::from_millis(1_500)));
    announce("late", 3_500, None);
    publisher.send_until(10_400).await;
    let folder = show.folder().await;
    let video = show
        .get(&format!("{folder}/video.m3u8?_HLS_msn=4"))
        .await
        .text();
    let mut carried = Vec::new();
    for (second, uri) in parts(&video).into_iter().enumerate() {
        for found in found(&show.get(&format!("{folder}/{uri}")).await.bytes()) {
            carried.push((second, found));
        }
    }
    let says = |id: &str, start: u64, rest: serde_json::Value| {
        let mut event = json!({
            "id": id, "class": "org.example.song", "start": start,
            "attributes": { "X-TITLE": "Encore \\ é" },
        });
        let rest = rest.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(rest);
        event
    };
    let late = Found {
        offset: -45_000,
        duration: u32::MAX,
        event: says("late", since + 3_500, json!({})),
    };
    let ahead = Found {
        offset: 11_250,
        duration: 135_000,
        event: says("ahead", since + 7_125, json!({ "duration_ms": 1_500 })),
    };
    assert_eq!(carried, [(4, late), (7, ahead)], "{video}");

    // A segment is its parts, and the sound says nothing of it.
    let segment = &segments(&video)[3];
    let whole = show.get(&format!("{folder}/{segment}")).await.bytes();
    assert!(whole.windows(4).any(|name| name == b"emsg"));
    let audio = show.get(&format!("{folder}/audio.m3u8")).await.text();
    for uri in parts(&audio) {
        let part = show.get(&format!("{folder}/{uri}")).await.bytes();
        assert_eq!(found(&part), [], "{uri}");
    }
}

#[tokio::test]
async fn an_event_is_in_every_playlist_and_wakes_nobody_for_nothing() {
    let show = Show::start().await;
    let announce = |channel: &str, id: &str| {
        let channel = channel.parse().unwrap();
        show.origin.announce_event(&channel, event(id))
    };
    assert_eq!(announce("nobody", "a"), Err(AnnounceError::NoChannel));
    assert_eq!(announce("demo", "a"), Err(AnnounceError::NotLive));
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    assert_eq!(announce("demo", "a"), Ok(()));
    let lines = |text: &str| {
        let lines = text.lines().filter(|l| l.starts_with("#EXT-X-DATERANGE:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let video = show.get(&format!("{folder}/video.m3u8")).await.text();
    let audio = show.get(&format!("{folder}/audio.m3u8")).await.text();
    assert_eq!(lines(&video), lines(&audio));
    assert_eq!(lines(&video).len(), 1, "{video}");
    assert!(
        lines(&video)[0]
            .starts_with("#EXT-X-DATERANGE:ID=\"a\",CLASS=\"org.example.song\",START-DATE=")
    );
    assert_eq!(announce("demo", "a"), Err(AnnounceError::IdUsed));
}
