//! What a server does with delivery directives: each probe is one request, and this is the judgement on its answer.

use std::time::Duration;

use super::{secs, updates::position};
use crate::{
    finding::Fault,
    observation::Outcome,
    parse::{Content, Media, parse},
    rules::Rule,
};

/// A request with a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// No directive.
    Plain,
    /// `_HLS_part` alone.
    PartAlone,
    /// `_HLS_msn=x`.
    NotANumber,
    /// A segment that is listed, or was once.
    Past {
        /// Which.
        msn: u64,
        /// Whether it is not listed any more.
        is_gone: bool,
    },
    /// A segment far ahead.
    FarFuture {
        /// Which.
        msn: u64,
    },
    /// A part far ahead.
    FarPart {
        /// Of which segment.
        msn: u64,
        /// Which.
        part: u64,
    },
    /// The segment that is being made, as a whole.
    Whole {
        /// Which.
        msn: u64,
    },
    /// A part that is to come.
    Part {
        /// Of which segment.
        msn: u64,
        /// Which.
        part: u64,
    },
    /// The part behind the last of a segment.
    PastEnd {
        /// Which segment.
        msn: u64,
        /// How many parts segments have.
        part: u64,
    },
    /// A segment to come, once the stream has ended.
    Ended {
        /// Which.
        msn: u64,
    },
}

impl Probe {
    /// The query that asks it.
    #[must_use]
    pub fn query(self) -> String {
        match self {
            Self::Plain => String::new(),
            Self::PartAlone => "_HLS_part=0".to_owned(),
            Self::NotANumber => "_HLS_msn=next".to_owned(),
            Self::Past { msn, .. } | Self::FarFuture { msn } | Self::Whole { msn } => {
                format!("_HLS_msn={msn}")
            }
            Self::FarPart { msn, part }
            | Self::Part { msn, part }
            | Self::PastEnd { msn, part } => {
                format!("_HLS_msn={msn}&_HLS_part={part}")
            }
            Self::Ended { msn } => format!("_HLS_msn={msn}&_HLS_part=0&_HLS_skip=YES"),
        }
    }
}

/// What is known of a server when a probe is judged.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The longest time in which an answer still came at once.
    pub prompt: Duration,
    /// The target duration.
    pub target: Duration,
}

/// Judges the answer to a probe.
#[must_use]
pub fn check(probe: Probe, context: Context, outcome: &Outcome) -> Vec<Fault> {
    let mut faults = Vec::new();
    let is_held = match outcome {
        Outcome::Answered(answer) => answer.took() > context.prompt,
        Outcome::Silent(_) => true,
        Outcome::Broken(_) => return faults,
    };
    let held = match outcome {
        Outcome::Answered(answer) => {
            format!("status {} after {}", answer.status, secs(answer.took()))
        }
        Outcome::Silent(waited) => format!("no answer for {}", secs(*waited)),
        Outcome::Broken(_) => String::new(),
    };
    let status = outcome.answer().map_or(0, |answer| answer.status);
    let is_refused = (400..500).contains(&status);
    let at_once = |rule, faults: &mut Vec<Fault>| {
        if is_held {
            faults.push(Fault::new(rule, held.clone(), "an answer at once"));
        }
    };
    let refused = |rule, faults: &mut Vec<Fault>| {
        if !is_refused || is_held {
            faults.push(Fault::new(
                rule,
                format!("{}: {held}", probe.query()),
                "400 at once",
            ));
        }
    };
    match probe {
        Probe::Plain => at_once(Rule::PlainHeld, &mut faults),
        Probe::PartAlone => refused(Rule::PartAlone, &mut faults),
        Probe::NotANumber => refused(Rule::NotANumber, &mut faults),
        Probe::FarFuture { .. } => refused(Rule::FarFuture, &mut faults),
        Probe::FarPart { .. } => refused(Rule::FarPart, &mut faults),
        Probe::Past { is_gone: true, .. } => {
            let playlist = whole(outcome);
            if is_held || status != 200 || playlist.is_none() {
                let seen = format!("{}: {held}", probe.query());
                faults.push(Fault::new(
                    Rule::StaleMsn,
                    seen,
                    "the whole playlist at once",
                ));
            }
        }
        Probe::Past { is_gone: false, .. } => at_once(Rule::PastHeld, &mut faults),
        Probe::Whole { msn } => early(Rule::MsnEarly, outcome, (msn, None), &mut faults),
        Probe::Part { msn, part } => {
            early(Rule::PartEarly, outcome, (msn, Some(part)), &mut faults);
        }
        Probe::PastEnd { msn, part } => past_end(outcome, (msn, part), &mut faults),
        Probe::Ended { .. } => {
            let playlist = whole(outcome);
            if is_held || status != 200 || playlist.is_none_or(|playlist| playlist.skip.is_some()) {
                let seen = format!("{}: {held}", probe.query());
                faults.push(Fault::new(
                    Rule::HeldAfterEnd,
                    seen,
                    "the ended playlist at once",
                ));
            }
        }
    }
    faults.extend(too_long(probe, context, outcome));
    faults
}

