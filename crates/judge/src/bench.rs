//! The bench: everything that is known of a stream, and where every observation comes in.
//!
//! It is told what was asked and what came, with times; it knows neither sockets nor clocks.

mod probed;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    address::Address,
    check::{
        blocking::{self, Context, Probe},
        delivery,
        media::Timeline,
        multivariant, playlist,
        renditions::{Beside, Group},
        updates::{Gone, New, Watch},
    },
    finding::{Fault, Finding, Ledger, Place},
    limits::{POINTS_MAX, RENDITIONS_MAX, STRETCH_PIECES_MAX},
    observation::{Answer, Asked, Outcome},
    parse::{Content, Media, Multivariant, parse},
    rules::{Rule, Severity},
};

/// The place of findings about the multivariant playlist.
const MULTIVARIANT: &str = "multivariant";
/// What an answer at once may take beside the way there and back.
const PROMPT: Duration = Duration::from_millis(250);

/// A point of a chart: seconds after the start, and a value.
pub type Point = (f64, f64);

/// What is drawn of a rendition.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Interval between parts, less the part target, seconds.
    pub jitter: VecDeque<Point>,
    /// How long blocking requests were held, seconds.
    pub holds: VecDeque<Point>,
    /// How long after the date of its end a version was seen, seconds.
    pub age: VecDeque<Point>,
    /// Bits per second of segments.
    pub bitrate: VecDeque<Point>,
}

/// One rendition.
#[derive(Debug)]
pub struct Lane {
    /// Its name in findings: the path of its playlist.
    pub name: String,
    /// Where its playlist is.
    pub address: Address,
    /// Versions that were seen.
    pub versions: u64,
    /// Parts and segments that were fetched.
    pub pieces: u64,
    /// What is drawn of it.
    pub series: Series,
    watch: Watch,
    timeline: Timeline,
    /// Bits per second at most.
    peak: u64,
    /// Bytes and durations of the newest pieces that followed one another.
    stretch: VecDeque<(u64, Duration)>,
}

/// A variant, and the renditions that it is made of.
#[derive(Debug)]
struct Promise {
    uri: String,
    line: usize,
    bandwidth: u64,
    lane: Option<usize>,
    group: Vec<usize>,
}

/// See the module.
#[derive(Debug)]
pub struct Bench {
    ledger: Ledger,
    lanes: Vec<Lane>,
    group: Group,
    promises: Vec<Promise>,
    multivariant: Option<Address>,
    /// The shortest time in which anything was answered.
    fastest: Duration,
    /// Microseconds since 1970 at the start.
    began: i64,
}

impl Bench {
    /// An empty one that judges by these rules, or by all; it began so many microseconds after 1970.
    #[must_use]
    pub fn new(only: Vec<Rule>, began: i64) -> Self {
        Self {
            ledger: Ledger::new(only),
            lanes: Vec::new(),
            group: Group::default(),
            promises: Vec::new(),
            multivariant: None,
            fastest: Duration::MAX,
            began,
        }
    }

