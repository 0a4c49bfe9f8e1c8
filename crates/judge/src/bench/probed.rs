//! How probes ended: requests with a purpose, and what their answers mean.

use std::time::Duration;

use super::Bench;
use crate::{
    check::{
        blocking::{self, Probe},
        delta::{self, Skip},
        playlist,
        updates::Gone,
    },
    finding::Fault,
    observation::{Answer, Asked, Outcome},
    parse::{Content, parse},
    rules::Rule,
};

impl Bench {
    /// How a probe ended.
    pub fn probe(
        &mut self,
        lane: usize,
        probe: Probe,
        (url, at): (&str, Duration),
        outcome: &Outcome,
    ) {
        let context = self.context(lane);
        if let Some(answer) = outcome.answer() {
            let asked = match probe {
                Probe::Plain | Probe::PartAlone | Probe::NotANumber => Asked::Plain,
                _ => Asked::Blocking,
            };
            self.delivered(Some(lane), asked, answer);
        }
        if let Outcome::Broken(why) = outcome {
            self.failed(lane, url, at, why);
        }
        let faults = blocking::check(probe, context, outcome);
        self.add(Some(lane), url, at, faults);
    }

    /// A delta beside a whole playlist that was asked for at the same time. Whether they were of one version.
    pub fn delta(&mut self, lane: usize, skip: Skip, full: &Answer, delta: &Answer) -> bool {
        let is_blocking = delta.url.contains("_HLS_msn=");
        let asked = if is_blocking {
            Asked::Blocking
        } else {
            Asked::Plain
        };
        self.delivered(Some(lane), asked, delta);
        let (whole, part) = (parse(&full.body), parse(&delta.body));
        let (Content::Media(whole), Content::Media(media)) = (whole.content, part.content) else {
            return false;
        };
        let mut faults = if whole.skip_until().is_some() && !whole.is_ended {
            let Some(faults) = delta::check(skip, &whole, &media) else {
                return false;
            };
            faults
        } else {
            let mut faults = Vec::new();
            if let Some((_, line)) = media.skip {
                let seen = "EXT-X-SKIP where no CAN-SKIP-UNTIL is offered";
                faults.push(Fault::new(Rule::SkipUnasked, seen, "the whole playlist").at(line));
            }
            faults
        };
        faults.extend(part.faults);
        faults.extend(
            playlist::check(&media)
                .into_iter()
                .filter(|fault| fault.rule == Rule::VersionLow),
        );
        self.add(Some(lane), &delta.url, delta.done, faults);
        true
    }

    /// How a request for something hinted ended, beside how long a listed part of this rendition took to read.
    pub fn hint(
        &mut self,
        lane: usize,
        outcome: &Outcome,
        (url, at): (&str, Duration),
        usual: Duration,
    ) {
        let part = self
            .last(lane)
            .and_then(|media| media.part_target())
            .unwrap_or_default();
        let fault = match outcome {
            Outcome::Answered(answer) if matches!(answer.status, 200 | 206) => {
                let spread = answer.done.saturating_sub(answer.first);
                let most = (part / 3).max(usual * 3).max(Duration::from_millis(50));
                (spread > most).then(|| {
                    let seen = format!("its bytes came over {:.3} s", spread.as_secs_f64());
                    Fault::new(
                        Rule::HintTrickled,
                        seen,
                        "all at once, when the part is complete",
                    )
                })
            }
            Outcome::Answered(answer) => {
                let seen = format!("status {}, and it was listed afterwards", answer.status);
                Some(Fault::new(
                    Rule::HintRefused,
                    seen,
                    "200 when it is complete",
                ))
            }
            Outcome::Silent(waited) => {
                let seen = format!("no answer for {:.1} s", waited.as_secs_f64());
                Some(Fault::new(
                    Rule::HintRefused,
                    seen,
                    "200 when it is complete",
                ))
            }
            Outcome::Broken(why) => Some(Fault::new(
                Rule::HintRefused,
                why.clone(),
                "200 when it is complete",
            )),
        };
        self.add(Some(lane), url, at, fault.into_iter().collect());
    }

    /// How a request for something neither listed nor hinted ended.
    pub fn unhinted(&mut self, lane: usize, outcome: &Outcome, url: &str, at: Duration) {
        let prompt = self.context(lane).prompt;
        let seen = match outcome {
            Outcome::Answered(answer)
                if (400..500).contains(&answer.status) && answer.took() <= prompt =>
            {
                None
            }
            Outcome::Answered(answer) => Some(format!(
                "status {} after {:.3} s",
                answer.status,
                answer.took().as_secs_f64()
            )),
            Outcome::Silent(waited) => Some(format!("no answer for {:.1} s", waited.as_secs_f64())),
            Outcome::Broken(_) => None,
        };
        if let Some(answer) = outcome.answer() {
            self.delivered(Some(lane), Asked::Media, answer);
        }
        let fault = seen.map(|seen| Fault::new(Rule::UnhintedAnswered, seen, "404 at once"));
        self.add(Some(lane), url, at, fault.into_iter().collect());
    }

    /// How a request for something that was removed lately ended.
    pub fn removed(&mut self, lane: usize, gone: &Gone, is_part: bool, answer: &Answer) {
        if matches!(answer.status, 200 | 206) {
            return;
        }
        let rule = if is_part {
            Rule::PartGone
        } else {
            Rule::SegmentGone
        };
        let since = answer.done.saturating_sub(gone.removed).as_secs_f64();
        let seen = format!(
            "status {}, {since:.1} s after it was removed",
            answer.status
        );
        let expected = format!("200 for {:.1} s", gone.keep.as_secs_f64());
        self.add(
            Some(lane),
            &answer.url,
            answer.done,
            vec![Fault::new(rule, seen, expected)],
        );
    }

    /// The first bytes of something, asked for by Range, beside the whole of it.
    pub fn range(&mut self, lane: usize, whole: &Answer, piece: &Answer) {
        let asked = crate::shell::probes::RANGE_BYTES;
        let fits = match piece.status {
            200 => piece.body == whole.body,
            206 => {
                let range = piece.header("content-range").unwrap_or_default();
                let expected = format!("bytes 0-{}/", asked - 1);
                range.starts_with(&expected) && whole.body.get(..asked) == Some(&piece.body)
            }
            _ => false,
        };
        if !fits {
            let range = piece.header("content-range").unwrap_or("none");
            let seen = format!(
                "status {}, {} bytes, Content-Range: {range}",
                piece.status,
                piece.body.len()
            );
            let expected = format!("206 and the first {asked} bytes, or 200 and all");
            self.add(
                Some(lane),
                &piece.url,
                piece.done,
                vec![Fault::new(Rule::RangeWrong, seen, expected)],
            );
        }
    }
}