/// Whether a request was held for longer than any may be.
fn too_long(probe: Probe, context: Context, outcome: &Outcome) -> Option<Fault> {
    let waited = match outcome {
        Outcome::Silent(waited) => *waited,
        Outcome::Answered(answer) if answer.status == 200 => answer.took(),
        Outcome::Answered(_) | Outcome::Broken(_) => return None,
    };
    let most = context.target * 3;
    (waited > most + context.prompt.max(context.target / 4)).then(|| {
        let seen = format!("{}: held for {}", probe.query(), secs(waited));
        Fault::new(Rule::HeldTooLong, seen, format!("503 after {}", secs(most)))
    })
}

/// The playlist of an answer.
fn whole(outcome: &Outcome) -> Option<Media> {
    let answer = outcome.answer().filter(|answer| answer.status == 200)?;
    match parse(&answer.body).content {
        Content::Media(media) => Some(*media),
        Content::Multivariant(_) | Content::Other => None,
    }
}

/// Whether an answer has what was waited for.
fn early(rule: Rule, outcome: &Outcome, (msn, part): (u64, Option<u64>), faults: &mut Vec<Fault>) {
    let refused = outcome.answer().map_or(0, |answer| answer.status);
    if (400..404).contains(&refused) {
        let seen = format!("status {refused} for what comes next");
        faults.push(Fault::new(rule, seen, "the playlist once it is there"));
    }
    let Some(media) = whole(outcome).filter(|media| !media.is_ended) else {
        return;
    };
    if !media.has(msn, part) {
        let took = outcome
            .answer()
            .map_or(Duration::ZERO, |answer| answer.took());
        let seen = format!(
            "after {} a playlist up to {}",
            secs(took),
            position(media.last())
        );
        let expected = match part {
            Some(part) => format!("part {part} of segment {msn}"),
            None => format!("the whole segment {msn}"),
        };
        faults.push(Fault::new(rule, seen, expected));
    }
}

fn past_end(outcome: &Outcome, (msn, part): (u64, u64), faults: &mut Vec<Fault>) {
    let asked = format!("_HLS_msn={msn}&_HLS_part={part}");
    let expected = format!(
        "the playlist as soon as part 0 of segment {} is listed",
        msn + 1
    );
    if let Some(answer) = outcome.answer().filter(|answer| answer.status != 200) {
        let seen = format!("{asked}: status {}", answer.status);
        faults.push(Fault::new(Rule::PastEndPart, seen, expected));
        return;
    }
    let Some(media) = whole(outcome).filter(|media| !media.is_ended) else {
        return;
    };
    if !is_next_part(&media, (msn, part)) {
        let seen = format!("{asked}: a playlist up to {}", position(media.last()));
        faults.push(Fault::new(Rule::PastEndPart, seen, expected));
    }
}

/// Whether a playlist is the first with a part behind the last of a segment, where that was asked for.
fn is_next_part(media: &Media, (msn, part): (u64, u64)) -> bool {
    let segment = |msn| media.segments.iter().find(|segment| segment.msn == msn);
    // Segments may have another number of parts than those before had: then nothing was past the end.
    let is_other = match segment(msn) {
        Some(segment) => segment.parts.len() as u64 != part,
        None => media.open.msn == msn && media.open.parts.len() as u64 > part,
    };
    // Where the encoder is lost, a segment may be whole with its first part, in the same version.
    let parts = segment(msn + 1).map_or(&media.open.parts, |next| &next.parts);
    let is_late = parts.len() > 1 || media.has(msn + 2, Some(0));
    is_other || (media.has(msn + 1, Some(0)) && !is_late)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is right to answer with what is listed from segment 5 on, where segment 4 has two parts.
    fn is_right(behind: &str) -> bool {
        let part = "#EXT-X-PART:DURATION=1,URI=\"part.m4s\"\n";
        let text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=1\n#EXT-X-MEDIA-SEQUENCE:4\n\
             {part}{part}#EXTINF:2,\n4.m4s\n{}",
            behind.replace("PART\n", part)
        );
        let Content::Media(media) = parse(text.as_bytes()).content else {
            unreachable!("it has media")
        };
        is_next_part(&media, (4, 2))
    }

    #[test]
    fn a_part_past_the_end_is_the_first_of_the_next_segment() {
        assert!(is_right("PART\n"), "as the rule says");
        assert!(is_right("PART\n#EXTINF:1,\n5.m4s\n"), "whole with it");
        assert!(!is_right(""), "sooner");
        assert!(!is_right("PART\nPART\n"), "later");
        let late = "PART\nPART\n#EXTINF:2,\n5.m4s\n";
        assert!(!is_right(late), "a segment later");
        let behind = "PART\n#EXTINF:1,\n5.m4s\nPART\n";
        assert!(!is_right(behind), "in the one behind");
    }
}