    /// Everything that was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        self.ledger.findings()
    }

    /// A finding that nobody was told yet.
    pub fn poll_fresh(&mut self) -> Option<Finding> {
        self.ledger.poll_fresh()
    }

    /// How many findings there are of this kind.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings()
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// The renditions.
    #[must_use]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The newest version of a rendition.
    #[must_use]
    pub fn last(&self, lane: usize) -> Option<Arc<Media>> {
        self.lanes.get(lane)?.watch.last().cloned()
    }

    /// What is known for judging a probe.
    #[must_use]
    pub fn context(&self, lane: usize) -> Context {
        let media = self.last(lane);
        let part = media
            .as_ref()
            .and_then(|media| media.part_target())
            .unwrap_or_default();
        let fastest = if self.fastest == Duration::MAX {
            Duration::ZERO
        } else {
            self.fastest
        };
        Context {
            prompt: PROMPT.max(part / 2) + fastest * 4,
            target: media
                .map_or(Duration::from_secs(6), |media| media.target_duration())
                .max(Duration::from_secs(1)),
        }
    }

    /// Something removed lately that has still to be downloadable at `now`: parts or segments.
    #[must_use]
    pub fn gone(&self, lane: usize, now: Duration, is_part: bool) -> Option<Gone> {
        let watch = &self.lanes.get(lane)?.watch;
        let is_due = |gone: &&Gone| now < gone.removed + gone.keep * 8 / 10;
        if is_part {
            watch.parts_gone().find(is_due).cloned()
        } else {
            watch.segments_gone().find(is_due).cloned()
        }
    }

    /// Whether segments are removed from a rendition's playlist.
    #[must_use]
    pub fn removes(&self, lane: usize) -> bool {
        let lane = self.lanes.get(lane);
        lane.is_some_and(|lane| lane.watch.segments_gone().next().is_some())
    }

    fn add(&mut self, lane: Option<usize>, url: &str, at: Duration, faults: Vec<Fault>) {
        let name = lane
            .and_then(|lane| self.lanes.get(lane))
            .map_or(MULTIVARIANT, |lane| lane.name.as_str());
        for fault in faults {
            self.ledger.add(Place { name, url, at }, fault);
        }
    }

    /// One fault at a rendition.
    pub fn fault(&mut self, lane: usize, url: &str, at: Duration, fault: Fault) {
        self.add(Some(lane), url, at, vec![fault]);
    }

    /// A request that got no answer where one was due.
    pub fn failed(&mut self, lane: usize, url: &str, at: Duration, why: &str) {
        let fault = Fault::new(Rule::Failed, why, "an answer");
        self.add(Some(lane), url, at, vec![fault]);
    }

    /// How an answer was delivered.
    pub fn delivered(&mut self, lane: Option<usize>, asked: Asked, answer: &Answer) {
        self.fastest = self.fastest.min(answer.took());
        let media = lane.and_then(|lane| self.last(lane));
        let target = media
            .or_else(|| self.last(0))
            .map(|media| media.target_duration());
        let mut faults = delivery::check(asked, answer, target);
        if let Some(to) = &answer.redirected {
            faults.push(Fault::new(
                Rule::Redirected,
                format!("a redirect to {to}"),
                "an answer",
            ));
        }
        self.add(lane, &answer.url, answer.done, faults);
    }

    /// The first answer: decides what is judged. Whether it was a playlist of any kind.
    pub fn begin(&mut self, address: &Address, answer: &Answer) -> bool {
        let parsed = parse(&answer.body);
        match parsed.content {
            Content::Other => false,
            Content::Media(_) => {
                self.lane_at(address);
                true
            }
            Content::Multivariant(playlist) => {
                self.multivariant = Some(address.clone());
                self.delivered(None, Asked::Multivariant, answer);
                let mut faults = parsed.faults;
                faults.extend(multivariant::check(address, &playlist));
                self.add(None, &answer.url, answer.done, faults);
                self.renditions(address, &playlist);
                !self.lanes.is_empty()
            }
        }
    }

    fn lane_at(&mut self, address: &Address) -> Option<usize> {
        if let Some(known) = self.lanes.iter().position(|lane| lane.address == *address) {
            return Some(known);
        }
        if self.lanes.len() >= RENDITIONS_MAX {
            return None;
        }
        self.lanes.push(Lane {
            name: address.path.clone(),
            address: address.clone(),
            versions: 0,
            pieces: 0,
            series: Series::default(),
            watch: Watch::default(),
            timeline: Timeline::default(),
            peak: 0,
            stretch: VecDeque::new(),
        });
        Some(self.lanes.len() - 1)
    }

    fn renditions(&mut self, address: &Address, playlist: &Multivariant) {
        for variant in &playlist.variants {
            let lane = address
                .resolve(&variant.uri)
                .and_then(|found| self.lane_at(&found));
            let list = &variant.attributes;
            let mut group = Vec::new();
            for rendition in &playlist.renditions {
                let kind = rendition.attributes.raw("TYPE").unwrap_or_default();
                let is_of = matches!(kind, "AUDIO" | "VIDEO")
                    && list.raw(kind).is_some()
                    && list.raw(kind) == rendition.attributes.raw("GROUP-ID");
                let uri = rendition.attributes.raw("URI").filter(|_| is_of);
                let found = uri.and_then(|uri| address.resolve(uri));
                group.extend(found.and_then(|found| self.lane_at(&found)));
            }
            if let Some(bandwidth) = list.integer("BANDWIDTH") {
                self.promises.push(Promise {
                    uri: variant.uri.clone(),
                    line: list.line(),
                    bandwidth,
                    lane,
                    group,
                });
            }
        }
    }

    /// An answer to a request for a media playlist, with the position that it waited for. The version and what is new in
    /// it; none where it was no playlist.
    pub fn playlist(
        &mut self,
        lane: usize,
        waited: Option<(u64, Option<u64>)>,
        answer: Answer,
    ) -> Option<(Arc<Media>, Vec<New>)> {
        let asked = if waited.is_some() {
            Asked::Blocking
        } else {
            Asked::Plain
        };
        self.delivered(Some(lane), asked, &answer);
        if answer.status != 200 {
            return None;
        }
        let parsed = parse(&answer.body);
        let Content::Media(media) = parsed.content else {
            let fault = Fault::new(Rule::Syntax, "no media playlist", "one");
            self.add(Some(lane), &answer.url, answer.done, vec![fault]);
            return None;
        };
        let mut faults = parsed.faults;
        if let Some((_, line)) = media.skip {
            faults.push(
                Fault::new(
                    Rule::SkipUnasked,
                    "EXT-X-SKIP without _HLS_skip",
                    "the whole playlist",
                )
                .at(line),
            );
            self.add(Some(lane), &answer.url, answer.done, faults);
            return None;
        }
        faults.extend(playlist::check(&media));
        let media = Arc::new(*media);
        self.offers(&media, &mut faults);
        let url = answer.url.clone();
        let done = answer.done;
        if let Some(waited) = waited {
            let probe = match waited {
                (msn, Some(part)) => Probe::Part { msn, part },
                (msn, None) => Probe::Whole { msn },
            };
            let held = answer.took().as_secs_f64();
            let context = self.context(lane);
            faults.extend(blocking::check(
                probe,
                context,
                &Outcome::Answered(Box::new(answer)),
            ));
            self.point(lane, done, held, |series| &mut series.holds);
        }
        let new = self.version(lane, (done, waited.is_some()), &media, &mut faults);
        self.add(Some(lane), &url, done, faults);
        self.beside(lane, &url, done, waited.is_some());
        Some((media, new))
    }

    fn version(
        &mut self,
        lane: usize,
        (done, is_blocking): (Duration, bool),
        media: &Arc<Media>,
        faults: &mut Vec<Fault>,
    ) -> Vec<New> {
        let slack = self.slack(media, is_blocking);
        let began = self.began;
        let Some(known) = self.lanes.get_mut(lane) else {
            return Vec::new();
        };
        known.versions += 1;
        let change = known.watch.see(done, slack, media);
        faults.extend(change.faults);
        if let (Some(interval), Some(target)) = (change.part_interval, media.part_target()) {
            let late = interval.as_secs_f64() - target.as_secs_f64();
            self.point(lane, done, late, |series| &mut series.jitter);
        }
        if let (Some(end), false) = (media.end_date(), change.new.is_empty()) {
            let wall = began.saturating_add(crate::parse::media::micros(done));
            self.point(lane, done, to_seconds(wall.saturating_sub(end)), |series| {
                &mut series.age
            });
        }
        change.new
    }

    /// How much later than published a version may have been seen, or may be published.
    fn slack(&self, media: &Media, is_blocking: bool) -> Duration {
        let fastest = if self.fastest == Duration::MAX {
            Duration::ZERO
        } else {
            self.fastest
        };
        let part = media.part_target().unwrap_or_default();
        let polled = if is_blocking {
            Duration::ZERO
        } else {
            part.max(media.target_duration() / 2)
        };
        (part / 2).max(Duration::from_millis(100)) + fastest * 2 + polled
    }

    fn offers(&self, media: &Media, faults: &mut Vec<Fault>) {
        if media.has_parts() && !media.can_block() && !media.is_ended {
            faults.push(Fault::new(
                Rule::NoBlocking,
                "parts without CAN-BLOCK-RELOAD=YES",
                "it",
            ));
        }
        let window = media.duration();
        if window > Duration::from_secs(120)
            && media.skip_until().is_none()
            && !media.is_ended
            && media.has_parts()
        {
            let seen = format!("a window of {} s without CAN-SKIP-UNTIL", window.as_secs());
            faults.push(Fault::new(Rule::DeltaNotOffered, seen, "CAN-SKIP-UNTIL"));
        }
    }

    fn beside(&mut self, lane: usize, url: &str, now: Duration, is_fresh: bool) {
        if self.multivariant.is_none() {
            return;
        }
        let Self { lanes, group, .. } = self;
        let newest: Vec<Option<Arc<Media>>> = lanes
            .iter()
            .map(|lane| lane.watch.last().cloned())
            .collect();
        let all: Vec<Beside<'_>> = lanes
            .iter()
            .zip(&newest)
            .map(|(lane, media)| Beside {
                address: &lane.address,
                media: media.as_deref(),
            })
            .collect();
        let faults = group.see(now, lane, &all, is_fresh);
        for (lane, fault) in faults {
            self.add(Some(lane), url, now, vec![fault]);
        }
    }

    fn point(
        &mut self,
        lane: usize,
        at: Duration,
        value: f64,
        of: impl Fn(&mut Series) -> &mut VecDeque<Point>,
    ) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            let points = of(&mut lane.series);
            if points.len() >= POINTS_MAX {
                points.pop_front();
            }
            points.push_back((at.as_secs_f64(), value));
        }
    }

    /// Nothing new came until now.
    pub fn silence(&mut self, lane: usize, now: Duration) {
        let Some(media) = self.last(lane) else { return };
        let slack = self.slack(&media, true);
        let Some(known) = self.lanes.get_mut(lane) else {
            return;
        };
        let url = known.address.to_string();
        let faults = known.watch.silence(now, slack);
        self.add(Some(lane), &url, now, faults);
    }

    /// A playlist that could not be loaded at all.
    pub fn missing(&mut self, lane: usize, url: &str, at: Duration, seen: &str) {
        let fault = Fault::new(Rule::PlaylistMissing, seen, "a playlist");
        self.add(Some(lane), url, at, vec![fault]);
    }

    /// An answer to a request for an init section.
    pub fn init(&mut self, lane: usize, answer: &Answer) {
        self.delivered(Some(lane), Asked::Media, answer);
        if !matches!(answer.status, 200 | 206) {
            let fault = Fault::new(
                Rule::MediaMissing,
                format!("the init section: status {}", answer.status),
                "200",
            );
            self.add(Some(lane), &answer.url, answer.done, vec![fault]);
            return;
        }
        let Some(known) = self.lanes.get_mut(lane) else {
            return;
        };
        let faults = known.timeline.init(&answer.body);
        self.add(Some(lane), &answer.url, answer.done, faults);
    }

    /// An answer to a request for a listed part or segment.
    pub fn piece(&mut self, lane: usize, new: &New, answer: &Answer) {
        self.delivered(Some(lane), Asked::Media, answer);
        let what = match new.part {
            Some(part) => format!("part {part} of segment {}", new.msn),
            None => format!("segment {}", new.msn),
        };
        if !matches!(answer.status, 200 | 206) {
            let fault = Fault::new(
                Rule::MediaMissing,
                format!("{what}: status {}", answer.status),
                "200",
            );
            self.add(Some(lane), &answer.url, answer.done, vec![fault]);
            self.lose(lane);
            return;
        }
        let mut faults = Vec::new();
        if let Some((length, _)) = new.range
            && (answer.status != 206 || answer.body.len() as u64 != length)
        {
            let seen = format!(
                "{what}: status {}, {} bytes",
                answer.status,
                answer.body.len()
            );
            faults.push(Fault::new(
                Rule::RangeWrong,
                seen,
                format!("206 and {length} bytes"),
            ));
        }
        let Some(known) = self.lanes.get_mut(lane) else {
            return;
        };
        known.pieces += 1;
        let (found, zero) = known.timeline.piece(new, &answer.body);
        faults.extend(found);
        let micros = u64::try_from(new.duration.as_micros()).unwrap_or(u64::MAX);
        if let (None, Some(rate)) = (
            new.part,
            (answer.body.len() as u64 * 8_000_000).checked_div(micros),
        ) {
            self.point(lane, answer.done, to_f64(rate), |series| {
                &mut series.bitrate
            });
        }
        if let Some(zero) = zero {
            faults.extend(self.group.zero(lane, new.discontinuity, zero));
        }
        self.measure(lane, new, answer.body.len() as u64);
        self.add(Some(lane), &answer.url, answer.done, faults);
    }

    /// The peak is that "of any contiguous set of segments whose total duration is between 0.5 and 1.5 times the target
    /// duration" (section 4.4.6.2): what is cut short after its first picture is none.
    fn measure(&mut self, lane: usize, new: &New, bytes: u64) {
        let Some((has_parts, least)) = self
            .last(lane)
            .map(|media| (media.has_parts(), media.target_duration() / 2))
        else {
            return;
        };
        let Some(known) = self.lanes.get_mut(lane) else {
            return;
        };
        if new.part.is_some() != has_parts {
            return;
        }
        if new.is_discontinuous {
            known.stretch.clear();
        }
        known.stretch.push_back((bytes, new.duration));
        let lasts = |stretch: &VecDeque<(u64, Duration)>| -> Duration {
            stretch.iter().map(|(_, duration)| *duration).sum()
        };
        while let Some((_, oldest)) = known.stretch.front()
            && (lasts(&known.stretch).saturating_sub(*oldest) >= least
                || known.stretch.len() > STRETCH_PIECES_MAX)
        {
            known.stretch.pop_front();
        }
        let duration = lasts(&known.stretch);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bytes: u64 = known.stretch.iter().map(|(bytes, _)| *bytes).sum();
        if duration >= least
            && let Some(rate) = bytes.saturating_mul(8_000_000).checked_div(micros)
        {
            known.peak = known.peak.max(rate);
        }
    }

    /// Something was not fetched: media is not expected to continue where it was.
    pub fn lose(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.stretch.clear();
            lane.timeline.lose();
        }
    }

    /// Compares what was promised with what was needed, at the end.
    pub fn finish(&mut self, now: Duration) {
        let Some(address) = self.multivariant.clone() else {
            return;
        };
        let peak = |lane: usize| self.lanes.get(lane).map_or(0, |lane| lane.peak);
        let mut faults = Vec::new();
        for promise in &self.promises {
            let Some(lane) = promise.lane else { continue };
            let others = promise
                .group
                .iter()
                .filter(|other| **other != lane)
                .map(|other| peak(*other))
                .max();
            let measured = peak(lane).saturating_add(others.unwrap_or_default());
            faults.extend(multivariant::bandwidth(
                &promise.uri,
                promise.line,
                promise.bandwidth,
                measured,
            ));
        }
        self.add(None, &address.to_string(), now, faults);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a chart needs no more digits")]
fn to_f64(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "a chart needs no more digits")]
fn to_seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
