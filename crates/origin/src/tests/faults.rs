//! What happens when publishers vanish, return, collide, or send what cannot be shown.

use std::time::Duration;

use sapflow_rtmp::client::ClientError;

use super::{KEY, Show, count, publisher::Publisher};
use crate::{PublisherStatus, metrics::Refusal, shared::Patience};

fn refused_as(result: Result<Publisher, ClientError>) -> String {
    match result {
        Ok(_) => "accepted".to_owned(),
        Err(why) => why.to_string(),
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused_in_the_protocols_words() {
    let show = Show::start().await;
    let answer = refused_as(Publisher::connect(show.rtmp(), "a-wrong-key-0000").await);
    assert_eq!(answer, "RTMP publication refused: NetStream.Publish.Denied");
    assert_eq!(show.origin.shared.metrics.refused_count(Refusal::Key), 1);
}

#[tokio::test]
async fn a_key_works_with_an_encoders_own_parameters() {
    let show = Show::start().await;
    let publisher = Publisher::connect(show.rtmp(), &format!("{KEY}?bandwidthtest=true")).await;
    assert_eq!(refused_as(publisher), "accepted");
}

#[tokio::test]
async fn a_second_publisher_is_refused_and_the_first_goes_on() {
    let show = Show::start().await;
    let mut first = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    let answer = refused_as(Publisher::connect(show.rtmp(), KEY).await);
    assert_eq!(
        answer,
        "RTMP publication refused: NetStream.Publish.BadName"
    );
    assert_eq!(show.origin.shared.metrics.refused_count(Refusal::Busy), 1);
    first.send_until(2_200).await;
    show.until(|status| status.live && status.publisher == PublisherStatus::Connected)
        .await;
    let other = Publisher::connect(show.rtmp(), "other-key-5678").await;
    assert_eq!(refused_as(other), "accepted");
}

#[tokio::test]
async fn a_silent_publisher_makes_way_for_its_successor() {
    let patience = Patience {
        silence: Duration::ZERO,
        ..Patience::default()
    };
    let show = Show::start_with(Duration::from_secs(30), patience).await;
    let mut first = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    first.send_until(2_200).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let mut second = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    let why = first.until_dismissed().await;
    assert_eq!(
        why,
        ClientError::Refused("NetStream.Publish.Rejected".to_owned())
    );
    second.send_until(4_400).await;
    let text = show
        .get(&format!("{folder}/video.m3u8?_HLS_msn=3"))
        .await
        .text();
    assert_eq!(count(&text, "#EXT-X-DISCONTINUITY"), 1, "{text}");
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
}

#[tokio::test]
async fn a_publisher_that_returns_goes_on_after_one_discontinuity() {
    let show = Show::start().await;
    let mut first = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    first.send_until(4_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    assert_eq!(
        show.get(&format!("{folder}/video.m3u8?_HLS_msn=2"))
            .await
            .status,
        200
    );
    // A reset discards what the origin has not read yet, so the third segment is there or not.
    first.vanish();
    let lost = show
        .until(|status| status.publisher == PublisherStatus::Lost)
        .await;
    assert!(lost.live);

    let mut second = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    second.send_until(4_400).await;
    assert_eq!(show.folder().await, folder);
    for rendition in ["video", "audio"] {
        let path = format!("{folder}/{rendition}.m3u8?_HLS_msn=4");
        let text = show.get(&path).await.text();
        assert_eq!(count(&text, "#EXT-X-DISCONTINUITY"), 1, "{text}");
        assert_eq!(text.matches("#EXT-X-MAP:").count(), 1, "{text}");
        assert_eq!(count(&text, "#EXT-X-ENDLIST"), 0);
    }
}

#[tokio::test]
async fn a_changed_encoder_returns_with_a_new_init_section() {
    let show = Show::start().await;
    let mut first = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    first.send_until(2_200).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    first.vanish();
    show.until(|status| status.publisher == PublisherStatus::Lost)
        .await;
    let mut second = Publisher::connect_changed(show.rtmp(), KEY).await.unwrap();
    second.send_until(4_400).await;
    let text = show
        .get(&format!("{folder}/video.m3u8?_HLS_msn=3"))
        .await
        .text();
    assert!(
        text.contains("video/init-0.mp4") && text.contains("video/init-1.mp4"),
        "{text}"
    );
    let inits = [0, 1].map(|n| format!("{folder}/video/init-{n}.mp4"));
    assert_ne!(
        show.get(&inits[0]).await.bytes(),
        show.get(&inits[1]).await.bytes()
    );
    assert!(
        show.get("/live/demo/master.m3u8")
            .await
            .text()
            .contains("avc1.640020")
    );
    // The sound did not change.
    let audio = show
        .get(&format!("{folder}/audio.m3u8?_HLS_msn=3"))
        .await
        .text();
    assert!(!audio.contains("init-1.mp4"), "{audio}");
}

#[tokio::test]
async fn an_encoder_changes_its_settings_without_connecting_anew() {
    let show = Show::start().await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_000).await;
    publisher.change().await;
    publisher.send_until(8_200).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let playlist = async |name: &str| {
        show.get(&format!("{folder}/{name}.m3u8?_HLS_msn=4"))
            .await
            .text()
    };
    let video = playlist("video").await;
    // Two segments before and two after, and the change between them in this order.
    let (before, after) = video
        .split_once("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"video/init-1.mp4\"\n")
        .expect("a break with a new init section");
    assert!(
        before.contains("video/2.m4s") && !before.contains("init-1.mp4"),
        "{video}"
    );
    assert!(
        after.contains("video/3.m4s") && after.contains("video/4.m4s"),
        "{video}"
    );
    assert_eq!(count(&video, "#EXT-X-DISCONTINUITY"), 1);
    // The sound has the same break, and the init section that it had.
    let audio = playlist("audio").await;
    assert_eq!(count(&audio, "#EXT-X-DISCONTINUITY"), 1);
    assert!(!audio.contains("init-1.mp4"), "{audio}");
    let master = show.get("/live/demo/master.m3u8").await.text();
    assert!(master.contains("avc1.640020"), "{master}");
}

#[tokio::test]
async fn a_stream_ends_when_its_publisher_does_not_return() {
    let show = Show::start_with(Duration::from_millis(50), Patience::default()).await;
    let mut first = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    first.send_until(2_200).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    // A viewer that waits for more is told that there is no more.
    let (viewer, path) = (show.viewer(), format!("{folder}/video.m3u8?_HLS_msn=3"));
    let asked = tokio::spawn(async move { viewer.get(&path).await });
    first.vanish();
    let ended = show
        .until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    assert!(!ended.live && ended.since.is_none());
    let text = asked.await.unwrap().text();
    assert_eq!(count(&text, "#EXT-X-ENDLIST"), 1, "{text}");
    assert_eq!(show.get("/live/demo/master.m3u8").await.status, 404);
    assert_eq!(show.get(&format!("{folder}/video/1.m4s")).await.status, 200);

    let mut second = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    second.send_until(2_200).await;
    show.until(|status| status.live).await;
    assert_ne!(show.folder().await, folder);
}

#[tokio::test]
async fn keyframes_too_far_apart_are_refused_with_advice() {
    let show = Show::start().await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.set_keyframe_ms(20_000);
    publisher.send_until(12_000).await;
    let why = publisher.until_dismissed().await;
    assert_eq!(
        why,
        ClientError::Refused("NetStream.Publish.Rejected".to_owned())
    );
    show.until(|status| status.publisher != PublisherStatus::Connected)
        .await;
}

#[tokio::test]
async fn a_hole_in_an_unbroken_connection_is_a_discontinuity() {
    let show = Show::start().await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    publisher.skip_to(12_000);
    publisher.send_until(16_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let text = show
        .get(&format!("{folder}/video.m3u8?_HLS_msn=4"))
        .await
        .text();
    assert_eq!(count(&text, "#EXT-X-DISCONTINUITY"), 1, "{text}");
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
}

#[tokio::test]
async fn a_silent_publisher_is_lost() {
    let patience = Patience {
        idle: Duration::from_millis(100),
        ..Patience::default()
    };
    let show = Show::start_with(Duration::from_secs(30), patience).await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(2_200).await;
    let status = show
        .until(|status| status.publisher == PublisherStatus::Lost)
        .await;
    assert!(status.live);
    assert_eq!(publisher.until_dismissed().await, ClientError::Disconnected);
}

#[tokio::test]
async fn stopping_lets_everybody_go_without_ending_the_show() {
    let show = Show::start().await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(2_200).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let (viewer, path) = (show.viewer(), format!("{folder}/video.m3u8?_HLS_msn=3"));
    let asked = tokio::spawn(async move { viewer.get(&path).await });
    show.origin.shutdown().await;
    let answer = asked.await.unwrap();
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (503, "no-store")
    );
    assert_eq!(publisher.until_dismissed().await, ClientError::Disconnected);
    let text = show.get(&format!("{folder}/video.m3u8")).await.text();
    assert!(!text.contains("ENDLIST"), "{text}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let show = Show::start().await;
    let mut config = crate::OriginConfig::new(Vec::new());
    config.rtmp_listen = show.rtmp();
    let mut registry = prometheus_client::registry::Registry::default();
    let error = crate::Origin::start(config, &mut registry)
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("cannot listen for RTMP on {}: ", show.rtmp())),
        "{error}"
    );
}
