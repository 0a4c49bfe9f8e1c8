//! Shows that are kept: played while they are on, when they are over, by the next process; cut, and deleted.

use std::{sync::Arc, time::Duration};

use fanwave_vault::{
    Place, Vault,
    thumbnails::{self, Sheet, Sheets},
};
use prometheus_client::registry::Registry;

use super::{
    DEADLINE, Show, count,
    dvr::{on_air, patience, until},
    segments,
    storage::{Mood, Storage},
};
use crate::{ArchiveConfig, LibraryError, RecordingConfig, RecordingInfo, shared::Patience};

pub(super) fn recording() -> RecordingConfig {
    RecordingConfig {
        channels: ["demo".parse().unwrap()].into(),
        ..RecordingConfig::default()
    }
}

pub(super) async fn start(vault: Vault, recording: RecordingConfig, patience: Patience) -> Show {
    Show::start_so(&mut Registry::default(), patience, |config| {
        config.reconnect_window = Duration::from_millis(50);
        config.archive = Some(ArchiveConfig {
            vault,
            window: None,
            recording,
        });
    })
    .await
}

impl Show {
    /// The only recording.
    pub(super) fn recorded(&self) -> RecordingInfo {
        let mut all = self.origin.recordings();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(super) async fn until_over(&self) {
        until("the recording is over", async || {
            self.origin.recordings().iter().all(|one| one.ended)
        })
        .await;
    }

    pub(super) async fn vod(&self, id: &str, name: &str) -> String {
        self.get(&format!("/vod/{id}/{name}.m3u8")).await.text()
    }
}

/// Does something in a process that is killed then: nobody is told that it ends, and nothing that it has begun is done later.
async fn in_a_killed_process<T: Send + 'static>(
    life: impl AsyncFnOnce() -> T + Send + 'static,
) -> T {
    let process = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let left = runtime.block_on(life());
        // What the system was asked to write is written.
        runtime.shutdown_timeout(DEADLINE);
        left
    });
    process.await.unwrap()
}

/// Addresses of a recording's media, as they are on the server.
pub(super) fn addresses(playlist: &str) -> Vec<String> {
    let address = |uri: &String| format!("/{}", uri.strip_prefix("../../").unwrap());
    segments(playlist).iter().map(address).collect()
}

