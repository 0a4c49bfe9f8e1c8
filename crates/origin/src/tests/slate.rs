//! What is shown while an encoder is away, made by a real `ffmpeg`.

use std::{path::PathBuf, time::Duration};

use prometheus_client::registry::Registry;
use tokio::process::Command;

use super::{
    DEADLINE, KEY, Show, count,
    encoder::{ffmpeg_to, judge},
    news::until,
    segments, simulcast,
};
use crate::{LadderConfig, PublisherStatus, PushState, What, shared::Patience};

const DISCONTINUITY: &str = "#EXT-X-DISCONTINUITY";

/// A picture of other proportions than the show's.
async fn picture(folder: &tempfile::TempDir) -> PathBuf {
    let file = folder.path().join("away.png");
    let arguments = "-v error -f lavfi -i color=red:size=100x100 -frames:v 1";
    let made = Command::new("ffmpeg")
        .args(arguments.split_ascii_whitespace())
        .arg(&file)
        .status()
        .await
        .unwrap();
    assert!(made.success());
    file
}

async fn show(slate: PathBuf, reconnect_window: Duration) -> Show {
    Show::start_so(&mut Registry::default(), Patience::default(), |config| {
        config.reconnect_window = reconnect_window;
        config.ladder = LadderConfig {
            slate: Some(slate),
            ..LadderConfig::default()
        };
    })
    .await
}

/// Publishes nine seconds of 320x180, and goes.
async fn publish(show: &Show) {
    let mut encoder = ffmpeg_to(&format!("rtmp://{}/live/{KEY}", show.rtmp()), "flv");
    encoder.wait().await.unwrap();
}

/// The pictures' playlist once it is as wanted, asked for again with each new segment.
async fn playlist(show: &Show, folder: &str, wanted: impl Fn(&str) -> bool) -> String {
    let asking = async {
        let mut msn = 1;
        loop {
            let path = format!("{folder}/video.m3u8?_HLS_msn={msn}");
            let text = show.get(&path).await.text();
            if wanted(&text) {
                return text;
            }
            msn += 1;
        }
    };
    let found = tokio::time::timeout(DEADLINE, asking).await;
    found.expect("the playlist is as wanted in time")
}

/// What is behind the last discontinuity.
fn tail(playlist: &str) -> &str {
    let at = playlist.rfind(DISCONTINUITY);
    at.map_or("", |at| &playlist[at + DISCONTINUITY.len()..])
}

#[tokio::test]
async fn a_picture_is_shown_while_the_encoder_is_away_and_the_show_goes_on_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let show = show(picture(&folder).await, DEADLINE).await;
    let mut news = show.origin.listen();
    publish(&show).await;
    show.until(|status| status.live && status.publisher == PublisherStatus::Lost)
        .await;
    let folder = show.folder().await;
    let shown = |text: &str| {
        count(text, DISCONTINUITY) == 1
            && !tail(text).contains("GAP")
            && segments(tail(text)).len() >= 3
    };
    let text = playlist(&show, &folder, shown).await;
    let status = show.until(|_| true).await;
    assert!(status.live && status.publisher == PublisherStatus::Lost);
    assert_eq!(show.origin.health(&"demo".parse().unwrap()), None);
    // It is as large as the show, decodes, and its sound is silence.
    for (rendition, entries, expected) in [
        ("video", "codec_name,width,height", "h264,320,180\n"),
        ("audio", "codec_name,sample_rate,channels", "aac,48000,2\n"),
    ] {
        let list = show.get(&format!("{folder}/{rendition}.m3u8")).await.text();
        let map = tail(&list).split("URI=\"").nth(1).unwrap();
        let init = map.split('"').next().unwrap();
        let mut file = show.get(&format!("{folder}/{init}")).await.bytes();
        for segment in segments(tail(&list)).iter().take(3) {
            file.extend(show.get(&format!("{folder}/{segment}")).await.bytes());
        }
        let arguments = format!("-v warning -of csv=p=0 -show_entries stream={entries} -i pipe:0");
        assert_eq!(
            judge("ffprobe", &arguments, &file).await,
            expected,
            "{list}"
        );
        judge("ffmpeg", "-v warning -xerror -i pipe:0 -f null -", &file).await;
    }
    // An encoder that comes finds the place free.
    publish(&show).await;
    let text_after = playlist(&show, &folder, |text| count(text, DISCONTINUITY) >= 2).await;
    assert!(text_after.contains("EXT-X-MAP"), "{text}\n{text_after}");
    let told = until(&mut news, |what| *what == What::EncoderBack).await;
    assert_eq!(
        told,
        [
            What::PublishStarted { standby: false },
            What::ShowLive,
            What::PublishStopped { standby: false },
            What::EncoderLost,
            What::PublishStarted { standby: false },
            What::EncoderBack,
        ]
    );
}

#[tokio::test]
async fn a_show_does_not_wait_longer_for_its_encoder_because_something_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let show = show(picture(&folder).await, Duration::from_secs(8)).await;
    publish(&show).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    let text = show.get(&format!("{folder}/video.m3u8")).await.text();
    assert_eq!(count(&text, "#EXT-X-ENDLIST"), 1, "{text}");
    assert_eq!(count(&text, DISCONTINUITY), 1, "{text}");
}

#[tokio::test]
async fn without_its_file_a_show_goes_on_as_gap() {
    let show = show("/nowhere/away.png".into(), DEADLINE).await;
    publish(&show).await;
    show.until(|status| status.publisher == PublisherStatus::Lost)
        .await;
    let folder = show.folder().await;
    let text = playlist(&show, &folder, |text| count(text, "#EXT-X-GAP") >= 3).await;
    assert_eq!(count(&text, DISCONTINUITY), 0, "{text}");
}

#[tokio::test]
async fn it_is_pushed_on_to_other_platforms_amid_the_show() {
    let folder = tempfile::tempdir().unwrap();
    let slate = picture(&folder).await;
    let platform = simulcast::platform(simulcast::any_port()).await;
    let url = format!("rtmp://{}/live", platform.rtmp());
    let show = Show::start_so(&mut Registry::default(), Patience::default(), |config| {
        config.ladder.slate = Some(slate);
        config.simulcast = vec![simulcast::target("Elsewhere", &url, KEY)];
    })
    .await;
    publish(&show).await;
    platform.until(|status| status.live).await;
    let there = platform.folder().await;
    let shown = |text: &str| text.contains("init-1.mp4") && !tail(text).contains("GAP");
    playlist(&platform, &there, shown).await;
    let push = simulcast::push(&show);
    assert_eq!((push.state, push.reconnects), (PushState::Live, 0));
}
