//! Init sections, parts and segments as media.

use std::{collections::BTreeMap, time::Duration};

use super::{secs, updates::New};
use crate::{
    boxes::{self, Init, Kind, Run, Track},
    finding::Fault,
    rules::Rule,
};

/// How far media may be from where it should continue, and a duration from what is written: rounding.
const ROUNDING: Duration = Duration::from_millis(10);
/// Segments whose parts are remembered until the segment comes.
const SEGMENTS_MAX: usize = 8;

/// The media of one rendition over time.
#[derive(Debug, Default)]
pub struct Timeline {
    init: Option<Init>,
    /// Whether what comes is fragmented MP4 at all.
    is_mp4: bool,
    /// Where the last part or segment ended: its segment, its part, and per track the time in ticks.
    end: Option<(u64, u64, BTreeMap<u32, u64>)>,
    /// Of each segment whose parts are complete so far, what they had.
    parts: BTreeMap<u64, (u64, Vec<Run>)>,
}

impl Timeline {
    /// Takes an init section.
    pub fn init(&mut self, bytes: &[u8]) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.is_mp4 = true;
        match boxes::init(bytes) {
            Ok(init) => {
                let has = |kind| init.tracks.iter().any(|track| track.kind == kind);
                if has(Kind::Video) && has(Kind::Audio) {
                    let seen = format!("an init section with {} tracks", init.tracks.len());
                    faults.push(Fault::new(Rule::Muxed, seen, "one track"));
                }
                self.init = Some(init);
            }
            Err(wrong) => {
                faults.push(Fault::new(
                    Rule::InitUnsound,
                    wrong,
                    "ftyp and moov with a track",
                ));
                self.init = None;
            }
        }
        faults
    }

    /// Forgets where media ended: something in between was not fetched.
    pub fn lose(&mut self) {
        self.end = None;
    }

    /// Takes a part or a segment. Also says at which date media time 0 is, where that can be told.
    pub fn piece(&mut self, new: &New, bytes: &[u8]) -> (Vec<Fault>, Option<i64>) {
        let mut faults = Vec::new();
        let Some(init) = self
            .init
            .as_ref()
            .filter(|_| self.is_mp4 && !new.is_encrypted)
        else {
            return (faults, None);
        };
        let name = match new.part {
            Some(part) => format!("part {part} of segment {}", new.msn),
            None => format!("segment {}", new.msn),
        };
        let runs = match boxes::media(bytes, init) {
            Ok(runs) => runs,
            Err(wrong) => {
                faults.push(Fault::new(
                    Rule::PartUnsound,
                    format!("{name}: {wrong}"),
                    "moof and mdat",
                ));
                self.lose();
                return (faults, None);
            }
        };
        let main = init
            .tracks
            .iter()
            .find(|track| track.kind == Kind::Video)
            .or(init.tracks.first());
        let main =
            main.and_then(|track| Some((*track, runs.iter().find(|run| run.track == track.id)?)));
        let Some((track, run)) = main else {
            return (faults, None);
        };
        let seconds =
            |ticks: u64| Duration::from_secs_f64(to_f64(ticks) / f64::from(track.timescale));
        let lasts = seconds(run.duration);
        let allowed = ROUNDING.max(seconds(1));
        if lasts.abs_diff(new.duration) > allowed {
            let seen = format!(
                "{name} has {} of media, {} are written",
                secs(lasts),
                secs(new.duration)
            );
            faults.push(Fault::new(Rule::DurationWrong, seen, "the same"));
        }
        independence(new, &name, (track.kind, run), &mut faults);
        match new.part {
            Some(part) => {
                faults.extend(self.continuity(new, &track, &runs));
                self.remember(new.msn, part, &runs);
            }
            None => {
                if let Some(fault) = self.against_parts(new.msn, &name, &runs) {
                    faults.push(fault);
                }
            }
        }
        let begin = i64::try_from(seconds(run.begin).as_micros()).ok();
        (
            faults,
            begin.and_then(|begin| Some(new.date?.saturating_sub(begin))),
        )
    }

    /// Whether media goes on where the media before it ended.
    fn continuity(&mut self, new: &New, track: &Track, runs: &[Run]) -> Option<Fault> {
        let part = new.part?;
        let begin = runs.iter().find(|run| run.track == track.id)?.begin;
        let follows = |msn: u64, before: u64| {
            (msn == new.msn && before + 1 == part) || (msn + 1 == new.msn && part == 0)
        };
        let ends = runs
            .iter()
            .map(|run| (run.track, run.begin.saturating_add(run.duration)));
        let (msn, before, ended) = self.end.replace((new.msn, part, ends.collect()))?;
        let end = *ended.get(&track.id)?;
        let apart = to_f64(begin.abs_diff(end)) / f64::from(track.timescale);
        let is_broken =
            follows(msn, before) && !new.is_discontinuous && apart > ROUNDING.as_secs_f64();
        is_broken.then(|| {
            let name = format!("part {part} of segment {}", new.msn);
            let seen =
                format!("{name} begins at {begin} ticks, the media before it ended at {end}");
            Fault::new(Rule::TimeBroken, seen, "no gap and no overlap")
        })
    }

    fn remember(&mut self, msn: u64, part: u64, runs: &[Run]) {
        if part == 0 {
            self.parts.insert(msn, (1, runs.to_vec()));
        } else if let Some((count, known)) = self.parts.get_mut(&msn) {
            if *count != part {
                self.parts.remove(&msn);
                return;
            }
            *count += 1;
            for run in runs {
                if let Some(known) = known.iter_mut().find(|known| known.track == run.track) {
                    known.samples += run.samples;
                    known.duration += run.duration;
                }
            }
        }
        while self.parts.len() > SEGMENTS_MAX {
            self.parts.pop_first();
        }
    }

    fn against_parts(&mut self, msn: u64, name: &str, runs: &[Run]) -> Option<Fault> {
        let (_, parts) = self.parts.remove(&msn)?;
        let essence = |runs: &[Run]| {
            let mut all: Vec<_> = runs
                .iter()
                .map(|run| (run.track, run.begin, run.samples, run.duration))
                .collect();
            all.sort_unstable();
            all
        };
        let samples = |runs: &[Run]| runs.iter().map(|run| run.samples).sum::<u64>();
        (essence(&parts) != essence(runs)).then(|| {
            let seen = format!(
                "{name} has {} samples, its parts {}, or other times",
                samples(runs),
                samples(&parts)
            );
            Fault::new(Rule::SegmentDiffers, seen, "the same samples")
        })
    }
}

fn independence(new: &New, name: &str, (kind, run): (Kind, &Run), faults: &mut Vec<Fault>) {
    let is_first = new.part.is_none_or(|part| part == 0);
    if kind == Kind::Video && is_first && !run.begins_independent {
        let seen = format!("{name} begins with a frame that depends on others");
        faults.push(Fault::new(
            Rule::SegmentDependent,
            seen,
            "an independent frame first",
        ));
    }
    if new.part.is_none() {
        return;
    }
    if new.is_independent && !run.has_independent {
        let seen = format!("{name} is marked, and has no independent frame");
        faults.push(Fault::new(
            Rule::IndependentWrong,
            seen,
            "an independent frame",
        ));
    }
    if !new.is_independent && run.has_independent {
        let seen = format!("{name} has an independent frame, and is not marked");
        faults.push(Fault::new(
            Rule::IndependentUnmarked,
            seen,
            "INDEPENDENT=YES",
        ));
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times are compared to the millisecond, and 2^53 ticks are ages"
)]
fn to_f64(ticks: u64) -> f64 {
    ticks as f64
}
