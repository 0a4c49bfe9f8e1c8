//! One stream's timestamps as ticks on a clock that the streams of a publisher share.

use super::ticks_of_ms;
use crate::{
    limits::{REPORT_SKEW_MS_MAX, REPORT_STEP_MS_MAX, REPORT_STEP_MS_MIN},
    sample::VIDEO_TIMESCALE,
    timeline::TICKS_PER_MS,
};

/// What a sender report says: the moment of a timestamp on the sender's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The timestamp.
    pub rtp: u32,
    /// The moment, microseconds since any that is the same for all streams of a publisher.
    pub micros: i64,
}

/// How one stream counts.
#[derive(Debug)]
pub(super) struct Clock {
    rate: i64,
    /// The newest timestamp, and how many units it is behind the first.
    last: Option<(u32, i64)>,
    /// What arrival says of the first frame: ticks to add to those of a timestamp.
    arrived: Option<i64>,
    /// The newest report.
    report: Option<Report>,
    /// Ticks to add to those of a timestamp, since the first frame was given its time.
    offset: Option<i64>,
}

impl Clock {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate: rate.into(),
            last: None,
            arrived: None,
            report: None,
            offset: None,
        }
    }

    /// Takes note of when the first frame came, while the timing is not known.
    pub(super) fn arrive(&mut self, at_ms: u64, rtp: u32) {
        if self.last.is_none() {
            self.last = Some((rtp, 0));
            self.arrived = Some(ticks_of_ms(at_ms));
        }
    }

    /// Takes a report. Once frames have times, it moves them a little, and is ignored if it would move them far: the clock
    /// of the sender was set.
    pub(super) fn handle_report(&mut self, report: Report) {
        self.report = Some(report);
        if let (Some(offset), Some(told)) = (self.offset, self.told()) {
            let step_ms = told.saturating_sub(offset).saturating_abs() / TICKS_PER_MS;
            if (REPORT_STEP_MS_MIN..=REPORT_STEP_MS_MAX).contains(&step_ms) {
                self.offset = Some(told);
            }
        }
    }

    pub(super) fn forget_reports(&mut self) {
        self.report = None;
    }

    /// When a frame is shown or heard, in ticks; it is the newest one.
    pub(super) fn time(&mut self, at_ms: u64, rtp: u32) -> i64 {
        let units = self.near(rtp);
        self.last = Some((rtp, units));
        let ticks = self.ticks(units);
        let offset = match self.offset {
            Some(offset) => offset,
            None => {
                let arrived = self
                    .arrived
                    .unwrap_or_else(|| ticks_of_ms(at_ms).saturating_sub(ticks));
                self.told().unwrap_or(arrived)
            }
        };
        self.offset = Some(offset);
        ticks.saturating_add(offset)
    }

    /// What the newest report says: ticks to add to those of a timestamp. `None` without one, or without a frame.
    fn told(&self) -> Option<i64> {
        self.last?;
        let report = self.report?;
        // 90 ticks to 1,000 microseconds.
        let moment = report.micros / 100 * 9 + report.micros % 100 * 9 / 100;
        Some(moment.saturating_sub(self.ticks(self.near(report.rtp))))
    }

    /// A timestamp as units behind the first; the nearer of the two readings of a step is taken.
    fn near(&self, rtp: u32) -> i64 {
        self.last.map_or(0, |(last, units)| {
            units.saturating_add(rtp.wrapping_sub(last).cast_signed().into())
        })
    }

    fn ticks(&self, units: i64) -> i64 {
        units.saturating_mul(VIDEO_TIMESCALE.into()) / self.rate
    }
}

/// Whether the reports of two streams can be believed: what they say of the distance between the streams is about what their
/// arrival says. A sender may leave the time out of its reports (RFC 3550 section 6.4.1). `None` while a frame or a report is
/// missing.
pub(super) fn agree(video: &Clock, audio: &Clock) -> Option<bool> {
    let told = video.told()?.saturating_sub(audio.told()?);
    let arrived = video.arrived?.saturating_sub(audio.arrived?);
    let skew = told.saturating_sub(arrived).saturating_abs();
    Some(skew <= REPORT_SKEW_MS_MAX * TICKS_PER_MS)
}
