//! Rungs are made by a real `ffmpeg`, from what a real `ffmpeg` publishes as fast as it plays.

use std::{process::Stdio, time::Duration};

use tokio::process::{Child, Command};

use super::{
    KEY, Show, count,
    encoder::judge,
    events::{Found, found},
    parts,
    publisher::Publisher,
    segments,
};
use crate::{
    DateRange, DateRangeSpec, LadderConfig, PublisherStatus, RungConfig, limits::RUNGS_MAX,
    shared::Patience,
};

/// Long enough for a machine that does other things; what is tested is what comes, not when.
pub(super) const PATIENT: Duration = Duration::from_secs(30);

fn ladder(rungs: &[(u32, u32)]) -> LadderConfig {
    let rung = |&(lines, kilobits)| RungConfig { lines, kilobits };
    LadderConfig {
        rungs: rungs.iter().map(rung).collect(),
        rungs_max: RUNGS_MAX,
        ..LadderConfig::default()
    }
}

async fn show(ladder: LadderConfig, patience: Duration) -> Show {
    let patience = Patience {
        rung: patience,
        ..Patience::default()
    };
    Show::start_ladder(ladder, Duration::from_millis(50), patience).await
}

/// Pictures of 640x360 with B-frames, a keyframe in each second, at the speed of life.
fn ffmpeg_publisher(show: &Show, seconds: u32) -> Child {
    let arguments = format!(
        "-hide_banner -loglevel error -re -f lavfi -i testsrc2=size=640x360:rate=30 \
         -re -f lavfi -i sine=frequency=440:sample_rate=48000 -t {seconds} \
         -c:v libx264 -preset ultrafast -bf 2 -g 30 -keyint_min 30 -sc_threshold 0 -pix_fmt yuv420p \
         -c:a aac -b:a 96k -ac 2 -f flv rtmp://{}/live/{KEY}",
        show.rtmp()
    );
    Command::new("ffmpeg")
        .args(arguments.split_ascii_whitespace())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg is installed")
}

/// What has to be the same in the playlists of all rungs: numbers, dates and durations of segments and parts.
pub(super) fn cuts(playlist: &str) -> Vec<String> {
    let line = |line: &str| -> Option<String> {
        let told = [
            "#EXT-X-MEDIA-SEQUENCE",
            "#EXT-X-PROGRAM-DATE-TIME",
            "#EXTINF",
            "#EXT-X-DISCONTINUITY",
        ];
        if told.iter().any(|tag| line.starts_with(tag)) {
            return Some(line.to_owned());
        }
        let duration = line.strip_prefix("#EXT-X-PART:DURATION=")?;
        Some(duration.split_once(',')?.0.to_owned())
    };
    playlist.lines().filter_map(line).collect()
}

async fn collect(show: &Show, folder: &str, rendition: &str, uris: &[String]) -> Vec<u8> {
    let init = format!("{folder}/{rendition}/init-0.mp4");
    let mut file = show.get(&init).await.bytes();
    for uri in uris {
        file.extend(show.get(&format!("{folder}/{uri}")).await.bytes());
    }
    file
}

