//! AAC is made of the Opus that a real `ffmpeg` publishes over SRT, by a real `ffmpeg`.

use std::{process::Stdio, time::Duration};

use fanwave_live::RenditionName;
use prometheus_client::registry::Registry;
use tokio::process::{Child, Command};

use super::{
    KEY, Show, count,
    encoder::{collect, judge},
    ladder::{PATIENT, child, cuts, kill},
    news::next,
    parts, segments,
};
use crate::{LadderConfig, PublisherStatus, SrtConfig, What, shared::Patience};

/// How far the two may be apart where a cut falls between frames of either, seconds.
const FRAME_S: f64 = 0.022;

fn aac() -> LadderConfig {
    LadderConfig {
        aac_kilobits: Some(128),
        ..LadderConfig::default()
    }
}

async fn show(ladder: LadderConfig, patience: Duration) -> Show {
    let patience = Patience {
        rung: patience,
        ..Patience::default()
    };
    Show::start_so(&mut Registry::default(), patience, |config| {
        config.reconnect_window = Duration::from_millis(50);
        config.ladder = ladder;
        config.srt = Some(SrtConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            latency: Duration::from_millis(120),
            passphrase: None,
        });
    })
    .await
}

/// Pictures, and a tone of 0.1 s in each second as Opus, at the speed of life.
fn publisher(show: &Show, seconds: u32) -> Child {
    let arguments = format!(
        "-hide_banner -loglevel error -re -f lavfi -i testsrc2=size=320x180:rate=30 \
         -re -f lavfi -i aevalsrc=sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.1):sample_rate=48000 -t {seconds} \
         -c:v libx264 -preset ultrafast -g 30 -keyint_min 30 -sc_threshold 0 -pix_fmt yuv420p \
         -c:a libopus -b:a 96k -ac 2 -f mpegts srt://{}?streamid=publish:{KEY}",
        show.origin.srt_addr().unwrap()
    );
    Command::new("ffmpeg")
        .args(arguments.split_ascii_whitespace())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg is installed")
}

/// What follows a tag in each of its lines, up to the comma.
fn numbers(playlist: &str, tag: &str) -> Vec<f64> {
    let number = |line: &str| line.strip_prefix(tag)?.split(',').next()?.parse().ok();
    playlist.lines().filter_map(number).collect()
}

/// When the tones begin.
async fn tones(file: &[u8]) -> Vec<f64> {
    let arguments = "-v error -copyts -i pipe:0 -af \
        silencedetect=n=-30dB:d=0.05,ametadata=mode=print:key=lavfi.silence_end:file=- -f null -";
    let told = judge("ffmpeg", arguments, file).await;
    numbers(&told, "lavfi.silence_end=")
}

/// Times of the frames, in ticks.
async fn frames(file: &[u8]) -> Vec<u64> {
    let arguments = "-v warning -show_entries packet=pts -of csv=p=0 -i pipe:0";
    let told = judge("ffprobe", arguments, file).await;
    let frame = |line: &str| line.trim_end_matches(',').parse().expect("a time");
    told.lines().map(frame).collect()
}

#[tokio::test]
async fn aac_is_heard_when_the_opus_is_that_it_is_made_of() {
    let show = show(aac(), PATIENT).await;
    let _publisher = publisher(&show, 60);
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let master = show.get("/live/demo/master.m3u8").await.text();
    let variants: Vec<_> = master
        .lines()
        .filter_map(|line| line.split_once("CODECS=").map(|(_, rest)| rest))
        .map(|rest| rest.split_once('"').unwrap().1.split_once('"').unwrap())
        .map(|(codecs, rest)| (codecs, rest.rsplit("AUDIO=").next().unwrap()))
        .collect();
    assert_eq!(
        variants,
        [
            ("avc1.42c00d,Opus", "\"audio\""),
            ("avc1.42c00d,mp4a.40.2", "\"audio-2\""),
            ("Opus", "\"audio\""),
            ("mp4a.40.2", "\"audio-2\""),
        ],
        "{master}"
    );
    assert!(
        master.contains("GROUP-ID=\"audio-2\",NAME=\"Audio\",DEFAULT=YES"),
        "{master}"
    );
    let mut heard = Vec::new();
    for (rendition, codec) in [("audio", "opus"), ("audio-aac", "aac")] {
        let path = format!("{folder}/{rendition}.m3u8?_HLS_msn=3");
        let text = show.get(&path).await.text();
        assert!(!text.contains("GAP"), "{text}");
        for other in ["video", "audio", "audio-aac"] {
            let report = format!("#EXT-X-RENDITION-REPORT:URI=\"{other}.m3u8\"");
            assert_eq!(text.contains(&report), other != rendition, "{text}");
        }
        let longest = numbers(&text, "#EXT-X-PART:DURATION=");
        assert!(longest.iter().all(|part| *part <= 1.0), "{text}");
        let whole = collect(&show, &folder, rendition, &segments(&text)[..3]).await;
        let in_parts: Vec<_> = parts(&text)
            .into_iter()
            .filter(|uri| ["/1.", "/2.", "/3."].iter().any(|name| uri.contains(name)))
            .collect();
        assert_eq!(collect(&show, &folder, rendition, &in_parts).await, whole);
        judge("ffmpeg", "-v warning -xerror -i pipe:0 -f null -", &whole).await;
        let entries = "-v warning -show_entries stream=codec_name,sample_rate,channels \
                       -of csv=p=0 -i pipe:0";
        let told = judge("ffprobe", entries, &whole).await;
        assert_eq!(told, format!("{codec},48000,2\n"));
        heard.push((text, frames(&whole).await, tones(&whole).await));
    }
    let [(opus_list, opus, opus_tones), (aac_list, aac, aac_tones)] = &heard[..] else {
        panic!("two renditions");
    };
    let follow = |frames: &[u64], samples| frames.windows(2).all(|two| two[1] == two[0] + samples);
    assert!(follow(opus, 960) && follow(aac, 1_024), "{opus:?} {aac:?}");
    let seconds = |samples: u64| f64::from(u32::try_from(samples).unwrap()) / 48_000.0;
    let apart = seconds(opus[0].abs_diff(aac[0]));
    assert!(apart < 2.0 * FRAME_S, "they begin {apart} s apart");
    for number in 0..3 {
        let [opus, aac] = [opus_list, aac_list].map(|list| numbers(list, "#EXTINF:")[number]);
        assert!(
            (opus - aac).abs() < 2.0 * FRAME_S,
            "{opus_list}\n{aac_list}"
        );
    }
    assert!(aac_tones.len() >= 4, "{aac_tones:?}");
    for tone in aac_tones {
        // What the encoders smear a tone's beginning over.
        let is_heard = opus_tones.iter().any(|opus| (opus - tone).abs() < 0.004);
        assert!(is_heard, "{opus_tones:?} {aac_tones:?}");
    }
}

