//! Shows that are kept in a bucket: whatever the bucket does while they are on, and when nothing else is left.

use std::{sync::Arc, time::Duration};

use fanwave_vault::{
    Place,
    object_store::{ObjectStoreExt, path::Path},
};
use tokio::time::timeout;

use super::{
    DEADLINE, Show, count,
    dvr::{on_air, patience, until},
    recording::{addresses, has_pictures, put_pictures},
    segments,
    storage::{Both, Mood},
};
use crate::{LibraryError, RecordingConfig};

/// Ends a process of ours without a word to it: nothing of it runs when this returns.
async fn kill(show: Show) {
    let archive = Arc::clone(show.origin.shared.archive.as_ref().unwrap());
    drop(show);
    archive.kill().await;
}

/// How many segments are written down of a recording; 0: nothing is yet.
async fn listed(show: &Show, id: &str, rendition: &str) -> usize {
    let answer = show.get(&format!("/vod/{id}/{rendition}.m3u8")).await;
    match answer.status {
        200 => segments(&answer.text()).len(),
        _ => 0,
    }
}

/// Whether every segment of a recording is there, and every gap is none.
async fn plays(show: &Show, id: &str, rendition: &str) -> (usize, usize) {
    let text = show.vod(id, rendition).await;
    let mut gaps = 0;
    let mut is_gap = false;
    for line in text.lines() {
        if line == "#EXT-X-GAP" {
            is_gap = true;
        } else if line.ends_with(".m4s") {
            let address = format!("/{}", line.strip_prefix("../../").unwrap());
            let answer = show.get(&address).await;
            let expected = if is_gap { 404 } else { 200 };
            assert_eq!(answer.status, expected, "{address}");
            gaps += usize::from(std::mem::take(&mut is_gap));
        }
    }
    (segments(&text).len(), gaps)
}

#[tokio::test]
async fn a_show_is_whole_in_the_bucket_that_was_away_in_the_middle_of_it() {
    let both = Both::new();
    let show = both.show().await;
    let (mut publisher, path) = on_air(&show, 5).await;
    let id = show.recorded().id;
    until("something is in the bucket", async || {
        both.names().await.len() >= 4
    })
    .await;
    assert!(show.origin.uploads());

    both.bucket.set(Mood::Gone);
    show.fill(&mut publisher, 10).await;
    until("it is told", async || !show.origin.uploads()).await;
    assert!(
        show.origin.stores(),
        "what is nearby is stored all the same"
    );
    assert!(both.waiting() > 8);
    // The show is played from its beginning, from nearby.
    until("it is written down", async || {
        listed(&show, &id, "video").await >= 13
    })
    .await;
    assert_eq!(plays(&show, &id, "audio").await.1, 0);
    both.bucket.set(Mood::Well);
    show.fill(&mut publisher, 3).await;
    until("it is told again", async || show.origin.uploads()).await;
    drop(publisher);
    show.until_over().await;
    both.until_uploaded().await;
    let before = show.get(&format!("{path}/video/7.m4s")).await.bytes();
    let whole = show.recorded();
    show.origin.shutdown().await;
    kill(show).await;

    // Nothing else is left.
    let both = Both::with(Arc::clone(&both.bucket));
    let show = both.show().await;
    until("it is found", async || !show.origin.recordings().is_empty()).await;
    assert_eq!(show.recorded(), whole);
    let text = show.vod(&id, "video").await;
    assert_eq!(count(&text, "#EXT-X-PLAYLIST-TYPE:VOD"), 1, "{text}");
    for rendition in ["video", "audio"] {
        let (listed, gaps) = plays(&show, &id, rendition).await;
        assert!(listed >= 16 && gaps == 0, "{listed} segments, {gaps} gaps");
    }
    answers_as_ever(&show, &path, &before).await;
    assert!(both.is_folder_empty(), "nothing is fetched to stay");
    both.bucket.set(Mood::Gone);
    let away = show.get(&format!("{path}/video/7.m4s")).await;
    assert_eq!(
        (away.status, away.header("cache-control")),
        (503, "no-store")
    );
}

