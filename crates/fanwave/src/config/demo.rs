//! The plan of the demo show.

use std::path::PathBuf;

use super::{check::Check, schema, settings::KeyPath};

/// The demo show.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The program to run.
    pub ffmpeg: PathBuf,
    /// The x264 preset.
    pub preset: String,
    /// How many fans chat.
    pub fans: usize,
}

/// The names that x264 gives its presets, without `placebo`, which no live show survives.
const PRESETS: [&str; 9] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
];

/// Plans it.
pub(super) fn plan(check: &mut Check<'_>, demo: &schema::Demo) -> Demo {
    let key = |name| KeyPath::of("demo", name);
    let preset = demo.preset.clone();
    if !PRESETS.contains(&preset.as_str()) {
        check.refuse(
            key("preset"),
            format!("must be one of {}", PRESETS.join(", ")),
        );
    }
    Demo {
        ffmpeg: check.path(key("ffmpeg"), &demo.ffmpeg),
        preset,
        fans: check.number(key("fans"), demo.fans, 0..=60),
    }
}
