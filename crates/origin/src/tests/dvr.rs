//! A window that does not fit into memory: what viewers get of the storage, and of one that fails.

use std::{sync::Arc, time::Duration};

use fanwave_vault::Vault;
use prometheus_client::registry::Registry;
use tokio::time::timeout;

use super::{
    DEADLINE, KEY, Show, count, parts,
    publisher::Publisher,
    segments,
    storage::{Mood, Storage},
    viewer::Answer,
};
use crate::{ArchiveConfig, RecordingConfig, shared::Patience, stream::Stream};

const WINDOW: Duration = Duration::from_secs(7_200);

/// Nobody waits for a test's storage.
pub(super) fn patience(unstored: Duration) -> Patience {
    Patience {
        unstored,
        storage: Duration::ZERO,
        // The shows of these tests are not sent at the pace of a clock: what a busy machine does late is no gap.
        starving: DEADLINE,
        ..Patience::default()
    }
}

async fn start(vault: Vault, window: Duration, patience: Patience) -> Show {
    Show::start_so(&mut Registry::default(), patience, |config| {
        config.archive = Some(ArchiveConfig {
            vault,
            window: Some(window),
            recording: RecordingConfig::default(),
        });
    })
    .await
}

pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let reached = timeout(DEADLINE, async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    });
    assert!(reached.await.is_ok(), "{what}");
}

impl Show {
    /// Segments that are in the storage, of all renditions.
    pub(super) fn stored(&self) -> u64 {
        self.origin.shared.metrics.storage.written.get()
    }

    pub(super) async fn until_stored(&self, segments: u64) {
        until("segments are stored", async || self.stored() >= segments).await;
    }

    pub(super) fn stream(&self) -> Arc<Stream> {
        let channel = self.origin.shared.channel("demo").unwrap();
        channel.current().expect("the channel is live")
    }

    pub(super) async fn playlist(&self, folder: &str) -> String {
        self.get(&format!("{folder}/video.m3u8")).await.text()
    }

    /// Sends so many segments of 2 s, and waits until they are stored; the last one ends with the picture behind it.
    pub(super) async fn fill(&self, publisher: &mut Publisher, segments: u32) {
        let before = self.stored();
        publisher.send_for(segments * 2_000).await;
        self.until_stored(before + u64::from(segments - 1) * 2)
            .await;
    }

    pub(super) async fn first(&self, folder: &str) -> u64 {
        let text = self.playlist(folder).await;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
        line.expect("a media sequence").parse().unwrap()
    }
}

/// A show of so many segments, the last not whole.
pub(super) async fn on_air(show: &Show, segments: u32) -> (Publisher, String) {
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(2_200).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    show.fill(&mut publisher, segments - 1).await;
    (publisher, folder)
}

#[tokio::test]
async fn old_segments_are_the_same_bytes_from_the_storage() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::in_folder(folder.path()).unwrap();
    let show = start(vault, WINDOW, patience(DEADLINE)).await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_200).await;
    show.until(|status| status.live).await;
    let path = show.folder().await;
    let get = async |file: &str| show.get(&format!("{path}/{file}")).await;
    show.get(&format!("{path}/video.m3u8?_HLS_msn=2")).await;
    let early = parts(&show.playlist(&path).await);
    let early: Vec<_> = early.iter().filter(|uri| uri.contains("/1.")).collect();
    assert!(early.len() > 1, "{early:?}");
    let mut before = vec![get("video/1.m4s").await.bytes()];
    for part in &early {
        before.push(get(part).await.bytes());
    }
    show.fill(&mut publisher, 20).await;

    let text = show.playlist(&path).await;
    assert_eq!(segments(&text)[0], "video/1.m4s", "{text}");
    assert!(!text.contains("video/1.0.m4s"), "{text}");
    let on_disk = folder
        .path()
        .join(path.strip_prefix("/live/").unwrap())
        .join("video/1.m4s");
    assert_eq!(std::fs::read(&on_disk).unwrap(), before[0]);
    let mut after = vec![get("video/1.m4s").await.bytes()];
    for part in &early {
        after.push(get(part).await.bytes());
    }
    assert_eq!(after, before);
    // Not from memory: the file is all there is.
    std::fs::remove_file(&on_disk).unwrap();
    let gone = get("video/1.m4s").await;
    assert_eq!(
        (gone.status, gone.header("cache-control")),
        (404, "public, max-age=6")
    );
    assert_eq!(get("video/20.m4s").await.status, 200);
}