#[tokio::test]
async fn rungs_are_cut_where_their_source_is_and_shown_when_it_is() {
    let show = show(ladder(&[(240, 400), (144, 150)]), PATIENT).await;
    let _publisher = ffmpeg_publisher(&show, 60);
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let master = show.get("/live/demo/master.m3u8").await.text();
    let variants: Vec<_> = master
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit('/').next().unwrap_or_default())
        .collect();
    assert_eq!(
        variants,
        ["video.m3u8", "240p.m3u8", "144p.m3u8", "audio.m3u8"],
        "{master}"
    );
    assert!(
        master.contains("RESOLUTION=426x240,FRAME-RATE=30.000"),
        "{master}"
    );
    let mut cut = Vec::new();
    let mut times = Vec::new();
    for rendition in ["video", "240p", "144p"] {
        let path = format!("{folder}/{rendition}.m3u8?_HLS_msn=2");
        let text = show.get(&path).await.text();
        assert!(!text.contains("GAP"), "{text}");
        for other in ["video", "audio", "240p", "144p"] {
            let report = format!("#EXT-X-RENDITION-REPORT:URI=\"{other}.m3u8\"");
            assert_eq!(text.contains(&report), other != rendition, "{text}");
        }
        // The first two segments, whatever has come since.
        let end = text.find("/2.m4s").unwrap_or(text.len());
        cut.push(cuts(&text[..end]));
        let whole = collect(&show, &folder, rendition, &segments(&text)[..2]).await;
        let in_parts: Vec<_> = parts(&text)
            .into_iter()
            .filter(|uri| uri.contains("/1.") || uri.contains("/2."))
            .collect();
        assert_eq!(collect(&show, &folder, rendition, &in_parts).await, whole);
        judge("ffmpeg", "-v warning -xerror -i pipe:0 -f null -", &whole).await;
        let arguments = "-v warning -show_entries packet=pts,flags -of csv=p=0 -i pipe:0";
        let mut packets: Vec<_> = judge("ffprobe", arguments, &whole)
            .await
            .lines()
            .map(str::to_owned)
            .collect();
        packets.sort();
        times.push(packets);
    }
    assert_eq!(cut[0].len(), 2 + 2 * 4, "{cut:?}");
    assert_eq!((&cut[1], &cut[2]), (&cut[0], &cut[0]));
    assert_eq!(times[0].len(), 120);
    assert_eq!((&times[1], &times[2]), (&times[0], &times[0]));
}

/// Ends a process without a word to it.
pub(super) async fn kill(pid: u32) {
    let killed = Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .await
        .unwrap();
    assert!(killed.success());
}

/// The process of this one that was told so.
pub(super) fn child(argument: &str) -> Option<u32> {
    let this = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.flatten().find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        // Behind the name in brackets: the state, and the parent.
        let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.to_owned();
        let told = std::fs::read_to_string(process.path().join("cmdline")).ok()?;
        (parent == this && told.contains(argument)).then_some(pid)
    })
}

#[tokio::test]
async fn a_killed_encoder_leaves_a_gap_in_its_rung_alone_and_is_followed_by_another() {
    let show = show(ladder(&[(200, 300), (136, 150)]), PATIENT).await;
    let _publisher = ffmpeg_publisher(&show, 120);
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let pid = child("scale=356:200").expect("the rung's encoder runs");
    kill(pid).await;
    // Each answer comes when the segment is there.
    let mut last = String::new();
    let mut ends = None;
    for msn in 2..40 {
        let path = format!("{folder}/200p.m3u8?_HLS_msn={msn}");
        last = show.get(&path).await.text();
        let gap = last.rfind("#EXT-X-GAP");
        let is_followed = |gap| {
            let after: &str = &last[gap..];
            after.matches("#EXTINF").count() > 1
        };
        if gap.is_some_and(is_followed) {
            ends = Some(msn);
            break;
        }
    }
    let msn = ends.expect("a gap, and media behind it");
    assert!(last.contains(",GAP=YES"), "{last}");
    let mut all = vec![last];
    for rendition in ["136p", "video"] {
        let text = show
            .get(&format!("{folder}/{rendition}.m3u8?_HLS_msn={msn}"))
            .await
            .text();
        assert!(!text.contains("GAP"), "{text}");
        all.push(text);
    }
    let listed: Vec<_> = all.iter().map(|text| cuts(text)).collect();
    let common = listed.iter().map(Vec::len).min().unwrap();
    assert!(common > 10, "{listed:?}");
    assert_eq!(listed[0][..common], listed[1][..common]);
    assert_eq!(listed[0][..common], listed[2][..common]);
    // What the gap names is not there, and what follows it is.
    let gone = all[0]
        .lines()
        .skip_while(|line| *line != "#EXT-X-GAP")
        .find(|line| line.ends_with(".m4s"))
        .unwrap();
    assert_eq!(show.get(&format!("{folder}/{gone}")).await.status, 404);
    let back = segments(&all[0]).pop().unwrap();
    let segment = collect(&show, &folder, "200p", &[back]).await;
    judge("ffmpeg", "-v warning -xerror -i pipe:0 -f null -", &segment).await;
}

