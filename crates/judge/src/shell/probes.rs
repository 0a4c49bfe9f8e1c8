//! The probes: requests that players seldom make, or make when something went wrong, one after the other on each
//! rendition for as long as the run lasts.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::{
    client::{Ask, Line},
    run::Shared,
};
use crate::{
    address::Address,
    check::{blocking::Probe, delta::Skip, updates::Gone},
    limits::ANSWER_TIME_MAX,
    observation::{Answer, Asked, Outcome},
    parse::Media,
};

/// How many bytes the Range probe asks for.
pub const RANGE_BYTES: usize = 16;

/// How often a delta and a whole playlist are asked for together, until they are of one version.
const SAME_VERSION_TRIES: u32 = 4;

/// Probes all renditions in turn. Ends when all of them have ended and were probed once after that.
pub(crate) async fn probe(shared: Arc<Shared>) {
    let mut prober = Prober {
        line: Line::new(shared.client.clone()),
        other: Line::new(shared.client.clone()),
        shared,
    };
    let lanes = prober.shared.lanes();
    let mut ended = vec![false; lanes];
    while ended.contains(&false) {
        for (lane, is_done) in ended.iter_mut().enumerate() {
            if *is_done {
                continue;
            }
            match prober.shared.newest(lane) {
                None => {
                    // Nothing to go by yet: the follower is on it.
                    prober.changed(lane).await;
                }
                Some(media) if media.is_ended => {
                    prober.ended(lane, &media).await;
                    *is_done = true;
                }
                Some(media) => prober.round(lane, media).await,
            }
        }
    }
}

/// How many versions may come until a segment is removed from a sliding window: its parts.
const CHANGES_UNTIL_REMOVAL: u32 = 32;

struct Prober {
    shared: Arc<Shared>,
    line: Line,
    other: Line,
}

impl Prober {
    fn target(&self, lane: usize) -> Duration {
        self.shared.bench().context(lane).target
    }

    /// Waits for the next version of a rendition, not for ever.
    async fn changed(&self, lane: usize) -> Option<Arc<Media>> {
        let mut newest = self.shared.subscribe(lane)?;
        let patience = self.target(lane) * 2;
        // Without a change the newest version is what there is.
        drop(timeout(patience, newest.changed()).await);
        newest.borrow().clone()
    }

    async fn ask(&mut self, lane: usize, probe: Probe, patience: Duration) -> Option<Outcome> {
        let address = self.shared.address(lane)?.with(&probe.query());
        let ask = Ask {
            address,
            is_media: false,
            range: None,
            patience,
        };
        let outcome = self.line.get(&ask).await;
        let (url, now) = (ask.address.to_string(), self.shared.client.now());
        self.shared
            .bench()
            .probe(lane, probe, (&url, now), &outcome);
        Some(outcome)
    }

    async fn round(&mut self, lane: usize, media: Arc<Media>) {
        let target = self.target(lane);
        let patience = target * 4 + Duration::from_secs(1);
        self.ask(lane, Probe::Plain, ANSWER_TIME_MAX).await;
        if media.can_block() {
            self.refused(lane, patience).await;
            self.waiting(lane, patience).await;
        }
        self.deltas(lane).await;
        self.hint(lane).await;
        self.unhinted(lane).await;
        self.removed(lane).await;
        self.range(lane).await;
        if !media.can_block() {
            sleep(target / 2).await;
        }
    }

    /// What is answered at once: with the playlist, or with a refusal.
    async fn refused(&mut self, lane: usize, patience: Duration) {
        self.ask(lane, Probe::PartAlone, patience).await;
        self.ask(lane, Probe::NotANumber, patience).await;
        let Some(media) = self.shared.newest(lane) else {
            return;
        };
        let last = media
            .segments
            .last()
            .map_or(media.sequence, |last| last.msn);
        if let Some(msn) = media.sequence.checked_sub(1) {
            self.ask(lane, Probe::Past { msn, is_gone: true }, patience)
                .await;
        }
        self.ask(
            lane,
            Probe::Past {
                msn: last,
                is_gone: false,
            },
            patience,
        )
        .await;
        self.ask(lane, Probe::FarFuture { msn: last + 10 }, patience)
            .await;
        self.far_part(lane, patience).await;
    }

