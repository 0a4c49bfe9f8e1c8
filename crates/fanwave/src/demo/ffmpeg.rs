//! The command line of the demo's ffmpeg: two generated inputs, our strip on standard input, RTMP out.
//!
//! The strip's frames drive everything: ffmpeg may generate the picture and the tone as fast as it likes, but frame *n*
//! of the picture waits for frame *n* of the strip, which comes at 30 frames per second with the wall clock painted in.
//! So the clock that a frame shows is the clock at which it was made, and picture and tone cannot drift apart.
//!
//! The stream key is in a file that only the owner may read, not among the arguments, which every user of the machine
//! can list.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{limits, strip};

/// What the demo's encoder gets.
#[derive(Debug, Clone)]
pub struct Encoder {
    /// The program.
    pub ffmpeg: PathBuf,
    /// x264's preset.
    pub preset: String,
    /// Our own ingest.
    pub ingest: SocketAddr,
    /// A preset file of ffmpeg with the line `rtmp_playpath=KEY`.
    pub key_file: PathBuf,
}

/// A tone that changes between two pitches every second, quiet enough to be left on.
const TONE: &str =
    "aevalsrc=exprs=0.06*sin(2*PI*t*if(lt(mod(t\\,2)\\,1)\\,440\\,554)):sample_rate=48000";

impl Encoder {
    /// The arguments. They hold no secret.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let frame = format!("{}x{}", strip::WIDTH, strip::HEIGHT);
        let rate = limits::FRAMES_PER_SECOND.to_string();
        let picture = format!("testsrc2=size=1280x720:rate={rate}");
        let place = strip::PLACE;
        let graph =
            format!("[1:v][0:v]overlay=x={place}:y={place}:eof_action=endall,format=yuv420p[v]");
        // A picture that needs no other to start with, every two seconds: a segment begins there.
        let interval = (2 * limits::FRAMES_PER_SECOND).to_string();
        let url = format!("rtmp://{}/live", self.ingest);
        let mut all: Vec<OsString> = Vec::with_capacity(64);
        let mut add = |arguments: &[&str]| all.extend(arguments.iter().map(OsString::from));
        add(&["-hide_banner", "-nostats", "-loglevel", "error"]);
        // What the strip is has been said: nothing of it has to be held back and examined.
        add(&[
            "-probesize",
            "32",
            "-analyzeduration",
            "0",
            "-fpsprobesize",
            "0",
        ]);
        add(&[
            "-f",
            "rawvideo",
            "-pixel_format",
            "gray",
            "-video_size",
            &frame,
            "-framerate",
            &rate,
        ]);
        add(&["-i", "pipe:0"]);
        add(&["-f", "lavfi", "-i", &picture]);
        add(&["-f", "lavfi", "-i", TONE]);
        add(&["-filter_complex", &graph, "-map", "[v]", "-map", "2:a"]);
        add(&[
            "-c:v",
            "libx264",
            "-preset",
            &self.preset,
            "-tune",
            "zerolatency",
            "-profile:v",
            "main",
        ]);
        add(&["-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k"]);
        add(&[
            "-g",
            &interval,
            "-keyint_min",
            &interval,
            "-sc_threshold",
            "0",
        ]);
        add(&["-c:a", "aac", "-b:a", "128k", "-ac", "2"]);
        add(&["-fpre"]);
        all.push(self.key_file.clone().into_os_string());
        all.extend(["-flvflags", "no_duration_filesize", "-f", "flv", &url].map(OsString::from));
        all
    }
}

/// The program's path when it is one, or the first of its name in the folders of `path` (the variable `PATH`).
#[must_use]
pub fn find(program: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    std::env::split_paths(path?)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_not_among_the_arguments_and_the_file_is() {
        let encoder = Encoder {
            ffmpeg: "ffmpeg".into(),
            preset: "ultrafast".to_owned(),
            ingest: SocketAddr::from(([127, 0, 0, 1], 1935)),
            key_file: "/data/demo.ffpreset".into(),
        };
        let line: Vec<String> = encoder
            .arguments()
            .into_iter()
            .map(|a| a.into_string().unwrap())
            .collect();
        insta::assert_snapshot!(line.join("\n"));
    }

    #[test]
    fn the_program_is_found_as_a_shell_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("ffmpeg");
        std::fs::write(&program, "").unwrap();
        let path = OsString::from(format!("/nowhere:{}", folder.path().display()));
        assert_eq!(
            find(Path::new("ffmpeg"), Some(&path)).as_deref(),
            Some(program.as_path())
        );
        assert_eq!(find(&program, None).as_deref(), Some(program.as_path()));
        assert_eq!(
            find(Path::new("ffmpeg"), Some(OsStr::new("/nowhere"))),
            None
        );
        assert_eq!(find(Path::new("/nowhere/ffmpeg"), Some(&path)), None);
    }
}
