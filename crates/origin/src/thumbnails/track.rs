//! The track that says which picture is of which time, as `WebVTT`.
//!
//! Its cues are addresses, with `#xywh=` where the picture is a part of a sheet (Media Fragments 1.0, section 4.2.2), which is what
//! players and their plugins for seeking read.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use fanwave_live::WallTime;

use crate::archive::play::Stretch;

/// The type of a track.
pub(crate) const MIME: &str = "text/vtt; charset=utf-8";

/// One picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cue {
    pub(crate) at: WallTime,
    /// Relative to the track.
    pub(crate) file: String,
    pub(crate) place: (u32, u32),
    pub(crate) size: (u32, u32),
}

/// The track of a show that is on: times count from when it began, which the track says, too.
pub(crate) fn live(since: WallTime, cues: &[Cue], interval: Duration) -> String {
    let mut text = format!("WEBVTT\n\nNOTE times count from {since}\n");
    for (index, cue) in cues.iter().enumerate() {
        let next = cues.get(index + 1).map(|next| next.at);
        let end = end(cue.at, next, interval);
        write(&mut text, (cue.at.since(since), end.since(since)), cue);
    }
    text
}

/// The track of a recording: times are those of its player.
pub(crate) fn recorded(stretches: &[Stretch], cues: &[Cue], interval: Duration) -> String {
    let mut text = "WEBVTT\n".to_owned();
    for (index, cue) in cues.iter().enumerate() {
        let within = stretches.iter().find(|stretch| {
            let into = cue.at.0.checked_sub(stretch.starts_at_ms);
            into.is_some_and(|into| into < stretch.duration_ms)
        });
        // Of what is not in the recording, or not in the clip, there is nothing to show.
        let Some(stretch) = within else {
            continue;
        };
        let next = cues.get(index + 1).map(|next| next.at);
        let begin = stretch.media_ms + (cue.at.0 - stretch.starts_at_ms);
        let lasts = end(cue.at, next, interval).since(cue.at);
        let until = Duration::from_millis(begin).saturating_add(lasts);
        let last = Duration::from_millis(stretch.media_ms.saturating_add(stretch.duration_ms));
        let span = (Duration::from_millis(begin), until.min(last));
        write(&mut text, span, cue);
    }
    text
}

/// A picture stands for what follows until the next one, and at most twice as long as usual: behind a gap it would stand for what it
/// is not of.
fn end(at: WallTime, next: Option<WallTime>, interval: Duration) -> WallTime {
    match next {
        Some(next) => next.min(at.after(interval * 2)),
        None => at.after(interval),
    }
}

fn write(text: &mut String, (from, to): (Duration, Duration), cue: &Cue) {
    let Cue {
        file,
        place: (x, y),
        size: (width, height),
        ..
    } = cue;
    let (from, to) = (Clock(from), Clock(to));
    // Writing to a String does not fail.
    writeln!(
        text,
        "\n{from} --> {to}\n{file}#xywh={x},{y},{width},{height}"
    )
    .unwrap_or_default();
}

/// `HH:MM:SS.mmm`, with more digits for the hours of a long show.
struct Clock(Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        let (seconds, millis) = (seconds % 60, self.0.subsec_millis());
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{millis:03}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn cue(at_ms: u64, x: u32) -> Cue {
        Cue {
            at: WallTime(at_ms),
            file: "k/thumbnails/0.jpg".to_owned(),
            place: (x, 0),
            size: (160, 90),
        }
    }

    #[test]
    fn a_show_that_is_on_counts_from_its_beginning() {
        let since = WallTime(1_795_374_000_000);
        let at = |second: u64| since.0 + second * 1_000;
        // The encoder was away after the second.
        let cues = [cue(at(0), 0), cue(at(12), 160), cue(at(3_700), 320)];
        let expected = "WEBVTT

NOTE times count from 2026-11-22T19:00:00.000Z

00:00:00.000 --> 00:00:12.000
k/thumbnails/0.jpg#xywh=0,0,160,90

00:00:12.000 --> 00:00:32.000
k/thumbnails/0.jpg#xywh=160,0,160,90

01:01:40.000 --> 01:01:50.000
k/thumbnails/0.jpg#xywh=320,0,160,90
";
        assert_eq!(live(since, &cues, TEN), expected);
    }

    #[test]
    fn a_recording_has_the_times_of_its_player_and_nothing_of_what_is_not_in_it() {
        let stretch = |starts_at_ms, media_ms, duration_ms| Stretch {
            starts_at_ms,
            media_ms,
            duration_ms,
        };
        let stretches = [
            stretch(100_000, 0, 15_000),
            stretch(500_000, 15_000, 30_000),
        ];
        let cues = [
            cue(90_000, 0),
            cue(100_000, 160),
            cue(110_000, 320),
            cue(300_000, 480),
            cue(502_000, 640),
        ];
        let expected = "WEBVTT

00:00:00.000 --> 00:00:10.000
k/thumbnails/0.jpg#xywh=160,0,160,90

00:00:10.000 --> 00:00:15.000
k/thumbnails/0.jpg#xywh=320,0,160,90

00:00:17.000 --> 00:00:27.000
k/thumbnails/0.jpg#xywh=640,0,160,90
";
        assert_eq!(recorded(&stretches, &cues, TEN), expected);
    }
}