    /// A part far ahead, asked for when the first of its segment was just listed: of a segment that may be whole already, it
    /// would mean the next one.
    async fn far_part(&mut self, lane: usize, patience: Duration) {
        for _ in 0..CHANGES_UNTIL_REMOVAL {
            let changed = self.changed(lane).await;
            let Some(media) = changed.filter(|media| media.has_parts() && !media.is_ended) else {
                return;
            };
            let Some(target) = media.part_target() else {
                return;
            };
            if media.open.parts.len() != 1 {
                continue;
            }
            let limit = if target < Duration::from_secs(1) {
                3.0 / target.as_secs_f64().max(0.01)
            } else {
                3.0
            };
            let part = Duration::from_secs_f64(limit.ceil()).as_secs() * 2 + 20;
            let msn = media.open.msn;
            self.ask(lane, Probe::FarPart { msn, part }, patience).await;
            return;
        }
    }

    /// What is answered when it is there.
    async fn waiting(&mut self, lane: usize, patience: Duration) {
        let Some(media) = self.changed(lane).await.filter(|media| !media.is_ended) else {
            return;
        };
        self.ask(
            lane,
            Probe::Whole {
                msn: media.open.msn,
            },
            patience,
        )
        .await;
        let Some(media) = self
            .changed(lane)
            .await
            .filter(|media| media.has_parts() && !media.is_ended)
        else {
            return;
        };
        let counts = |media: &Media| {
            let whole = media
                .segments
                .iter()
                .rev()
                .filter(|segment| !segment.parts.is_empty());
            let mut counts = whole.take(2).map(|segment| segment.parts.len() as u64);
            counts
                .next()
                .filter(|last| counts.next().is_none_or(|before| before == *last))
        };
        let parts = media.open.parts.len() as u64;
        self.ask(
            lane,
            Probe::Part {
                msn: media.open.msn,
                part: parts + 1,
            },
            patience,
        )
        .await;
        // Part n of a segment of n parts, asked for just before the segment is whole.
        for _ in 0..64 {
            let Some(media) = self.changed(lane).await.filter(|media| !media.is_ended) else {
                return;
            };
            let Some(part) = counts(&media) else { return };
            if media.open.parts.len() as u64 + 1 == part {
                self.ask(
                    lane,
                    Probe::PastEnd {
                        msn: media.open.msn,
                        part,
                    },
                    patience,
                )
                .await;
                return;
            }
        }
    }

    async fn deltas(&mut self, lane: usize) {
        let Some(media) = self.shared.newest(lane) else {
            return;
        };
        let offers_v2 = media
            .control
            .as_ref()
            .is_some_and(|control| control.is_yes("CAN-SKIP-DATERANGES"));
        self.delta(lane, Skip::Yes).await;
        if offers_v2 {
            self.delta(lane, Skip::V2).await;
        }
    }

    /// A delta and a whole playlist, asked for in the same moment.
    async fn delta(&mut self, lane: usize, skip: Skip) {
        let word = match skip {
            Skip::Yes => "_HLS_skip=YES",
            Skip::V2 => "_HLS_skip=v2",
        };
        for _ in 0..SAME_VERSION_TRIES {
            let Some(media) = self.changed(lane).await.filter(|media| !media.is_ended) else {
                return;
            };
            let Some(address) = self.shared.address(lane) else {
                return;
            };
            // Both wait for the same part, and so are of the same version.
            let wait = match media.can_block() {
                true if media.has_parts() => format!(
                    "_HLS_msn={}&_HLS_part={}",
                    media.open.msn,
                    media.open.parts.len()
                ),
                true => format!("_HLS_msn={}", media.open.msn),
                false => String::new(),
            };
            let ask = |address: Address| Ask {
                address,
                is_media: false,
                range: None,
                patience: ANSWER_TIME_MAX,
            };
            let whole = ask(address.with(&wait));
            let delta = ask(address.with(&wait).with(word));
            let (whole, delta) = tokio::join!(self.line.get(&whole), self.other.get(&delta));
            let (Some(whole), Some(delta)) = (ok(&whole), ok(&delta)) else {
                continue;
            };
            if self.shared.bench().delta(lane, skip, whole, delta) {
                return;
            }
        }
    }