#[tokio::test]
async fn stored_media_is_served_as_other_media_is() {
    let storage = Arc::new(Storage::default());
    let show = start(Vault::over(storage), WINDOW, patience(DEADLINE)).await;
    let (_publisher, folder) = on_air(&show, 22).await;
    let path = format!("{folder}/video/1.m4s");
    let whole = show.get(&path).await;
    assert_eq!(whole.header("content-type"), "video/mp4");
    assert_eq!(whole.header("cache-control"), "public, max-age=36");
    assert_eq!(whole.header("access-control-allow-origin"), "*");
    let length = whole.body.len();
    assert_eq!(whole.header("content-length"), length.to_string());
    let ask = async |range: &str| -> Answer {
        let header = format!("Range: bytes={range}\r\n");
        show.viewer().ask("GET", &path, &header).await
    };
    let range = ask("700-9007199254740991").await;
    assert_eq!(range.status, 206);
    assert_eq!(
        range.header("content-range"),
        format!("bytes 700-{}/{length}", length - 1)
    );
    assert_eq!(range.body, whole.body[700..]);
    // A stretch of a part, which is itself one of the file.
    let second = show.get(&format!("{folder}/video/1.1.m4s")).await;
    let part = format!("{folder}/video/1.1.m4s");
    let header = "Range: bytes=5-14\r\n";
    let range = show.viewer().ask("GET", &part, header).await;
    assert_eq!((range.status, &range.body[..]), (206, &second.body[5..15]));
    let beyond = ask("99999999-").await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, &*format!("bytes */{length}"))
    );
    let head = show.viewer().ask("HEAD", &path, "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), length.to_string());

    // As many answers as may be are being read.
    let archive = show.origin.shared.archive.as_ref().unwrap();
    let places = u32::try_from(crate::limits::STORED_ANSWERS_MAX).unwrap();
    let taken = archive.answers.acquire_many(places).await.unwrap();
    let answer = show.get(&path).await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (503, "no-store")
    );
    assert_eq!(
        show.get(&format!("{folder}/video/21.m4s")).await.status,
        200
    );
    drop(taken);
    assert_eq!(show.get(&path).await.status, 200);
}

#[tokio::test]
async fn what_leaves_the_window_leaves_the_storage() {
    let folder = tempfile::tempdir().unwrap();
    // What an earlier process has left.
    for left in ["demo/old/video/1.m4s", "nobody/old/video/1.m4s"] {
        let file = folder.path().join(left);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "left").unwrap();
    }
    let vault = Vault::in_folder(folder.path()).unwrap();
    // A return window that is over at once ends the show, and what has ended is kept for as long as it was.
    let show = start(vault, Duration::from_secs(120), patience(DEADLINE)).await;
    until("what was left is removed", async || {
        !folder.path().join("demo/old").exists() && !folder.path().join("nobody/old").exists()
    })
    .await;
    let (mut publisher, path) = on_air(&show, 60).await;
    assert_eq!(show.first(&path).await, 1);
    show.fill(&mut publisher, 3).await;
    assert!(show.first(&path).await > 1);
    let stream = folder.path().join(path.strip_prefix("/live/").unwrap());
    assert!(stream.join("video/1.m4s").exists(), "it is in its grace");
    let stream_of_show = show.stream();
    let later = show
        .origin
        .shared
        .clock
        .now()
        .after(Duration::from_secs(150));
    stream_of_show.handle_time(later);
    until("it is removed", async || {
        !stream.join("video/1.m4s").exists()
    })
    .await;
    assert!(stream.join("video/4.m4s").exists());
    // A stream that nobody wants any more leaves nothing behind.
    stream_of_show.discard();
    until("all is removed", async || !stream.exists()).await;
}