/// Whether a rendition of a recording is complete, and what its files hold is media.
async fn plays_whole(show: &Show, id: &str, path: &str, rendition: &str) {
    let text = show.vod(id, rendition).await;
    assert_eq!(count(&text, "#EXT-X-PLAYLIST-TYPE:VOD"), 1, "{text}");
    assert_eq!(text.lines().last(), Some("#EXT-X-ENDLIST"));
    assert!(addresses(&text).len() >= 60);
    let init = show.get(&format!("{path}/{rendition}/init-0.mp4")).await;
    assert_eq!(&init.bytes()[4..8], b"ftyp");
    for address in addresses(&text) {
        assert_eq!(
            &show.get(&address).await.bytes()[4..8],
            b"moof",
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_show_is_played_while_it_is_on_and_as_a_whole_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::in_folder(folder.path()).unwrap();
    let show = start(vault, recording(), patience(DEADLINE)).await;
    // Longer than what a playlist from memory lists.
    let (publisher, path) = on_air(&show, 60).await;
    let id = show.recorded().id;
    until("it is written down", async || {
        let answer = show.get(&format!("/vod/{id}/video.m3u8")).await;
        answer.status == 200 && segments(&answer.text()).len() == 60
    })
    .await;
    let answer = show.get(&format!("/vod/{id}/video.m3u8")).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=3");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let text = answer.text();
    assert_eq!(count(&text, "#EXT-X-PLAYLIST-TYPE:EVENT"), 1, "{text}");
    assert_eq!(count(&text, "#EXT-X-ENDLIST"), 0);
    assert_eq!(addresses(&text)[0], format!("{path}/video/1.m4s"));
    assert!(matches!(
        show.origin.delete_recording(&id).await,
        Err(LibraryError::Growing)
    ));

    // While it is on, the beginning has left the playlists, and is there all the same.
    let later = show
        .origin
        .shared
        .clock
        .now()
        .after(Duration::from_secs(600));
    show.stream().handle_time(later);
    let begin = show.get(&format!("{path}/video/1.m4s")).await;
    assert_eq!(begin.header("cache-control"), "public, max-age=36");
    assert_eq!(begin.header("content-type"), "video/mp4");
    drop(publisher);
    show.until_over().await;
    let index = show.get(&format!("/vod/{id}/index.m3u8")).await;
    assert_eq!(index.header("cache-control"), "public, max-age=3");
    let index = index.text();
    assert!(index.contains("\n./video.m3u8\n") && index.contains("URI=\"./audio.m3u8\""));
    for rendition in ["video", "audio"] {
        plays_whole(&show, &id, &path, rendition).await;
    }
    let info = show.recorded();
    assert!(info.ended && !info.clip && info.bytes > 0);
    assert!(
        (119_000..123_000).contains(&(info.to_ms - info.from_ms)),
        "{info:?}"
    );
    let stretches = show.origin.timeline(&id).await.unwrap();
    assert_eq!(stretches.len(), 1, "{stretches:?}");
    assert_eq!(stretches[0].starts_at_ms, info.from_ms);
    assert_eq!(show.get("/vod/demo.nothing/index.m3u8").await.status, 404);
    assert_eq!(show.get(&format!("/vod/{id}/sound.m3u8")).await.status, 404);
    show.origin.delete_recording(&id).await.unwrap();
    assert_eq!(show.get(&format!("/vod/{id}/index.m3u8")).await.status, 404);
    assert_eq!(
        std::fs::read_dir(folder.path().join("demo"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_recording_survives_a_killed_process_up_to_its_last_segment() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::in_folder(folder.path()).unwrap();
    let killed = vault.clone();
    let (id, path, before) = in_a_killed_process(async move || {
        let show = start(killed, recording(), patience(DEADLINE)).await;
        let (_publisher, path) = on_air(&show, 10).await;
        let id = show.recorded().id;
        until("it is written down", async || {
            let answer = show.get(&format!("/vod/{id}/audio.m3u8")).await;
            answer.status == 200 && segments(&answer.text()).len() >= 9
        })
        .await;
        let before = show.get(&format!("{path}/video/3.m4s")).await.bytes();
        (id, path, before)
    })
    .await;

    let show = start(vault, recording(), patience(DEADLINE)).await;
    until("it is found", async || !show.origin.recordings().is_empty()).await;
    assert_eq!(show.recorded().id, id);
    let text = show.vod(&id, "video").await;
    assert_eq!(text.lines().last(), Some("#EXT-X-ENDLIST"));
    assert!(segments(&text).len() >= 9, "{text}");
    for address in addresses(&text) {
        assert_eq!(show.get(&address).await.status, 200, "{address}");
    }
    assert_eq!(
        show.get(&format!("{path}/video/3.m4s")).await.bytes(),
        before
    );
    let ranged = format!("{path}/video/3.m4s");
    let range = show
        .viewer()
        .ask("GET", &ranged, "Range: bytes=4-7\r\n")
        .await;
    assert_eq!((range.status, &range.body[..]), (206, &before[4..8]));
    assert_eq!(
        show.get(&format!("{path}/video/init-0.mp4")).await.status,
        200
    );
    assert_eq!(show.get(&format!("{path}/video/99.m4s")).await.status, 404);
    // A show that begins now is another recording.
    let (_publisher, _) = on_air(&show, 3).await;
    assert_eq!(show.origin.recordings().len(), 2);
}

#[tokio::test]
async fn what_could_not_be_stored_is_a_gap_of_the_recording() {
    let storage = Arc::new(Storage::default());
    let vault = Vault::over(Arc::clone(&storage) as _);
    let unstored = Duration::from_secs(600);
    let show = start(vault, recording(), patience(unstored)).await;
    let (mut publisher, path) = on_air(&show, 40).await;
    let id = show.recorded().id;
    storage.set(Mood::Broken);
    publisher.send_for(40_000).await;
    let here = format!("{path}/video.m3u8?_HLS_msn=59");
    // What is far from having been received is answered at once, with 400.
    until("the show has gone on", async || {
        show.get(&here).await.status == 200
    })
    .await;
    until("it is told", async || !show.origin.stores()).await;
    let now = show.origin.shared.clock.now();
    show.stream().handle_time(now.after(unstored * 2));
    show.stream().handle_time(now.after(unstored * 3));
    storage.set(Mood::Well);
    publisher.send_for(4_000).await;
    until("it is stored again", async || show.origin.stores()).await;
    drop(publisher);
    show.until_over().await;
    let text = show.vod(&id, "video").await;
    let gaps = count(&text, "#EXT-X-GAP");
    assert!((1..20).contains(&gaps), "{gaps} in {text}");
    // Every segment is listed, those without media as gap.
    assert!(segments(&text).len() >= 60, "{text}");
    let mut gap = false;
    for line in text.lines() {
        if line == "#EXT-X-GAP" {
            gap = true;
        } else if line.ends_with(".m4s") {
            let address = line.strip_prefix("../..").unwrap();
            let status = show.get(address).await.status;
            assert_eq!(
                status,
                if std::mem::take(&mut gap) { 404 } else { 200 },
                "{line}"
            );
        }
    }
}

/// Puts pictures of a recording where its keeper would: one of each second, on two sheets.
pub(super) async fn put_pictures(vault: &Vault, path: &str, recording: &RecordingInfo) {
    let stream = Place::of(path.strip_prefix("/live/").unwrap().split('/'));
    let middle = recording.from_ms + 8_000;
    let sheet = |number, from: u64, to: u64| Sheet {
        number,
        width: 160,
        height: 90,
        at_ms: (from..to).step_by(1_000).collect(),
    };
    let sheets = Sheets {
        format: thumbnails::FORMAT,
        interval_ms: 1_000,
        sheets: vec![
            sheet(0, recording.from_ms, middle),
            sheet(1, middle, recording.to_ms),
        ],
    };
    for number in [0, 1] {
        let place = thumbnails::sheet_place(&stream, number);
        let jpeg = format!("sheet {number}").into();
        vault.write(&place, vec![jpeg]).await.unwrap();
    }
    thumbnails::write(vault, &stream, &sheets).await.unwrap();
}

/// Whether the track of a recording or a clip has so many pictures, and every sheet of them is there.
pub(super) async fn has_pictures(show: &Show, id: &str, pictures: usize) {
    let track = show.get(&format!("/vod/{id}/thumbnails.vtt")).await;
    let text = track.text();
    assert_eq!(track.status, 200, "{text}");
    assert_eq!(text.matches(" --> ").count(), pictures, "{text}");
    for line in text.lines().filter(|line| line.contains("#xywh=")) {
        let file = line
            .strip_prefix("../..")
            .unwrap()
            .split('#')
            .next()
            .unwrap();
        let sheet = show.get(file).await;
        assert_eq!(sheet.header("content-type"), "image/jpeg", "{file}");
        let number = file
            .rsplit_once('/')
            .unwrap()
            .1
            .strip_suffix(".jpg")
            .unwrap();
        assert_eq!(sheet.text(), format!("sheet {number}"));
    }
}

#[tokio::test]
async fn a_clip_stays_when_its_recording_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::in_folder(folder.path()).unwrap();
    let show = start(vault.clone(), recording(), patience(DEADLINE)).await;
    let (publisher, path) = on_air(&show, 20).await;
    drop(publisher);
    show.until_over().await;
    let whole = show.recorded();
    let (from, to) = (whole.from_ms + 5_250, whole.from_ms + 9_000);
    for (from, to) in [(to, from), (from, from), (from, from + 7_200_000), (1, 2)] {
        let refused = show.origin.clip(&whole.id, from, to).await;
        assert!(matches!(refused, Err(LibraryError::Span)), "{refused:?}");
    }
    let clip = show.origin.clip(&whole.id, from, to).await.unwrap();
    assert!(clip.clip && clip.ended);
    put_pictures(&vault, &path, &whole).await;
    // Three segments of 2 s.
    has_pictures(&show, &clip.id, 6).await;
    assert!(clip.from_ms <= from && clip.to_ms >= to, "{clip:?}");
    assert!(matches!(
        show.origin.clip(&clip.id, from, to).await,
        Err(LibraryError::OfClip)
    ));
    let text = show.vod(&clip.id, "video").await;
    assert_eq!(
        addresses(&text),
        [3, 4, 5].map(|msn| format!("{path}/video/{msn}.m4s"))
    );
    assert!(
        text.contains("#EXT-X-START:TIME-OFFSET=1.25000,PRECISE=YES\n"),
        "{text}"
    );
    assert!(
        show.vod(&clip.id, "index")
            .await
            .contains("\n./video.m3u8\n")
    );

    show.origin.delete_recording(&whole.id).await.unwrap();
    assert_eq!(show.origin.recordings(), std::slice::from_ref(&clip));
    let status =
        async |show: &Show, msn: u64| show.get(&format!("{path}/video/{msn}.m4s")).await.status;
    let stream = folder.path().join(path.strip_prefix("/live/").unwrap());
    assert!(!stream.join("video/2.m4s").exists() && !stream.join("audio/9.m4s").exists());
    // As the next process finds it; this one still has the stream in memory.
    drop(show);
    let show = start(vault, recording(), patience(DEADLINE)).await;
    until("it is found", async || !show.origin.recordings().is_empty()).await;
    for address in addresses(&show.vod(&clip.id, "audio").await) {
        assert_eq!(show.get(&address).await.status, 200, "{address}");
    }
    assert_eq!((status(&show, 2).await, status(&show, 3).await), (404, 200));
    has_pictures(&show, &clip.id, 6).await;
    let track = format!("/vod/{}/thumbnails.vtt", whole.id);
    assert_eq!(show.get(&track).await.status, 404);
    assert_eq!(
        show.get(&format!("{path}/video/init-0.mp4")).await.status,
        200
    );
    show.origin.delete_recording(&clip.id).await.unwrap();
    let sheet = show.get(&format!("{path}/thumbnails/0.jpg")).await;
    assert_eq!(sheet.status, 404);
    assert_eq!(
        std::fs::read_dir(folder.path().join("demo"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn recordings_are_kept_as_long_as_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::in_folder(folder.path()).unwrap();
    let show = start(vault.clone(), recording(), patience(DEADLINE)).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (publisher, _) = on_air(&show, 3).await;
        drop(publisher);
        show.until_over().await;
        show.until(|status| !status.live).await;
        ids.push(show.origin.recordings()[0].id.clone());
    }
    assert_eq!(show.origin.recordings().len(), 2);
    let library = show.origin.library().unwrap();
    let newest = show.origin.recordings()[0].clone();
    library
        .retain(Some(Duration::from_secs(3_600)), Some(u64::MAX))
        .await;
    assert_eq!(show.origin.recordings().len(), 2);
    library.retain(None, Some(newest.bytes)).await;
    assert_eq!(
        show.origin.recordings(),
        std::slice::from_ref(&newest),
        "the older one goes"
    );
    // The clock of these tests is a thousand days behind: all that ended has ended now.
    library.retain(Some(Duration::ZERO), None).await;
    until("it is old enough", async || {
        library.retain(Some(Duration::ZERO), None).await;
        show.origin.recordings().is_empty()
    })
    .await;
}
