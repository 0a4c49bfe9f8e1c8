//! How a rung's encoder is called.
//!
//! The program reads fragmented MP4 from its standard input and writes fragmented MP4 to its standard output, one
//! fragment to a picture or a frame of sound. What matters here is that times come out as they went in, to the tick, and that nothing waits:
//!
//! * `-copyts`, `-fps_mode passthrough`, `-enc_time_base 1:90000`: no picture is dropped, doubled or moved.
//! * `-use_editlist 0 -avoid_negative_ts disabled` and `frag_discont`: fragments say the times themselves; without these,
//!   the first picture would be at 0.
//! * `-force_key_frames source` with an endless `-g`: keyframes where the source has them, and nowhere else.
//! * `-bf 0`, zero latency, and a decoder without frame threads: a picture is out as soon as it is in.
//! * `-level:v`: the encoder would choose it by a frame rate that it has to guess, and its successor might guess another.
//! * `atrim`, for sound: frames of AAC are where the frames of an encoder that had begun with the show would be, and what
//!   lies before the first of them is cut off.
//! * `-probesize 32768 -analyzeduration 0`: begins with the first picture. Never `-fflags nobuffer`, which drops the first
//!   group of pictures.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use super::{
    config::{Encoder, RungConfig},
    rung::{Feed, Job, Of},
};

/// Variables of the environment that the program needs to find its libraries and devices. It gets no other: they may
/// hold the server's secrets.
const ENVIRONMENT: [&str; 4] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "LIBVA_DRIVER_NAME",
    "CUDA_VISIBLE_DEVICES",
];

/// Pictures above this many lines are decoded by several threads, each of which holds one back.
const LINES_PER_DECODER: u16 = 1_440;

/// The encoder of a rung that begins with this.
pub(super) fn command(program: &Path, encoder: Encoder, job: &Job, first: &Feed) -> Command {
    let arguments = match (job, first.source.of) {
        (Job::Pictures(rung), Of::Pictures { size }) => arguments(encoder, *rung, size),
        (Job::Sound { kilobits, .. }, Of::Sound { channels }) => {
            sound_arguments(*kilobits, channels, first.begins_at)
        }
        // Nobody feeds a rung what it is not made of; such a program ends at once.
        (Job::Pictures(_), Of::Sound { .. }) | (Job::Sound { .. }, Of::Pictures { .. }) => {
            Vec::new()
        }
    };
    let mut command = child(program);
    command.args(arguments);
    command
}

