//! Small pictures for whoever seeks: made by a real `ffmpeg` of what a real `ffmpeg` publishes, and judged by their colours.

use std::{process::Stdio, sync::Arc, time::Duration};

use fanwave_vault::{Place, Vault, thumbnails};
use prometheus_client::registry::Registry;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
};

use super::{
    KEY, Show,
    dvr::{patience, until},
    publisher::Publisher,
    storage::{Both, Mood},
};
use crate::{ArchiveConfig, RecordingConfig, ThumbnailsConfig, limits::DVR_WINDOW_MIN};

const INTERVAL: Duration = Duration::from_secs(4);

const RED: [u8; 3] = [254, 0, 0];
const GREEN: [u8; 3] = [0, 255, 1];
const BLUE: [u8; 3] = [0, 0, 254];

/// One whose shows are recorded, with a picture each four seconds.
async fn start(vault: Vault) -> Show {
    Show::start_so(
        &mut Registry::default(),
        patience(Duration::from_secs(60)),
        |config| {
            config.reconnect_window = Duration::from_millis(50);
            config.thumbnails = ThumbnailsConfig {
                channels: ["demo".parse().unwrap()].into(),
                interval: INTERVAL,
                lines: 90,
            };
            config.archive = Some(ArchiveConfig {
                vault,
                window: None,
                recording: RecordingConfig {
                    channels: ["demo".parse().unwrap()].into(),
                    ..RecordingConfig::default()
                },
            });
        },
    )
    .await
}

/// Four seconds of each colour, with B-frames and a keyframe in each second, at the speed of life.
fn colours(show: &Show) -> Child {
    let colour = |name: &str| format!("color={name}:size=640x360:rate=25:duration=4");
    let pictures = format!(
        "{}[r];{}[g];{}[b];[r][g][b]concat=n=3,realtime",
        colour("red"),
        colour("lime"),
        colour("blue")
    );
    let rest = format!(
        "-c:v libx264 -preset ultrafast -bf 2 -g 25 -keyint_min 25 -sc_threshold 0 -pix_fmt yuv420p -f flv rtmp://{}/live/{KEY}",
        show.rtmp()
    );
    Command::new("ffmpeg")
        .args([
            "-hide_banner",
            "-loglevel",
            "error",
            "-filter_complex",
            &pictures,
        ])
        .args(rest.split_ascii_whitespace())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg is installed")
}

/// Ten minutes in half a one.
fn hurried(show: &Show) -> Child {
    let arguments = format!(
        "-hide_banner -loglevel error -f lavfi -i color=gray:size=160x96:rate=5:duration=600,realtime=speed=20 \
         -c:v libx264 -preset ultrafast -g 10 -keyint_min 10 -sc_threshold 0 -pix_fmt yuv420p -f flv rtmp://{}/live/{KEY}",
        show.rtmp()
    );
    Command::new("ffmpeg")
        .args(arguments.split_ascii_whitespace())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg is installed")
}

/// The cues of a track: the first second of each, its file, and the rectangle of it.
fn cues(track: &str) -> Vec<(String, String, String)> {
    let blocks = track.split("\n\n").filter(|block| block.contains(" --> "));
    let cue = |block: &str| {
        let (times, address) = block.trim().split_once('\n').unwrap();
        let (file, place) = address.split_once("#xywh=").unwrap();
        (times.to_owned(), file.to_owned(), place.to_owned())
    };
    blocks.map(cue).collect()
}

/// The mean colour of a rectangle of a JPEG.
async fn colour(jpeg: &[u8], place: &str) -> [u8; 3] {
    let [x, y, w, h] = place.split(',').collect::<Vec<_>>()[..] else {
        panic!("{place}")
    };
    let filter = format!("crop={w}:{h}:{x}:{y},scale=1:1:flags=area");
    let mut child = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "image2pipe",
            "-i",
            "pipe:0",
            "-vf",
            &filter,
        ])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(jpeg).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    output.stdout[..].try_into().expect("one pixel")
}

fn is_like(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 24)
}