    async fn hint(&mut self, lane: usize) {
        let Some(media) = self.changed(lane).await.filter(|media| !media.is_ended) else {
            return;
        };
        let Some(base) = self.shared.address(lane) else {
            return;
        };
        let hint = media.hints.iter().find(|hint| hint.kind == "PART");
        let Some((hint, address)) = hint.and_then(|hint| Some((hint, base.resolve(&hint.uri)?)))
        else {
            return;
        };
        let usual = self.usual(&base, &media).await;
        let range = hint.start.map(|start| {
            let last = hint
                .length
                .map_or(9_007_199_254_740_991, |length| start.saturating_add(length));
            (start, last)
        });
        // An open range ends with the segment: that it is answered is all that can be said.
        if range.is_some() && hint.length.is_none() {
            return;
        }
        let ask = Ask {
            address,
            is_media: true,
            range,
            patience: self.target(lane) * 3,
        };
        let outcome = self.line.get(&ask).await;
        let is_fine = ok(&outcome).is_some();
        if !is_fine && !self.comes(lane, &hint.uri).await {
            // It was given up, which a server may do.
            return;
        }
        let now = self.shared.client.now();
        let mut bench = self.shared.bench();
        if let Some(answer) = ok(&outcome) {
            bench.delivered(Some(lane), Asked::Media, answer);
        }
        bench.hint(lane, &outcome, (&ask.address.to_string(), now), usual);
    }

    /// How long a part that is listed takes to be read.
    async fn usual(&mut self, base: &Address, media: &Media) -> Duration {
        let part = media
            .all()
            .rev()
            .flat_map(|segment| segment.parts.iter().rev())
            .find(|part| !part.is_gap && part.range.is_none());
        let Some(address) = part.and_then(|part| base.resolve(&part.uri)) else {
            return Duration::ZERO;
        };
        let ask = Ask {
            address,
            is_media: true,
            range: None,
            patience: ANSWER_TIME_MAX,
        };
        let outcome = self.other.get(&ask).await;
        ok(&outcome).map_or(Duration::ZERO, |answer| {
            answer.done.saturating_sub(answer.first)
        })
    }

    /// Whether a part of this URI is listed within a target duration.
    /// Whether there is media under that name before long; a gap is none.
    async fn comes(&self, lane: usize, uri: &str) -> bool {
        let until = self.shared.client.now() + self.target(lane);
        while self.shared.client.now() < until {
            let Some(media) = self.changed(lane).await else {
                return false;
            };
            let listed = media
                .all()
                .find_map(|segment| segment.parts.iter().find(|part| part.uri == uri));
            if let Some(part) = listed {
                return !part.is_gap;
            }
            if media.is_ended {
                return false;
            }
        }
        false
    }

    async fn unhinted(&mut self, lane: usize) {
        let Some(media) = self.shared.newest(lane).filter(|media| !media.is_ended) else {
            return;
        };
        let hint = media
            .hints
            .iter()
            .find(|hint| hint.kind == "PART" && hint.start.is_none());
        let Some(hint) = hint else { return };
        let other = another(&hint.uri);
        let is_known = media.all().any(|segment| {
            segment.uri.as_deref() == Some(&other)
                || segment.parts.iter().any(|part| part.uri == other)
        });
        let Some(address) = self
            .shared
            .address(lane)
            .and_then(|base| base.resolve(&other))
        else {
            return;
        };
        if is_known {
            return;
        }
        let ask = Ask {
            address,
            is_media: true,
            range: None,
            patience: self.target(lane),
        };
        let outcome = self.line.get(&ask).await;
        let (url, now) = (ask.address.to_string(), self.shared.client.now());
        self.shared.bench().unhinted(lane, &outcome, &url, now);
    }

    /// Something that was removed, and must still be there. A segment has to be only for its own duration: the next
    /// one that is removed is waited for.
    async fn gone(&self, lane: usize, is_part: bool) -> Option<Gone> {
        for _ in 0..CHANGES_UNTIL_REMOVAL {
            let now = self.shared.client.now();
            let gone = self.shared.bench().gone(lane, now, is_part);
            if gone.is_some() || is_part || !self.shared.bench().removes(lane) {
                return gone;
            }
            self.changed(lane).await.filter(|media| !media.is_ended)?;
        }
        None
    }

