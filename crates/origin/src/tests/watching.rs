//! What viewers get while all is well.

use std::{sync::Arc, time::Duration};

use fanwave_live::{Moment, WallTime};

use tokio::time::Instant;

use super::{DEADLINE, KEY, Show, count, hint, long_ago, parts, publisher::Publisher, segments};
use crate::{limits::WAITING_REQUESTS_MAX, shared::Patience};

/// A show with two whole segments and 400 ms of the third.
async fn on_air() -> (Show, Publisher, String) {
    let show = Show::start().await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    // The second segment ends when the picture after it arrives.
    assert_eq!(
        show.get(&format!("{folder}/video.m3u8?_HLS_msn=2"))
            .await
            .status,
        200
    );
    (show, publisher, folder)
}

#[tokio::test]
async fn the_multivariant_playlist_names_the_renditions() {
    let (show, _publisher, _) = on_air().await;
    let answer = show.get("/live/demo/master.m3u8").await;
    assert_eq!(
        answer.header("content-type"),
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(answer.header("cache-control"), "public, max-age=3");
    let text = answer.text();
    for part in [
        "avc1.64001f",
        "mp4a.40.2",
        "RESOLUTION=1280x720",
        "FRAME-RATE=30.000",
        "/audio.m3u8",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(show.get("/live/other/master.m3u8").await.status, 404);
    assert_eq!(show.get("/live/nobody/master.m3u8").await.status, 404);
}

#[tokio::test]
async fn who_asks_for_the_pictures_playlist_is_counted_and_nobody_twice() {
    let (show, _publisher, folder) = on_air().await;
    for _ in 0..20 {
        show.get(&format!("{folder}/video.m3u8")).await;
        show.get(&format!("{folder}/audio.m3u8")).await;
        show.get(&format!("{folder}/video.m3u8?_HLS_part=0")).await;
        show.get("/live/demo/master.m3u8").await;
    }
    let shared = &show.origin.shared;
    let soon = Moment(shared.clock.now().0 + Duration::from_secs(9));
    // Whoever does not wait comes again after 6 s: in the 9 to 12 s that are looked at, two requests are a viewer or less.
    let viewers = shared.audience.count(soon);
    assert!((10..=14).contains(&viewers), "{viewers}");
}

#[tokio::test]
async fn a_blocked_playlist_has_the_part_that_was_asked_for() {
    let (show, mut publisher, folder) = on_air().await;
    for rendition in ["video", "audio"] {
        let plain = show.get(&format!("{folder}/{rendition}.m3u8")).await;
        assert_eq!(plain.header("cache-control"), "public, max-age=3");
        assert!(
            !plain
                .text()
                .contains(&format!("{rendition}/3.0.m4s\",DURATION")),
            "not made yet"
        );
    }
    let (viewer, path) = (
        show.viewer(),
        format!("{folder}/video.m3u8?_HLS_msn=3&_HLS_part=0"),
    );
    let asked = tokio::spawn(async move { viewer.get(&path).await });
    publisher.send_until(5_400).await;
    let answer = asked.await.unwrap();
    assert_eq!(answer.header("cache-control"), "public, max-age=36");
    let text = answer.text();
    assert!(parts(&text).contains(&"video/3.0.m4s".to_owned()), "{text}");
    assert!(
        text.contains("#EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\""),
        "{text}"
    );
}

#[tokio::test]
async fn the_hinted_part_is_held_until_it_is_made() {
    let (show, mut publisher, folder) = on_air().await;
    let hinted = format!(
        "{folder}/{}",
        hint(&show.get(&format!("{folder}/video.m3u8")).await.text())
    );
    assert!(hinted.ends_with("video/3.0.m4s"), "{hinted}");
    let (viewer, path) = (show.viewer(), hinted.clone());
    let asked = tokio::spawn(async move { viewer.get(&path).await });
    let beyond = show.get(&format!("{folder}/video/3.1.m4s")).await;
    assert_eq!(
        (beyond.status, beyond.header("cache-control")),
        (404, "no-store")
    );
    publisher.send_until(5_400).await;
    let held = asked.await.unwrap().bytes();
    assert_eq!(held, show.get(&hinted).await.bytes());
    assert_eq!(&held[4..8], b"moof");
}

#[tokio::test]
async fn a_segment_is_its_parts_one_after_the_other() {
    let (show, _publisher, folder) = on_air().await;
    for rendition in ["video", "audio"] {
        let text = show
            .get(&format!("{folder}/{rendition}.m3u8?_HLS_msn=2"))
            .await
            .text();
        let mut joined = Vec::new();
        for part in parts(&text).iter().filter(|uri| uri.contains("/1.")) {
            joined.extend(show.get(&format!("{folder}/{part}")).await.bytes());
        }
        assert!(!joined.is_empty());
        assert_eq!(
            show.get(&format!("{folder}/{}", segments(&text)[0]))
                .await
                .bytes(),
            joined
        );
    }
}

#[tokio::test]
async fn directives_without_sense_are_refused_at_once() {
    let (show, _publisher, folder) = on_air().await;
    for query in [
        "_HLS_msn=1000",
        "_HLS_part=1",
        "_HLS_msn=x",
        "_HLS_msn=3&_HLS_part=9",
    ] {
        let answer = show.get(&format!("{folder}/video.m3u8?{query}")).await;
        assert_eq!(
            (answer.status, answer.header("cache-control")),
            (400, "no-store"),
            "{query}"
        );
    }
    for path in [
        "nothing.m3u8",
        "video/x.m4s",
        "video/init-1.mp4",
        "video/99.m4s",
        "sound/1.m4s",
    ] {
        assert_eq!(
            show.get(&format!("{folder}/{path}")).await.status,
            404,
            "{path}"
        );
    }
    assert_eq!(
        show.get("/live/demo/0123456789abcdef/video.m3u8")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn media_is_served_whole_in_ranges_and_as_a_head() {
    let (show, _publisher, folder) = on_air().await;
    let path = format!("{folder}/video/1.m4s");
    let whole = show.get(&path).await;
    assert_eq!(whole.header("content-type"), "video/mp4");
    assert_eq!(whole.header("cache-control"), "public, max-age=36");
    assert_eq!(whole.header("access-control-allow-origin"), "*");
    assert!(
        whole
            .header("access-control-expose-headers")
            .contains("Age")
    );
    assert!(whole.headers.contains_key("date"));
    let length = whole.body.len();
    assert_eq!(whole.header("content-length"), length.to_string());
    let whole = whole.bytes();

    let range = show
        .viewer()
        .ask("GET", &path, "Range: bytes=700-9007199254740991\r\n")
        .await;
    assert_eq!(range.status, 206);
    assert_eq!(
        range.header("content-range"),
        format!("bytes 700-{}/{length}", length - 1)
    );
    assert_eq!(range.body, whole[700..]);

    let beyond = show
        .viewer()
        .ask("GET", &path, "Range: bytes=99999999-\r\n")
        .await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, &*format!("bytes */{length}"))
    );

    let head = show.viewer().ask("HEAD", &path, "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), length.to_string());

    let init = show.get(&format!("{folder}/audio/init-0.mp4")).await;
    assert_eq!(
        (init.header("content-type"), &init.body[4..8]),
        ("audio/mp4", &b"ftyp"[..])
    );
    assert_eq!(show.viewer().ask("OPTIONS", &path, "").await.status, 204);
    assert_eq!(show.viewer().ask("POST", &path, "").await.status, 405);
}

#[tokio::test]
async fn playlists_are_packed_for_whoever_takes_it() {
    let (show, _publisher, folder) = on_air().await;
    for path in [
        format!("{folder}/video.m3u8"),
        "/live/demo/master.m3u8".to_owned(),
    ] {
        let plain = show.get(&path).await;
        let packed = show
            .viewer()
            .ask("GET", &path, "Accept-Encoding: br, gzip\r\n")
            .await;
        assert_eq!(plain.header("vary"), "Accept-Encoding");
        assert_eq!(packed.header("vary"), "Accept-Encoding");
        assert_eq!(
            (
                plain.header("content-encoding"),
                packed.header("content-encoding")
            ),
            ("", "gzip")
        );
        assert!(packed.body.len() < plain.body.len());
        assert_eq!(packed.text(), plain.text());
    }
}

#[tokio::test]
async fn both_renditions_are_dated_by_the_origins_clock_and_cut_together() {
    let before = long_ago();
    let (show, _publisher, folder) = on_air().await;
    let date = |text: &str| {
        let line = text
            .lines()
            .find(|l| l.starts_with("#EXT-X-PROGRAM-DATE-TIME:"))
            .expect("a date");
        line.to_owned()
    };
    let video = show
        .get(&format!("{folder}/video.m3u8?_HLS_msn=2"))
        .await
        .text();
    let audio = show
        .get(&format!("{folder}/audio.m3u8?_HLS_msn=2"))
        .await
        .text();
    assert_eq!(date(&video), date(&audio));
    let dated = |wall: WallTime| format!("#EXT-X-PROGRAM-DATE-TIME:{wall}");
    // The pictures came in faster than they play: they begin as long before as they last.
    let earliest = WallTime(before.0 - 10_000);
    assert!(
        (dated(earliest)..=dated(long_ago())).contains(&date(&video)),
        "{video}"
    );
    assert_eq!(count(&video, "#EXTINF:2.00000,"), 2, "{video}");
    assert_eq!(
        (segments(&video).len(), segments(&audio).len()),
        (2, 2),
        "{audio}"
    );
}

#[tokio::test]
async fn no_more_requests_wait_than_there_are_places() {
    let (show, mut publisher, folder) = on_air().await;
    let places = u32::try_from(WAITING_REQUESTS_MAX).unwrap();
    let taken = Arc::clone(&show.origin.shared.waiting)
        .acquire_many_owned(places)
        .await
        .unwrap();
    let blocking = format!("{folder}/video.m3u8?_HLS_msn=3");
    let answer = show.get(&blocking).await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (503, "no-store")
    );
    // What need not wait is answered as ever.
    assert_eq!(show.get(&format!("{folder}/video.m3u8")).await.status, 200);
    drop(taken);
    publisher.send_until(6_400).await;
    assert_eq!(show.get(&blocking).await.status, 200);
}

#[tokio::test]
async fn who_waits_for_what_does_not_come_is_told_so_after_three_target_durations() {
    let patience = Patience {
        starving: DEADLINE,
        idle: DEADLINE,
        ..Patience::default()
    };
    let show = Show::start_with(DEADLINE, patience).await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let waits = |file: &str| {
        let (viewer, path) = (show.viewer(), format!("{folder}/{file}"));
        tokio::spawn(async move {
            let asked = Instant::now();
            let answer = viewer.get(&path).await;
            (answer.status, asked.elapsed())
        })
    };
    let counted = || show.origin.shared.metrics.waiting_requests.get();
    let mut asked = Vec::new();
    // Not only the first of a rendition, and not only of one.
    for (number, file) in ["video.m3u8", "video.m3u8", "audio.m3u8"]
        .iter()
        .enumerate()
    {
        asked.push(waits(&format!("{file}?_HLS_msn=3")));
        while counted() <= i64::try_from(number).unwrap() {
            tokio::task::yield_now().await;
        }
    }
    // Nothing is under way from here on but the clocks.
    tokio::time::pause();
    let hold = show.stream().config().hold_max();
    for asked in asked {
        let (status, waited) = asked.await.unwrap();
        assert_eq!(status, 503);
        assert!(
            (hold..hold + Duration::from_secs(1)).contains(&waited),
            "{waited:?}"
        );
    }
    assert_eq!(counted(), 0);
}

#[tokio::test]
async fn what_happens_is_counted() {
    let mut registry = prometheus_client::registry::Registry::default();
    let show = Show::start_in(&mut registry, Duration::from_secs(30), Patience::default()).await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(2_200).await;
    show.until(|status| status.live).await;
    show.get("/live/demo/master.m3u8").await;
    Publisher::connect(show.rtmp(), "a-wrong-key-0000")
        .await
        .map(|_| ())
        .unwrap_err();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "origin_publishers 1",
        "origin_playlist_requests_total 1",
        "origin_waiting_requests 0",
        "origin_publishers_refused_total{reason=\"key\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in {text}");
    }
    assert!(
        text.contains("origin_rtmp_received_bytes_total ") && text.contains("origin_parts_total "),
        "{text}"
    );
}