#[tokio::test]
async fn a_storage_that_fails_shortens_the_window_and_is_used_again_when_it_is_back() {
    let storage = Arc::new(Storage::default());
    let vault = Vault::over(Arc::clone(&storage) as _);
    let unstored = Duration::from_secs(600);
    let show = start(vault, WINDOW, patience(unstored)).await;
    let (mut publisher, path) = on_air(&show, 22).await;
    assert_eq!((show.first(&path).await, show.origin.stores()), (1, true));

    storage.set(Mood::Broken);
    publisher.send_for(10_000).await;
    until("it is told", async || !show.origin.stores()).await;
    assert_eq!(
        show.get(&format!("{path}/video.m3u8?_HLS_msn=26"))
            .await
            .status,
        200
    );
    assert_eq!(
        show.first(&path).await,
        1,
        "they may still be stored in time"
    );
    let now = show.origin.shared.clock.now();
    show.stream().handle_time(now.after(unstored * 2));
    assert!(show.first(&path).await > 15);
    let text = show.playlist(&path).await;
    let listed = segments(&text);
    assert!(listed.len() >= 9, "three target durations stay: {text}");
    for uri in &listed {
        assert_eq!(
            show.get(&format!("{path}/{uri}")).await.status,
            200,
            "{uri}"
        );
    }
    assert_eq!(count(&text, "#EXT-X-GAP"), 0);

    storage.set(Mood::Well);
    until("it is told", async || show.origin.stores()).await;
    let first = show.first(&path).await;
    let stored = show.stored();
    publisher.send_for(2_000).await;
    show.until_stored(stored + 2).await;
    assert!(show.first(&path).await >= first);
    // From here on the window grows again.
    let before = segments(&show.playlist(&path).await).len();
    for _ in 0..12 {
        let stored = show.stored();
        publisher.send_for(2_000).await;
        show.until_stored(stored + 2).await;
    }
    assert!(segments(&show.playlist(&path).await).len() > before);
}

#[tokio::test]
async fn a_full_storage_loses_the_oldest_first() {
    let storage = Arc::new(Storage::default());
    let vault = Vault::over(Arc::clone(&storage) as _);
    let show = start(vault, WINDOW, patience(Duration::from_secs(60))).await;
    let (mut publisher, path) = on_air(&show, 60).await;
    storage.set(Mood::Full);
    publisher.send_for(4_000).await;
    until("the oldest leave", async || show.first(&path).await > 10).await;
    // Nothing of what is newer is lost while room is made.
    let text = show.playlist(&path).await;
    assert!(segments(&text).len() >= 30, "{text}");
    storage.set(Mood::Well);
    until("it is told", async || show.origin.stores()).await;
    let first = show.first(&path).await;
    show.fill(&mut publisher, 3).await;
    assert_eq!(show.first(&path).await, first);
}

#[tokio::test]
async fn a_storage_that_stands_still_makes_nobody_wait() {
    let storage = Arc::new(Storage::default());
    let vault = Vault::over(Arc::clone(&storage) as _);
    let show = start(vault, WINDOW, patience(DEADLINE)).await;
    let (mut publisher, path) = on_air(&show, 22).await;
    storage.set(Mood::Stuck);
    publisher.send_for(20_000).await;
    let blocked = show.get(&format!("{path}/video.m3u8?_HLS_msn=30")).await;
    let text = blocked.text();
    for uri in segments(&text).iter().rev().take(5) {
        assert_eq!(
            show.get(&format!("{path}/{uri}")).await.status,
            200,
            "{uri}"
        );
    }
    storage.set(Mood::Well);
    show.until_stored(60).await;
}

#[tokio::test]
async fn what_is_whole_is_stored_before_the_origin_stops() {
    let storage = Arc::new(Storage::default());
    let vault = Vault::over(Arc::clone(&storage) as _);
    let show = start(vault, WINDOW, patience(DEADLINE)).await;
    let (mut publisher, path) = on_air(&show, 4).await;
    storage.set(Mood::Stuck);
    publisher.send_for(4_000).await;
    show.get(&format!("{path}/video.m3u8?_HLS_msn=6")).await;
    let stopping = show.origin.shutdown();
    storage.set(Mood::Well);
    timeout(DEADLINE, stopping).await.expect("an end in time");
    // Two renditions of six segments; what had just begun is one more.
    assert!(show.stored() >= 12, "{}", show.stored());
}