#[tokio::test]
async fn a_show_has_pictures_while_it_is_on_and_its_recording_has_them_on_sheets() {
    let folder = tempfile::tempdir().unwrap();
    let show = start(Vault::in_folder(folder.path()).unwrap()).await;
    assert_eq!(show.get("/live/demo/thumbnails.vtt").await.status, 404);
    let mut encoder = colours(&show);
    show.until(|status| status.live).await;
    let prefix = show.folder().await;
    until("there are three pictures", async || {
        let answer = show.get("/live/demo/thumbnails.vtt").await;
        cues(&answer.text()).len() == 3
    })
    .await;
    let answer = show.get("/live/demo/thumbnails.vtt").await;
    assert_eq!(answer.header("content-type"), "text/vtt; charset=utf-8");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let listed = cues(&answer.text());
    let times: Vec<_> = listed.iter().map(|(times, ..)| times.as_str()).collect();
    assert_eq!(
        times,
        [
            "00:00:00.000 --> 00:00:04.000",
            "00:00:04.000 --> 00:00:08.000",
            "00:00:08.000 --> 00:00:12.000"
        ]
    );
    for ((_, file, place), expected) in listed.iter().zip([RED, GREEN, BLUE]) {
        assert_eq!(place, "0,0,160,90");
        let answer = show.get(&format!("/live/demo/{file}")).await;
        assert_eq!(answer.header("content-type"), "image/jpeg");
        let seen = colour(&answer.bytes(), place).await;
        assert!(is_like(seen, expected), "{file}: {seen:?}");
    }

    encoder.wait().await.unwrap();
    until("the recording is over", async || {
        let all = show.origin.recordings();
        all.iter().all(|one| one.ended)
    })
    .await;
    let id = show.origin.recordings()[0].id.clone();
    let track = format!("/vod/{id}/thumbnails.vtt");
    until("the last sheet is stored", async || {
        show.get(&track).await.status == 200
    })
    .await;
    let kept = cues(&show.get(&track).await.text());
    let places: Vec<_> = kept.iter().map(|(_, _, place)| place.as_str()).collect();
    assert_eq!(places, ["0,0,160,90", "160,0,160,90", "320,0,160,90"]);
    let sheet = format!("{prefix}/thumbnails/0.jpg");
    for ((times, file, place), expected) in kept.iter().zip([RED, GREEN, BLUE]) {
        assert!(listed.iter().any(|(listed, ..)| listed == times), "{times}");
        assert_eq!(format!("/{}", file.strip_prefix("../../").unwrap()), sheet);
        let seen = colour(&show.get(&sheet).await.bytes(), place).await;
        assert!(is_like(seen, expected), "{place}: {seen:?}");
    }

    // The next process finds them, and they go with the recording.
    drop(show);
    let show = start(Vault::in_folder(folder.path()).unwrap()).await;
    until("the recording is found", async || {
        show.get(&track).await.status == 200
    })
    .await;
    assert_eq!(show.get(&sheet).await.header("content-type"), "image/jpeg");
    show.origin.delete_recording(&id).await.unwrap();
    assert_eq!(show.get(&track).await.status, 404);
    assert_eq!(show.get(&sheet).await.status, 404);
    let left = std::fs::read_dir(folder.path().join("demo")).unwrap();
    assert_eq!(left.count(), 0, "nothing of it is left");
}

