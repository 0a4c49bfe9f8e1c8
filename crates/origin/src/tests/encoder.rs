//! A real encoder in front and real players behind: `ffmpeg` publishes, `ffprobe` and `ffmpeg` judge.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::timeout,
};

use super::{DEADLINE, KEY, Show, parts, segments};
use crate::{PublisherStatus, shared::Patience};

const SECONDS: u32 = 9;

/// Encodes and publishes as fast as it can, B-frames included.
fn ffmpeg_publisher(show: &Show, key: &str) -> Child {
    ffmpeg_to(&format!("rtmp://{}/live/{key}", show.rtmp()), "flv")
}

/// The same to any address.
pub(super) fn ffmpeg_to(url: &str, container: &str) -> Child {
    let arguments = [
        "-hide_banner -loglevel error -f lavfi -i testsrc2=size=320x180:rate=30",
        "-f lavfi -i sine=frequency=440:sample_rate=48000 -t",
        &SECONDS.to_string(),
        "-c:v libx264 -preset veryfast -bf 2 -g 60 -keyint_min 60 -sc_threshold 0 -pix_fmt yuv420p",
        "-c:a aac -b:a 96k -ac 2 -f",
        container,
    ]
    .join(" ");
    Command::new("ffmpeg")
        .args(arguments.split_ascii_whitespace())
        .arg(url)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg is installed")
}

/// What a tool prints on standard output for this input; it must print nothing else.
pub(super) async fn judge(program: &str, arguments: &str, input: &[u8]) -> String {
    let mut child = Command::new(program)
        .args(arguments.split_ascii_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg is installed");
    let mut stdin = child.stdin.take().unwrap();
    let (written, output) = tokio::join!(
        async move { stdin.write_all(input).await },
        timeout(DEADLINE, child.wait_with_output())
    );
    let output = output.expect("a verdict in time").unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    written.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

pub(super) async fn collect(
    show: &Show,
    folder: &str,
    rendition: &str,
    uris: &[String],
) -> Vec<u8> {
    let mut file = show
        .get(&format!("{folder}/{rendition}/init-0.mp4"))
        .await
        .bytes();
    for uri in uris {
        file.extend(show.get(&format!("{folder}/{uri}")).await.bytes());
    }
    file
}

#[tokio::test]
async fn what_ffmpeg_publishes_is_what_ffprobe_reads() {
    let show = Show::start_with(Duration::from_millis(50), Patience::default()).await;
    let mut publisher = ffmpeg_publisher(&show, KEY);
    show.until(|status| status.live).await;
    let folder = show.folder().await;
    let path = format!("{folder}/video.m3u8?_HLS_msn=1");
    let playing = show.get(&path).await.text();
    assert!(playing.contains("#EXT-X-PART:"), "{playing}");
    timeout(DEADLINE, publisher.wait())
        .await
        .expect("ffmpeg ends")
        .unwrap();
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;

    for (rendition, entries, expected) in [
        (
            "video",
            "codec_name,width,height,has_b_frames,nb_read_packets",
            format!("h264,320,180,2,{}\n", SECONDS * 30),
        ),
        (
            "audio",
            "codec_name,sample_rate,channels",
            "aac,48000,2\n".to_owned(),
        ),
    ] {
        let text = show.get(&format!("{folder}/{rendition}.m3u8")).await.text();
        let arguments = format!(
            "-v warning -count_packets -of csv=p=0 -show_entries stream={entries} -i pipe:0"
        );
        let whole = collect(&show, &folder, rendition, &segments(&text)).await;
        assert_eq!(
            judge("ffprobe", &arguments, &whole).await,
            expected,
            "{text}"
        );
        judge("ffmpeg", "-v warning -xerror -i pipe:0 -f null -", &whole).await;
        // All parts are still listed, and they are the very same bytes.
        assert_eq!(
            collect(&show, &folder, rendition, &parts(&text)).await,
            whole
        );
    }
    // The playlist as a player reads it, to its end.
    let url = format!(
        "-v warning -xerror -i http://{}{folder}/video.m3u8 -f null -",
        show.http
    );
    judge("ffmpeg", &url, b"").await;
}

/// What ffmpeg says when it is not let in under this name.
pub(super) async fn said_by_ffmpeg(show: &Show, name: &str) -> String {
    let publisher = ffmpeg_publisher(show, name);
    let output = timeout(DEADLINE, publisher.wait_with_output())
        .await
        .expect("ffmpeg ends")
        .unwrap();
    assert!(!output.status.success(), "ffmpeg was let in");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn ffmpeg_is_told_that_its_key_is_wrong() {
    let show = Show::start().await;
    let said = said_by_ffmpeg(&show, "a-wrong-key-0000").await;
    assert!(said.contains("Unknown stream key."), "{said}");
}