/// A child process that is told nothing yet, and ends with whoever has it.
pub(crate) fn child(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for name in ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn arguments(encoder: Encoder, rung: RungConfig, (width, height): (u16, u16)) -> Vec<String> {
    let decoders = if width.min(height) > LINES_PER_DECODER {
        4
    } else {
        1
    };
    let (out_width, out_height) = size(rung.lines, width, height);
    let scale = format!("scale={out_width}:{out_height}");
    let (device, filter, codec) = match encoder {
        Encoder::Libx264 => (
            "",
            format!("{scale},format=yuv420p"),
            "libx264 -preset veryfast -tune zerolatency -sc_threshold 0",
        ),
        Encoder::Nvenc => (
            "",
            format!("{scale},format=yuv420p"),
            "h264_nvenc -preset p4 -tune ll -rc cbr -zerolatency 1 -delay 0 -forced-idr 1 -no-scenecut 1",
        ),
        Encoder::Vaapi => (
            "-vaapi_device /dev/dri/renderD128",
            format!("{scale},format=nv12,hwupload"),
            "h264_vaapi -rc_mode CBR -async_depth 1",
        ),
    };
    let kilobits = rung.kilobits;
    [
        "-hide_banner -nostats -loglevel warning -protocol_whitelist pipe",
        device,
        &format!(
            "-copyts -probesize 32768 -analyzeduration 0 -threads {decoders} -f mp4 -i pipe:0"
        ),
        "-map 0:v:0 -map_metadata -1",
        &format!("-vf {filter}"),
        &format!(
            "-c:v {codec} -level:v {} -bf 0 -g 9999 -force_key_frames source",
            level(out_width, out_height)
        ),
        &format!("-b:v {kilobits}k -maxrate {kilobits}k -bufsize {kilobits}k"),
        "-fps_mode passthrough -enc_time_base 1:90000 -video_track_timescale 90000",
        OUTPUT,
    ]
    .join(" ")
    .split_ascii_whitespace()
    .map(str::to_owned)
    .collect()
}

/// One fragment to a picture or a frame, with its own times, as soon as it is there.
const OUTPUT: &str = "-use_editlist 0 -avoid_negative_ts disabled -flush_packets 1 \
    -movflags +empty_moov+frag_every_frame+default_base_moof+frag_discont+skip_trailer -f mp4 pipe:1";

/// Sound that begins at this tick.
fn sound_arguments(kilobits: u32, channels: u16, begins_at: u64) -> Vec<String> {
    [
        "-hide_banner -nostats -loglevel warning -protocol_whitelist pipe",
        "-copyts -probesize 32768 -analyzeduration 0 -threads 1 -f mp4 -i pipe:0",
        "-map 0:a:0 -map_metadata -1",
        &format!("-af atrim=start_pts={begins_at}"),
        &format!("-c:a aac -ar 48000 -ac {channels} -b:a {kilobits}k"),
        OUTPUT,
    ]
    .join(" ")
    .split_ascii_whitespace()
    .map(str::to_owned)
    .collect()
}

/// Width and height of a picture whose shorter side has so many lines, in the source's proportions; both are even.
pub(crate) fn size(lines: u32, width: u16, height: u16) -> (u32, u32) {
    let (long, short) = (u32::from(width.max(height)), u32::from(width.min(height)));
    // To the nearest even number.
    let other = (long * lines + short) / (short.max(1) * 2) * 2;
    if width >= height {
        (other, lines)
    } else {
        (lines, other)
    }
}

/// The lowest H.264 level that has room for 60 pictures of this size a second (H.264 table A-1: macroblocks per second and
/// per picture).
fn level(width: u32, height: u32) -> &'static str {
    const LEVELS: [(&str, u32, u32); 6] = [
        ("3.0", 40_500, 1_620),
        ("3.1", 108_000, 3_600),
        ("3.2", 216_000, 5_120),
        ("4.2", 522_240, 8_704),
        ("5.1", 983_040, 36_864),
        ("5.2", 2_073_600, 36_864),
    ];
    let blocks = width.div_ceil(16) * height.div_ceil(16);
    let fits =
        |(_, second, picture): &&(&str, u32, u32)| blocks * 60 <= *second && blocks <= *picture;
    LEVELS.iter().find(fits).map_or("6.2", |(name, _, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_kept_to_the_nearest_even_number() {
        assert_eq!(size(720, 1_920, 1_080), (1_280, 720));
        assert_eq!(size(480, 1_920, 1_080), (854, 480));
        assert_eq!(size(360, 1_280, 720), (640, 360));
        assert_eq!(size(480, 1_080, 1_920), (480, 854));
        assert_eq!(size(240, 640, 480), (320, 240));
    }

    #[test]
    fn levels_have_room_for_sixty_pictures_a_second() {
        assert_eq!(level(426, 240), "3.0");
        assert_eq!(level(854, 480), "3.1");
        assert_eq!(level(1_280, 720), "3.2");
        assert_eq!(level(1_920, 1_080), "4.2");
        assert_eq!(level(3_840, 2_160), "5.2");
        assert_eq!(level(5_120, 2_160), "6.2");
    }

    #[test]
    fn every_encoder_is_told_to_keep_the_times() {
        let rung = RungConfig {
            lines: 720,
            kilobits: 2_500,
        };
        for encoder in [Encoder::Libx264, Encoder::Nvenc, Encoder::Vaapi] {
            let line = arguments(encoder, rung, (1_920, 1_080)).join(" ");
            for part in [
                "-copyts",
                "-fps_mode passthrough",
                "-enc_time_base 1:90000",
                "-bf 0",
                "-force_key_frames source",
                "scale=1280:720",
                "-level:v 3.2",
                "-b:v 2500k",
            ] {
                assert!(line.contains(part), "{part} in {line}");
            }
            assert!(!line.contains("nobuffer"), "{line}");
        }
    }
}