#[tokio::test]
async fn pictures_that_cannot_be_made_cost_the_show_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let show = start(Vault::in_folder(folder.path()).unwrap()).await;
    // Nothing that a decoder could make a picture of.
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    show.until(|status| status.live).await;
    let failed = &show.origin.shared.metrics.thumbnails.failed;
    until("a picture has failed", async || failed.get() > 0).await;
    publisher.send_until(20_400).await;
    let folder = show.folder().await;
    let video = show.get(&format!("{folder}/video.m3u8?_HLS_msn=10")).await;
    assert_eq!(video.status, 200);
    let track = show.get("/live/demo/thumbnails.vtt").await;
    assert_eq!(cues(&track.text()), []);
    assert_eq!(
        show.get(&format!("{folder}/thumbnails/0.jpg")).await.status,
        404
    );
    assert_eq!(
        show.get(&format!("{folder}/thumbnails/at-0.jpg"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn sheets_go_when_their_time_has_left_the_window() {
    let both = Both::new();
    let vault = both.vault.clone();
    let show = Show::start_so(
        &mut Registry::default(),
        patience(Duration::from_secs(60)),
        |config| {
            config.thumbnails = ThumbnailsConfig {
                channels: ["demo".parse().unwrap()].into(),
                interval: Duration::from_secs(2),
                lines: 36,
            };
            config.archive = Some(ArchiveConfig {
                vault,
                window: Some(DVR_WINDOW_MIN),
                recording: RecordingConfig::default(),
            });
        },
    )
    .await;
    // More pictures than fit on a sheet before the first of them leaves the window.
    let _encoder = hurried(&show);
    show.until(|status| status.live).await;
    // On a busy machine, the first one may have gone before it is asked for.
    let mut sheet = String::new();
    until("there is a sheet", async || {
        let track = show.get("/live/demo/thumbnails.vtt").await;
        if track.status == 200
            && let Some((_, file, _)) = cues(&track.text()).first()
        {
            sheet = format!("/live/demo/{file}");
        }
        !sheet.is_empty() && show.get(&sheet).await.status == 200
    })
    .await;
    // What is not recorded goes to no bucket.
    assert_eq!((both.waiting(), both.names().await.len()), (0, 0));
    until("it is gone", async || show.get(&sheet).await.status == 404).await;
    let track = show.get("/live/demo/thumbnails.vtt").await.text();
    let listed = cues(&track);
    // How many depends on how quickly this machine makes them.
    assert!(!listed.is_empty(), "{track}");
    let has_it = listed
        .iter()
        .any(|(_, file, _)| sheet.ends_with(file.as_str()));
    assert!(!has_it, "{track}");
    let (_, file, _) = &listed[0];
    assert_eq!(show.get(&format!("/live/demo/{file}")).await.status, 200);
}

#[tokio::test]
async fn sheets_go_to_the_bucket_behind_the_show_and_are_shown_from_there() {
    let both = Both::new();
    let show = start(both.vault.clone()).await;
    let mut encoder = hurried(&show);
    show.until(|status| status.live).await;
    let path = show.folder().await;
    let stream = Place::of(path.strip_prefix("/live/").unwrap().split('/'));
    let far = Vault::over(Arc::clone(&both.bucket) as _);
    both.bucket.set(Mood::Gone);
    let id = show.origin.recordings()[0].id.clone();
    let track = format!("/vod/{id}/thumbnails.vtt");
    until("there is a sheet", async || {
        show.get(&track).await.status == 200
    })
    .await;
    let first = show.get(&format!("{path}/thumbnails/0.jpg")).await.bytes();
    both.bucket.set(Mood::Well);
    until("the bucket has it", async || {
        both.vault.spool().unwrap().hurry();
        thumbnails::read(&far, &stream).await.is_ok()
    })
    .await;
    until("there are pictures that are on no sheet", async || {
        let live = show.get("/live/demo/thumbnails.vtt").await.text();
        live.contains("/thumbnails/at-")
    })
    .await;
    encoder.kill().await.unwrap();
    until("the recording is over", async || {
        show.origin.recordings().iter().all(|one| one.ended)
    })
    .await;
    let nearby = async || thumbnails::read(&both.vault.near(), &stream).await.unwrap();
    until("the last sheet is stored", async || {
        nearby().await.sheets.len() > 1
    })
    .await;
    show.origin.shutdown().await;
    let sheets = nearby().await;
    both.until_uploaded().await;
    let before = show.get(&track).await.text();
    drop(show);
    assert_eq!(thumbnails::read(&far, &stream).await.unwrap(), sheets);

    // Nothing else is left.
    let both = Both::with(Arc::clone(&both.bucket));
    let show = start(both.vault.clone()).await;
    until("the recording is found", async || {
        show.get(&track).await.status == 200
    })
    .await;
    let text = show.get(&track).await.text();
    assert_eq!(text, before);
    let pictures: usize = sheets.sheets.iter().map(|sheet| sheet.at_ms.len()).sum();
    assert_eq!(cues(&text).len(), pictures);
    for (_, file, _) in cues(&text) {
        let address = format!("/{}", file.strip_prefix("../../").unwrap());
        let sheet = show.get(&address).await;
        assert_eq!(sheet.header("content-type"), "image/jpeg", "{address}");
        assert!(!address.ends_with("/0.jpg") || sheet.bytes() == first);
    }
    assert!(both.is_folder_empty(), "nothing is fetched to stay");
    show.origin.delete_recording(&id).await.unwrap();
    assert_eq!(both.names().await, [""; 0]);
    until("it is gone", async || show.get(&track).await.status == 404).await;
}

#[tokio::test]
async fn a_recording_that_is_deleted_at_once_leaves_no_pictures() {
    let both = Both::new();
    let show = start(both.vault.clone()).await;
    let mut encoder = hurried(&show);
    show.until(|status| status.live).await;
    until("there is a picture", async || {
        let track = show.get("/live/demo/thumbnails.vtt").await.text();
        track.contains("/thumbnails/at-")
    })
    .await;
    encoder.kill().await.unwrap();
    // Its last sheet is made from now on.
    until("the recording is over", async || {
        show.origin.recordings().iter().all(|one| one.ended)
    })
    .await;
    let id = show.origin.recordings()[0].id.clone();
    show.origin.delete_recording(&id).await.unwrap();
    show.origin.shutdown().await;
    assert_eq!((both.waiting(), both.names().await.len()), (0, 0));
    let files = both.vault.near().files(&Place::of(["demo"])).await;
    assert_eq!(files.unwrap(), []);
    let folders = both.vault.near().folders(&Place::of(["demo"])).await;
    assert_eq!(folders.unwrap(), [], "nothing of it is left");
}