/// Whether a segment of the bucket is answered like one of a folder.
async fn answers_as_ever(show: &Show, path: &str, before: &[u8]) {
    let address = format!("{path}/video/7.m4s");
    let answer = show.get(&address).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=36");
    assert_eq!(answer.header("content-type"), "video/mp4");
    assert_eq!(answer.bytes(), before);
    let range = show
        .viewer()
        .ask("GET", &address, "Range: bytes=4-7\r\n")
        .await;
    assert_eq!((range.status, &range.body[..]), (206, &before[4..8]));
    let beyond = "Range: bytes=99999999-\r\n";
    assert_eq!(show.viewer().ask("GET", &address, beyond).await.status, 416);
    assert_eq!(
        show.get(&format!("{path}/video/init-0.mp4")).await.status,
        200
    );
    for missing in ["video/init-7.mp4", "video/999.m4s", "nothing/1.m4s"] {
        assert_eq!(
            show.get(&format!("{path}/{missing}")).await.status,
            404,
            "{missing}"
        );
    }
}

#[tokio::test]
async fn what_leaves_the_playlists_is_played_from_the_bucket_alone() {
    let both = Both::new();
    let show = both.show().await;
    let (publisher, path) = on_air(&show, 60).await;
    let id = show.recorded().id;
    until("it is written down", async || {
        listed(&show, &id, "video").await >= 59
    })
    .await;
    let address = format!("{path}/video/1.m4s");
    let before = show.get(&address).await.bytes();
    let file = both
        .folder
        .path()
        .join(path.strip_prefix("/live/").unwrap())
        .join("video/1.m4s");
    assert!(file.exists());
    both.until_uploaded().await;
    assert!(file.exists(), "a playlist lists it");
    let later = show
        .origin
        .shared
        .clock
        .now()
        .after(Duration::from_secs(600));
    let stream = show.stream();
    stream.handle_time(later);
    until("it goes from the folder", async || !file.exists()).await;
    assert_eq!(show.get(&address).await.bytes(), before);
    // The show itself needs no bucket.
    both.bucket.set(Mood::Gone);
    assert_eq!(show.get(&address).await.status, 503);
    assert_eq!(show.get(&format!("{path}/video.m3u8")).await.status, 200);
    assert_eq!(show.get("/live/demo/master.m3u8").await.status, 200);
    both.bucket.set(Mood::Well);
    drop(publisher);
    show.until_over().await;
    let mut later = later;
    until("nobody can ask for the stream any more", async || {
        later = later.after(Duration::from_secs(3_600));
        stream.handle_time(later);
        stream.is_finished()
    })
    .await;
    both.until_uploaded().await;
    until("nothing is left nearby", async || both.is_folder_empty()).await;
    assert_eq!(plays(&show, &show.recorded().id, "video").await.1, 0);
}