#[tokio::test]
async fn a_show_goes_on_without_an_encoder() {
    let missing = LadderConfig {
        program: "/nowhere/ffmpeg".into(),
        ..ladder(&[(240, 400)])
    };
    let show = show(missing, Duration::from_millis(50)).await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let master = show.get("/live/demo/master.m3u8").await.text();
    assert!(
        !master.contains("240p"),
        "what is not made is not offered: {master}"
    );
    publisher.vanish();
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    let video = show.get(&format!("{folder}/video.m3u8")).await.text();
    let rung = show.get(&format!("{folder}/240p.m3u8")).await.text();
    assert_eq!(cuts(&rung), cuts(&video));
    assert_eq!(count(&rung, "#EXT-X-GAP"), segments(&rung).len(), "{rung}");
    let init = show.get(&format!("{folder}/240p/init-0.mp4")).await;
    assert_eq!(
        (init.status, init.header("cache-control")),
        (404, "no-store")
    );
}

#[tokio::test]
async fn a_machine_encodes_no_more_rungs_than_it_may() {
    let small = LadderConfig {
        rungs_max: 1,
        program: "/nowhere/ffmpeg".into(),
        ..ladder(&[(240, 400), (144, 150)])
    };
    let show = show(small, Duration::from_millis(50)).await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(2_400).await;
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    assert_eq!(show.get(&format!("{folder}/144p.m3u8")).await.status, 200);
    assert_eq!(show.get(&format!("{folder}/240p.m3u8")).await.status, 404);
    // A publisher that returns finds the same rungs; one that ends has left its places.
    publisher.vanish();
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(2_400).await;
    show.until(|status| status.live).await;
    assert_ne!(show.folder().await, folder);
    assert_eq!(
        show.get(&format!("{}/144p.m3u8", show.folder().await))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_event_is_in_every_quality_at_the_same_time() {
    let show = show(ladder(&[(144, 150)]), PATIENT).await;
    let _publisher = ffmpeg_publisher(&show, 60);
    show.until(|status| status.live).await;
    let event = DateRange::new(&DateRangeSpec {
        id: "ahead".to_owned(),
        class: None,
        start: show
            .stream()
            .end_of_media()
            .unwrap()
            .after(Duration::from_millis(3_210)),
        duration: None,
        attributes: Vec::new(),
    });
    let channel = "demo".parse().unwrap();
    show.origin
        .announce_event(&channel, event.unwrap())
        .unwrap();
    let folder = show.folder().await;
    let source = carried(&show, &folder, "video").await;
    assert_eq!(carried(&show, &folder, "144p").await, source);
    assert_eq!(source.1.event["id"], "ahead");
    assert!((0..90_000).contains(&source.1.offset), "{source:?}");
}

/// The first event in a rendition's parts, and the name of its part.
async fn carried(show: &Show, folder: &str, rendition: &str) -> (String, Found) {
    for msn in 1..20 {
        let path = format!("{folder}/{rendition}.m3u8?_HLS_msn={msn}");
        let text = show.get(&path).await.text();
        let name = format!("{rendition}/{msn}.");
        for uri in parts(&text).iter().filter(|uri| uri.contains(&name)) {
            let part = show.get(&format!("{folder}/{uri}")).await.bytes();
            if let Some(found) = found(&part).pop() {
                return (uri.replace(rendition, ""), found);
            }
        }
    }
    panic!("no event among the media of {rendition}")
}
