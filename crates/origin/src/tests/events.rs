//! What is announced to happen at a time of the show.

use super::{KEY, Show, long_ago, publisher::Publisher};
use crate::{AnnounceError, DateRange, DateRangeSpec};

fn event(id: &str) -> DateRange {
    DateRange::new(&DateRangeSpec {
        id: id.to_owned(),
        class: Some("org.example.song".to_owned()),
        start: long_ago(),
        duration: None,
        attributes: Vec::new(),
    })
    .unwrap()
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