#[tokio::test]
async fn a_killed_process_leaves_what_the_next_one_plays_at_once_and_uploads() {
    let both = Both::new();
    both.bucket.set(Mood::Gone);
    let show = both.show().await;
    let (_publisher, path) = on_air(&show, 10).await;
    let id = show.recorded().id;
    // What is dropped here is not killed: nothing may be on its way to the disk.
    until("it is written down", async || {
        let listed = listed(&show, &id, "audio").await + listed(&show, &id, "video").await;
        listed > 0 && listed as u64 == show.stored() && show.stream().next_errand().is_none()
    })
    .await;
    // While it is on, what is not nearby is nowhere.
    let track = format!("/vod/{id}/thumbnails.vtt");
    assert_eq!(show.get(&track).await.status, 404);
    let sheet = show.get(&format!("{path}/thumbnails/0.jpg")).await;
    assert_eq!(sheet.status, 404);
    let before = show.recorded();
    put_pictures(&both.vault, &path, &before).await;
    assert_eq!(show.get(&track).await.status, 200);
    kill(show).await;

    let both = both.again();
    let show = both.show().await;
    until("it is found", async || !show.origin.recordings().is_empty()).await;
    assert!(plays(&show, &id, "video").await.0 >= 9);
    // One of each second that is still there.
    let to_ms = before.to_ms.min(show.recorded().to_ms);
    let seconds = usize::try_from((to_ms - before.from_ms) / 1_000).unwrap();
    assert!(seconds >= 18);
    has_pictures(&show, &id, seconds).await;
    // What else there is nobody knows until the bucket can be read.
    let unknown = show.get("/vod/demo.nothing/index.m3u8").await;
    assert_eq!(
        (unknown.status, unknown.header("cache-control")),
        (503, "no-store")
    );
    for address in [
        "/live/demo/nothing/video/1.m4s",
        "/live/demo/nothing/thumbnails/0.jpg",
        "/vod/demo.nothing/thumbnails.vtt",
    ] {
        assert_eq!(show.get(address).await.status, 503, "{address}");
    }
    assert!(matches!(
        show.origin.delete_recording("demo.nothing").await,
        Err(LibraryError::Unread)
    ));
    assert!(both.names().await.is_empty());
    both.bucket.set(Mood::Well);
    both.until_uploaded().await;
    until("nothing is left nearby", async || both.is_folder_empty()).await;
    until("all are known", async || {
        show.get("/vod/demo.nothing/index.m3u8").await.status == 404
    })
    .await;
    for address in [
        "/live/demo/nothing/video/1.m4s",
        "/live/demo/nothing/thumbnails/0.jpg",
        "/vod/demo.nothing/thumbnails.vtt",
    ] {
        assert_eq!(show.get(address).await.status, 404, "{address}");
    }
    assert!(plays(&show, &id, "video").await.0 >= 9);
    has_pictures(&show, &id, seconds).await;
}

#[tokio::test]
async fn a_lost_folder_costs_what_was_not_uploaded_and_nothing_else() {
    let both = Both::new();
    let show = both.show().await;
    let (_publisher, path) = on_air(&show, 10).await;
    let id = show.recorded().id;
    until("it is written down", async || {
        listed(&show, &id, "audio").await >= 9
    })
    .await;
    put_pictures(&both.vault, &path, &show.recorded()).await;
    both.until_uploaded().await;
    let folder = path.strip_prefix("/live/").unwrap();
    kill(show).await;
    // As if what is said about them had been quicker than a segment and a sheet.
    for lost in ["video/4.m4s", "thumbnails/1.jpg"] {
        let lost = Path::from(format!("{folder}/{lost}"));
        both.bucket.files().delete(&lost).await.unwrap();
    }

    let both = Both::with(Arc::clone(&both.bucket));
    let show = both.show().await;
    until("it is found", async || !show.origin.recordings().is_empty()).await;
    assert!(show.recorded().ended);
    let (listed, gaps) = plays(&show, &id, "video").await;
    assert!(listed >= 9 && gaps == 1, "{listed} segments, {gaps} gaps");
    assert_eq!(plays(&show, &id, "audio").await.1, 0);
    has_pictures(&show, &id, 8).await;
    // That is written down for the next one.
    both.until_uploaded().await;
    kill(show).await;
    let both = Both::with(Arc::clone(&both.bucket));
    let show = both.show().await;
    until("it is found", async || !show.origin.recordings().is_empty()).await;
    assert_eq!(plays(&show, &id, "video").await, (listed, 1));
    has_pictures(&show, &id, 8).await;
    both.bucket.set(Mood::Gone);
    for address in [
        format!("{path}/thumbnails/0.jpg"),
        format!("/vod/{id}/thumbnails.vtt"),
    ] {
        let away = show.get(&address).await;
        let told = (away.status, away.header("cache-control"));
        assert_eq!(told, (503, "no-store"), "{address}");
    }
}