    async fn removed(&mut self, lane: usize) {
        for is_part in [true, false] {
            let Some(gone) = self.gone(lane, is_part).await else {
                continue;
            };
            let Some(address) = self
                .shared
                .address(lane)
                .and_then(|base| base.resolve(&gone.uri))
            else {
                continue;
            };
            let range = gone.range.map(|(length, offset)| {
                let first = offset.unwrap_or_default();
                (first, first.saturating_add(length.max(1) - 1))
            });
            let ask = Ask {
                address,
                is_media: true,
                range,
                patience: ANSWER_TIME_MAX,
            };
            let outcome = self.line.get(&ask).await;
            if let Outcome::Answered(answer) = &outcome {
                self.shared.bench().removed(lane, &gone, is_part, answer);
            }
        }
    }

    async fn range(&mut self, lane: usize) {
        let Some(media) = self.shared.newest(lane) else {
            return;
        };
        let whole = media
            .segments
            .iter()
            .rev()
            .find(|segment| !segment.is_gap && segment.range.is_none());
        let uri = whole.and_then(|segment| segment.uri.as_deref());
        let Some(address) = uri.and_then(|uri| self.shared.address(lane)?.resolve(uri)) else {
            return;
        };
        let mut ask = Ask {
            address,
            is_media: true,
            range: None,
            patience: ANSWER_TIME_MAX,
        };
        let all = self.line.get(&ask).await;
        ask.range = Some((0, RANGE_BYTES as u64 - 1));
        let piece = self.line.get(&ask).await;
        let (Some(all), Outcome::Answered(piece)) = (ok(&all), &piece) else {
            return;
        };
        if all.body.len() > RANGE_BYTES {
            self.shared.bench().range(lane, all, piece);
        }
    }

    async fn ended(&mut self, lane: usize, media: &Media) {
        let last = media
            .segments
            .last()
            .map_or(media.sequence, |last| last.msn);
        let patience = self.target(lane) * 4 + Duration::from_secs(1);
        self.ask(lane, Probe::Plain, ANSWER_TIME_MAX).await;
        if media.can_block() {
            self.ask(lane, Probe::Ended { msn: last + 2 }, patience)
                .await;
        }
        // What comes after the end would be seen here.
        let Some(address) = self.shared.address(lane) else {
            return;
        };
        let ask = Ask {
            address,
            is_media: false,
            range: None,
            patience: ANSWER_TIME_MAX,
        };
        sleep(patience / 2).await;
        if let Outcome::Answered(answer) = self.line.get(&ask).await {
            // What is new in an ended playlist is a fault, and not fetched.
            drop(self.shared.bench().playlist(lane, None, *answer));
        }
    }
}

fn ok(outcome: &Outcome) -> Option<&Answer> {
    outcome
        .answer()
        .filter(|answer| matches!(answer.status, 200 | 206))
}

/// A URI like this one that nothing has: the last number of its file name, without the extension, is seven higher.
fn another(uri: &str) -> String {
    let (path, query) = uri
        .split_once('?')
        .map_or((uri, ""), |(path, query)| (path, query));
    let stem_end = path
        .rfind('.')
        .filter(|dot| path.rfind('/').is_none_or(|slash| slash < *dot))
        .unwrap_or(path.len());
    let (stem, extension) = path.split_at(stem_end);
    let digits = stem.len() - stem.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (head, number) = stem.split_at(stem.len() - digits);
    let number = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_add(7));
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{query}")
    };
    match number {
        Some(number) => format!("{head}{number}{extension}{query}"),
        None => format!("{stem}-unhinted{extension}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::another;

    #[test]
    fn an_unhinted_uri_is_like_a_hinted_one() {
        assert_eq!(another("video/12.3.m4s"), "video/12.10.m4s");
        assert_eq!(another("video/12.3.m4s?a=1"), "video/12.10.m4s?a=1");
        assert_eq!(another("a.b/part"), "a.b/part-unhinted");
    }
}
