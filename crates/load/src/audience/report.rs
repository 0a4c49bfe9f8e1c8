//! What the crowd saw.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::histogram::Histogram;

/// The figures of a run, from when everybody was connected.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ViewersReport {
    /// Viewers.
    pub viewers: u32,
    /// Connections they have.
    pub connections: u32,
    /// How long was measured, seconds.
    pub seconds: f64,
    /// Answers that were whole and good.
    pub answers: u64,
    /// Playlists among them.
    pub playlists: u64,
    /// Parts among them.
    pub parts: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// What was not answered as it should, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Lanes that had no new part for three part targets: a player's buffer is empty then.
    pub stalls: u64,
    /// How long after the first of those who waited each of them had its playlist.
    pub wake_ms: Shares,
    /// How many waited for a part, in the median.
    pub waiters: u64,
    /// From asking for a part until it was whole.
    pub part_ms: Shares,
    /// From asking until the answer was whole, of what is asked for over and over.
    pub again_ms: Shares,
    /// Processor time of the generator itself, seconds.
    pub generator_cpu_s: f64,
}

/// A distribution of times, milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Shares {
    /// How many.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// All.
    pub max: f64,
}

impl From<&Histogram> for Shares {
    fn from(histogram: &Histogram) -> Self {
        let ms = |micros: u64| micros as f64 / 1_000.0;
        Self {
            count: histogram.total(),
            p50: ms(histogram.per_mille(500)),
            p90: ms(histogram.per_mille(900)),
            p99: ms(histogram.per_mille(990)),
            max: ms(histogram.largest()),
        }
    }
}
