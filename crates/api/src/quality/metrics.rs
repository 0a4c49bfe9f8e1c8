//! What is counted of how players fare, on this server and over all channels. Names are prefixed `fanwave_quality_`.

use std::sync::atomic::AtomicU64;

use fanwave_wire::beacon::Beacon;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{histogram::BOUNDS_MS, window::Verdict};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

type Seconds = Counter<f64, AtomicU64>;

/// Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    beacons: Family<Outcome, Counter>,
    startup: Histogram,
    latency: Histogram,
    played: Seconds,
    stalled: Seconds,
    stalls: Counter,
    switches: Counter,
    errors: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram = || Histogram::new(BOUNDS_MS.map(seconds));
        Self {
            beacons: Family::default(),
            startup: histogram(),
            latency: histogram(),
            played: Seconds::default(),
            stalled: Seconds::default(),
            stalls: Counter::default(),
            switches: Counter::default(),
            errors: Counter::default(),
        }
    }
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // All of them from the start, so that a rate is known when the first is refused.
        for verdict in [Verdict::Counted, Verdict::Again, Verdict::Enough] {
            drop(metrics.beacons.get_or_create(&outcome(verdict)));
        }
        let registry = registry.sub_registry_with_prefix("fanwave_quality");
        registry.register(
            "beacons",
            "What pages have told of how their pictures play, by what became of it",
            metrics.beacons.clone(),
        );
        let histograms = [
            (
                "startup",
                "From the wish for a picture to the first one",
                &metrics.startup,
            ),
            (
                "latency",
                "From the stage to the screen, once a beacon",
                &metrics.latency,
            ),
        ];
        for (name, help, histogram) in histograms {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        let spans = [
            ("played", "For how long pictures moved", &metrics.played),
            (
                "stalled",
                "For how long pictures stood still against the will of fans",
                &metrics.stalled,
            ),
        ];
        for (name, help, span) in spans {
            registry.register_with_unit(name, help, Unit::Seconds, span.clone());
        }
        let counters = [
            ("stalls", "Stalls that began", &metrics.stalls),
            ("switches", "Changes of the quality", &metrics.switches),
            ("errors", "Sources that players have lost", &metrics.errors),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        metrics
    }

    pub(super) fn count(&self, beacon: &Beacon, verdict: Verdict) {
        self.beacons.get_or_create(&outcome(verdict)).inc();
        if verdict != Verdict::Counted {
            return;
        }
        if let Some(startup) = beacon.startup_ms {
            self.startup.observe(seconds(startup));
        }
        if let Some(latency) = beacon.latency_ms {
            self.latency.observe(seconds(latency));
        }
        self.played.inc_by(seconds(beacon.played_ms));
        self.stalled.inc_by(seconds(beacon.stalled_ms));
        self.stalls.inc_by(u64::from(beacon.stalls));
        self.switches.inc_by(u64::from(beacon.switches));
        self.errors.inc_by(u64::from(beacon.errors));
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    let outcome = match verdict {
        Verdict::Counted => "counted",
        Verdict::Again => "again",
        Verdict::Enough => "enough",
    };
    Outcome { outcome }
}

fn seconds(ms: u32) -> f64 {
    f64::from(ms) / 1_000.0
}