#[tokio::test]
async fn a_killed_encoder_leaves_a_gap_in_the_aac_alone_and_the_next_goes_on_to_the_tick() {
    let show = show(aac(), PATIENT).await;
    let _publisher = publisher(&show, 120);
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let mut news = show.origin.listen();
    let pid = child("atrim=").expect("the encoder runs");
    kill(pid).await;
    let mut last = String::new();
    let mut ends = None;
    for msn in 2..40 {
        let path = format!("{folder}/audio-aac.m3u8?_HLS_msn={msn}");
        last = show.get(&path).await.text();
        let gap = last.rfind("#EXT-X-GAP");
        if gap.is_some_and(|gap| last[gap..].matches("#EXTINF").count() > 1) {
            ends = Some(msn);
            break;
        }
    }
    let msn = ends.expect("a gap, and media behind it");
    let told = [next(&mut news).await, next(&mut news).await];
    let rung: RenditionName = "audio-aac".parse().unwrap();
    assert_eq!(
        told,
        [
            What::RungFailed {
                rung: rung.clone(),
                reason: "crash",
            },
            What::RungBack { rung },
        ]
    );
    for rendition in ["audio", "video"] {
        let path = format!("{folder}/{rendition}.m3u8?_HLS_msn={msn}");
        let text = show.get(&path).await.text();
        assert!(!text.contains("GAP"), "{text}");
    }
    let (before, after) = (segments(&last)[0].clone(), segments(&last).pop().unwrap());
    let before = frames(&collect(&show, &folder, "audio-aac", &[before]).await).await;
    let after = collect(&show, &folder, "audio-aac", &[after]).await;
    judge("ffmpeg", "-v warning -xerror -i pipe:0 -f null -", &after).await;
    let tones_after = tones(&after).await;
    let after = frames(&after).await;
    assert_eq!((after[0] - before[0]) % 1_024, 0, "{before:?} {after:?}");
    let opus = show.get(&format!("{folder}/audio.m3u8")).await.text();
    let opus = tones(&collect(&show, &folder, "audio", &segments(&opus)).await).await;
    assert!(!tones_after.is_empty());
    for tone in tones_after {
        assert!(
            opus.iter().any(|opus| (opus - tone).abs() < 0.004),
            "{tone} in {opus:?}"
        );
    }
}

#[tokio::test]
async fn a_show_goes_on_without_its_aac() {
    let missing = LadderConfig {
        program: "/nowhere/ffmpeg".into(),
        ..aac()
    };
    let show = show(missing, Duration::from_millis(50)).await;
    let mut publisher = publisher(&show, 8);
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let master = show.get("/live/demo/master.m3u8").await.text();
    assert!(
        master.contains("Opus") && !master.contains("aac"),
        "{master}"
    );
    publisher.wait().await.unwrap();
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    let opus = show.get(&format!("{folder}/audio.m3u8")).await.text();
    let aac = show.get(&format!("{folder}/audio-aac.m3u8")).await.text();
    assert_eq!(segments(&aac).len(), segments(&opus).len(), "{opus}\n{aac}");
    assert_eq!(count(&aac, "#EXT-X-GAP"), segments(&aac).len(), "{aac}");
    assert_eq!(cuts(&aac)[0], cuts(&opus)[0]);
}