/// How many files of pictures are in the bucket.
async fn pictures(both: &Both) -> usize {
    let names = both.names().await;
    let of = names.iter().filter(|name| name.contains("/thumbnails/"));
    of.count()
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_the_bucket_but_for_what_a_clip_shows() {
    let both = Both::new();
    let show = both.show().await;
    let (publisher, path) = on_air(&show, 12).await;
    drop(publisher);
    show.until_over().await;
    let whole = show.recorded();
    let clip = show
        .origin
        .clip(&whole.id, whole.from_ms + 5_250, whole.from_ms + 9_000)
        .await
        .unwrap();
    put_pictures(&both.vault, &path, &whole).await;
    both.until_uploaded().await;
    both.bucket.set(Mood::Gone);
    let refused = show.origin.delete_recording(&whole.id).await;
    assert!(
        matches!(refused, Err(LibraryError::Storage(_))),
        "{refused:?}"
    );
    assert_eq!(show.origin.recordings().len(), 2, "it can be tried again");
    both.bucket.set(Mood::Well);
    show.origin.delete_recording(&whole.id).await.unwrap();
    let stream = path.strip_prefix("/live/").unwrap();
    let of_stream = async |both: &Both| {
        let mut names = both.names().await;
        names.retain(|name| name.starts_with(stream));
        names
    };
    assert_eq!(
        of_stream(&both).await.len(),
        11,
        "three segments of two renditions and their init sections, two sheets and what is said about them"
    );
    kill(show).await;

    let both = Both::with(Arc::clone(&both.bucket));
    let show = both.show().await;
    until("it is found", async || !show.origin.recordings().is_empty()).await;
    for address in addresses(&show.vod(&clip.id, "audio").await) {
        assert_eq!(show.get(&address).await.status, 200, "{address}");
    }
    assert_eq!(show.get(&format!("{path}/video/2.m4s")).await.status, 404);
    has_pictures(&show, &clip.id, 6).await;
    show.origin.delete_recording(&clip.id).await.unwrap();
    assert_eq!(both.names().await, [""; 0]);
}

#[tokio::test]
async fn what_is_old_enough_goes_from_the_bucket() {
    let both = Both::new();
    let show = both.show().await;
    let (publisher, path) = on_air(&show, 3).await;
    drop(publisher);
    show.until_over().await;
    put_pictures(&both.vault, &path, &show.recorded()).await;
    both.until_uploaded().await;
    assert_eq!(pictures(&both).await, 3);
    kill(show).await;
    let both = Both::with(Arc::clone(&both.bucket));
    let show = both.show().await;
    until("it is found", async || !show.origin.recordings().is_empty()).await;
    let library = show.origin.library().unwrap();
    until("it is old enough", async || {
        library.retain(Some(Duration::ZERO), None).await;
        show.origin.recordings().is_empty()
    })
    .await;
    assert_eq!(both.names().await, [""; 0]);
}

#[tokio::test]
async fn a_show_that_is_not_recorded_goes_to_no_bucket() {
    let both = Both::new();
    let show = Show::start_so(&mut Default::default(), patience(DEADLINE), |config| {
        config.archive = Some(crate::ArchiveConfig {
            vault: both.vault.clone(),
            window: Some(Duration::from_secs(7_200)),
            recording: RecordingConfig::default(),
        });
    })
    .await;
    let (_publisher, path) = on_air(&show, 5).await;
    until("all is stored", async || {
        show.stream().next_errand().is_none()
    })
    .await;
    assert_eq!((both.waiting(), both.names().await.len()), (0, 0));
    kill(show).await;
    // What is left of it is removed when the bucket has said that it knows nothing of it.
    let both = both.again();
    both.bucket.set(Mood::Gone);
    let folder = Place::of(path.strip_prefix("/live/").unwrap().split('/'));
    let show = both.show().await;
    assert_eq!(both.vault.near().folders(&folder).await.unwrap().len(), 2);
    both.bucket.set(Mood::Well);
    until("it is removed", async || {
        both.vault.near().folders(&folder).await.unwrap().is_empty()
    })
    .await;
    kill(show).await;
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_a_bucket_that_does_not_answer() {
    let both = Both::new();
    let show = both.show().await;
    let (_publisher, _) = on_air(&show, 3).await;
    let id = show.recorded().id;
    both.bucket.set(Mood::Stuck);
    until("it is written down", async || {
        let text = show.get(&format!("/vod/{id}/video.m3u8")).await;
        text.status == 200
    })
    .await;
    let stopped = timeout(DEADLINE, show.origin.shutdown()).await;
    assert!(stopped.is_ok());
    assert!(both.waiting() > 0, "it is left to the next process");
}
