//! Two encoders of one channel, and encoders that send nothing for a while.

use std::time::Duration;

use sapflow_rtmp::client::ClientError;
use tokio::time::{interval, timeout};

use super::{DEADLINE, KEY, Show, count, publisher::Publisher};
use crate::{PublisherStatus, Takeover, metrics::Refusal, shared::Patience};

/// One picture.
const PACE_MS: u32 = 40;

const DISCONTINUITY: &str = "#EXT-X-DISCONTINUITY";

/// A show that notices silence after a moment.
fn impatient() -> Patience {
    Patience {
        silence: Duration::from_millis(300),
        recovery: Duration::from_millis(600),
        ..Patience::default()
    }
}

/// Has the publishers send, at the pace of an encoder, until the pictures' playlist is as wanted. Faster, they would have sent
/// minutes of media by the time that somebody is taken for starved, or for recovered.
async fn send_until_shown(
    show: &Show,
    publishers: &mut [&mut Publisher],
    folder: &str,
    wanted: impl Fn(&str) -> bool,
) -> String {
    let path = format!("{folder}/video.m3u8");
    let sending = async {
        let mut pace = interval(Duration::from_millis(PACE_MS.into()));
        loop {
            pace.tick().await;
            for publisher in publishers.iter_mut() {
                publisher.send_for(PACE_MS).await;
            }
            let text = show.get(&path).await.text();
            if wanted(&text) {
                return text;
            }
        }
    };
    timeout(DEADLINE, sending).await.expect("shown in time")
}

/// A show with a main encoder that has sent 4.4 s, and a backup that has sent as much.
async fn two(patience: Patience) -> (Show, Publisher, Publisher, String) {
    let show = Show::start_taking_over(Takeover::Backup, patience).await;
    let mut main = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    main.send_until(4_400).await;
    show.until(|status| status.live && !status.standby).await;
    let mut backup = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    show.until(|status| status.standby).await;
    backup.send_until(4_400).await;
    let folder = show.folder().await;
    (show, main, backup, folder)
}

#[tokio::test]
async fn a_backup_is_shown_once_the_main_encoder_is_gone() {
    let (show, mut main, mut backup, folder) = two(Patience::default()).await;
    let text = send_until_shown(&show, &mut [&mut main], &folder, |text| {
        text.contains("video/4.m4s")
    })
    .await;
    assert_eq!(
        count(&text, DISCONTINUITY),
        0,
        "the backup is not shown: {text}"
    );
    main.vanish();
    let status = show.until(|status| !status.standby).await;
    assert_eq!(status.publisher, PublisherStatus::Connected);
    let text = send_until_shown(&show, &mut [&mut backup], &folder, |text| {
        count(text, DISCONTINUITY) > 0
    })
    .await;
    assert_eq!(count(&text, DISCONTINUITY), 1, "{text}");
    assert_eq!(text.matches("#EXT-X-MAP:").count(), 1, "{text}");
    // Whoever comes now is the backup's backup.
    let third = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    show.until(|status| status.standby).await;
    drop(third);
    show.until(|status| !status.standby).await;
}

#[tokio::test]
async fn a_third_encoder_is_refused() {
    let (show, _main, _backup, _) = two(Patience::default()).await;
    let third = Publisher::connect(show.rtmp(), KEY).await;
    assert!(third.is_err());
    assert_eq!(show.origin.shared.metrics.refused_count(Refusal::Busy), 1);
}

#[tokio::test]
async fn a_backup_is_shown_while_the_main_encoder_starves_and_not_for_longer() {
    let (show, mut main, mut backup, folder) = two(impatient()).await;
    let text = send_until_shown(&show, &mut [&mut backup], &folder, |text| {
        count(text, DISCONTINUITY) > 0
    })
    .await;
    assert_eq!(count(&text, DISCONTINUITY), 1, "{text}");
    // Both are well: the main encoder is shown again, after one more discontinuity.
    let text = send_until_shown(&show, &mut [&mut main, &mut backup], &folder, |text| {
        count(text, DISCONTINUITY) > 1
    })
    .await;
    assert_eq!(count(&text, DISCONTINUITY), 2, "{text}");
    // And stays: the backup stands by, connected.
    let status = show.until(|status| status.standby).await;
    assert_eq!(status.publisher, PublisherStatus::Connected);
    backup.vanish();
    show.until(|status| !status.standby).await;
    let text = show.get(&format!("{folder}/video.m3u8")).await.text();
    assert!(count(&text, DISCONTINUITY) <= 2, "{text}");
    assert_eq!(count(&text, "#EXT-X-ENDLIST"), 0);
}

#[tokio::test]
async fn the_newest_encoder_wins_where_that_is_the_rule() {
    let show = Show::start_taking_over(Takeover::Replace, Patience::default()).await;
    let mut first = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    first.send_until(4_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let mut second = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    let why = first.until_dismissed().await;
    assert_eq!(
        why,
        ClientError::Refused("NetStream.Publish.Rejected".to_owned())
    );
    let text = send_until_shown(&show, &mut [&mut second], &folder, |text| {
        count(text, DISCONTINUITY) > 0
    })
    .await;
    assert_eq!(count(&text, DISCONTINUITY), 1, "{text}");
}

#[tokio::test]
async fn viewers_of_an_encoder_that_is_gone_are_given_a_gap() {
    let show = Show::start().await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_000).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    publisher.vanish();
    show.until(|status| status.publisher == PublisherStatus::Lost)
        .await;
    for rendition in ["video", "audio"] {
        let text = show
            .get(&format!("{folder}/{rendition}.m3u8?_HLS_msn=3"))
            .await
            .text();
        assert_eq!(count(&text, "#EXT-X-GAP"), 1, "{text}");
        assert!(text.contains(",GAP=YES"), "{text}");
        assert!(!text.contains("#EXT-X-PRELOAD-HINT"), "{text}");
        let gone = show.get(&format!("{folder}/{rendition}/3.m4s")).await;
        assert_eq!(gone.status, 404);
    }
}

#[tokio::test]
async fn an_encoder_that_sends_nothing_leaves_a_gap_and_goes_on_behind_it() {
    let patience = Patience {
        starving: Duration::from_millis(100),
        ..Patience::default()
    };
    let show = Show::start_taking_over(Takeover::Refuse, patience).await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let text = show
        .get(&format!("{folder}/video.m3u8?_HLS_msn=4"))
        .await
        .text();
    assert!(text.contains("#EXT-X-GAP"), "{text}");
    let status = show.until(|status| status.live).await;
    assert_eq!(status.publisher, PublisherStatus::Connected);
    let text = send_until_shown(&show, &mut [&mut publisher], &folder, |text| {
        count(text, DISCONTINUITY) > 0
    })
    .await;
    assert_eq!(count(&text, DISCONTINUITY), 1, "{text}");
}
