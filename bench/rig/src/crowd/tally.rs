//! What was received in one phase of a run, and how late.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{histogram::Histogram, ledger::Arrival, marker::Mark};

/// Latencies in milliseconds, from the intended send time to the read.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    most: f64,
}

impl From<&Histogram> for Latency {
    fn from(histogram: &Histogram) -> Self {
        let ms =
            |microseconds| std::time::Duration::from_micros(microseconds).as_secs_f64() * 1000.0;
        Self {
            p50: ms(histogram.percentile(500)),
            p90: ms(histogram.percentile(900)),
            p99: ms(histogram.percentile(990)),
            p999: ms(histogram.percentile(999)),
            most: ms(histogram.most()),
        }
    }
}

/// The counts of one phase.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The first message of the phase.
    pub(super) first: u64,
    /// The room that the fans are in.
    pub(super) room: u64,
    /// From when until when the rate of delivery is taken.
    pub(super) steady: std::ops::Range<u64>,
    /// Fans who stayed.
    pub(super) stayed: Histogram,
    /// Fans who were dropped: what they got afterwards.
    pub(super) returned: Histogram,
    /// Different messages of the phase.
    pub(super) received: u64,
    /// The same, and those of earlier phases.
    pub(super) delivered: u64,
    /// The latter, while the rate of delivery was taken.
    pub(super) delivered_steady: u64,
    pub(super) skipped: u64,
    pub(super) late: u64,
    pub(super) duplicates: u64,
    pub(super) strangers: u64,
    pub(super) reads: u64,
    pub(super) bytes: u64,
    /// Close codes of the server; 0 for a connection that ended without one.
    pub(super) closed: BTreeMap<u16, u64>,
}

impl Tally {
    /// Enters one message of one fan.
    pub(super) fn enter(&mut self, now: u64, mark: Mark, arrival: Arrival, dropped: bool) {
        if mark.room != self.room {
            self.strangers += 1;
            return;
        }
        match arrival {
            Arrival::Next => {}
            Arrival::Skipped(count) => self.skipped += count,
            Arrival::Late => self.late += 1,
            Arrival::Duplicate => {
                self.duplicates += 1;
                return;
            }
        }
        // What a server in arrears delivers of an earlier phase is work of this one.
        self.delivered += 1;
        if self.steady.contains(&now) {
            self.delivered_steady += 1;
        }
        if mark.number < self.first {
            return;
        }
        self.received += 1;
        let latency = now.saturating_sub(mark.intended) / 1000;
        if dropped {
            &mut self.returned
        } else {
            &mut self.stayed
        }
        .add(latency);
    }
}
