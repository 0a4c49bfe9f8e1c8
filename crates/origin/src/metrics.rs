//! What the origin counts, in Prometheus' terms. Names are prefixed `origin_`.

pub(crate) mod ingest;
pub(crate) mod storage;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use self::storage::StorageMetrics;
use crate::thumbnails::ThumbnailMetrics;
use crate::{ladder::metrics::LadderMetrics, whip::metrics::WhipMetrics};

/// Why a publisher was turned away before it published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// No channel has that key.
    Key,
    /// The channel has a publisher.
    Busy,
    /// The authoriser said no, or named no channel.
    Authoriser,
    /// The authoriser could not be asked.
    Unasked,
    /// Too many connections, in all or from that peer.
    Connections,
    /// It did not speak RTMP, or not in time.
    Protocol,
}

impl Refusal {
    fn label(self) -> Label {
        let reason = match self {
            Self::Key => "key",
            Self::Busy => "busy",
            Self::Authoriser => "authoriser",
            Self::Unasked => "unasked",
            Self::Connections => "connections",
            Self::Protocol => "protocol",
        };
        Label { reason }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    reason: &'static str,
}

/// Upper bounds of the times that it takes to answer who waits, seconds.
const WAKE_SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.25, 1.0,
];

/// A histogram of such times.
#[derive(Debug, Clone)]
pub(crate) struct WakeSeconds(pub(crate) Histogram);

impl Default for WakeSeconds {
    fn default() -> Self {
        Self(Histogram::new(WAKE_SECONDS))
    }
}

/// All of the origin's metrics; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    /// Publishers at this moment.
    pub(crate) publishers: Gauge,
    /// RTMP connections at this moment, publishers or not.
    pub(crate) connections: Gauge,
    /// SRT callers at this moment, publishers or not.
    pub(crate) srt_connections: Gauge,
    /// Bytes received at the SRT port.
    pub(crate) srt_received: Counter,
    /// Packets of SRT publishers that were missing and asked for again.
    pub(crate) srt_missing: Counter,
    /// Of those, given up, or come faster than they were taken.
    pub(crate) srt_given_up: Counter,
    /// Bytes received from RTMP peers.
    pub(crate) rtmp_received: Counter,
    /// Parts made.
    pub(crate) parts: Counter,
    /// Playlists asked for.
    pub(crate) playlist_requests: Counter,
    /// Media files asked for.
    pub(crate) media_requests: Counter,
    /// Requests held at this moment.
    pub(crate) waiting_requests: Gauge,
    /// From when a stream had what was waited for until it was handed on, of each who waited.
    pub(crate) wake_seconds: WakeSeconds,
    /// Of the ladder.
    pub(crate) ladder: LadderMetrics,
    /// Of what is kept beyond memory.
    pub(crate) storage: StorageMetrics,
    /// Of small pictures.
    pub(crate) thumbnails: ThumbnailMetrics,
    /// Of WHIP.
    pub(crate) whip: WhipMetrics,
    refused: Family<Label, Counter>,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("origin");
        registry.register(
            "publishers",
            "Publishers at this moment",
            metrics.publishers.clone(),
        );
        registry.register(
            "rtmp_connections",
            "RTMP connections at this moment",
            metrics.connections.clone(),
        );
        registry.register_with_unit(
            "rtmp_received",
            "Received from RTMP peers",
            Unit::Bytes,
            metrics.rtmp_received.clone(),
        );
        registry.register(
            "srt_connections",
            "SRT callers at this moment",
            metrics.srt_connections.clone(),
        );
        registry.register_with_unit(
            "srt_received",
            "Received at the SRT port",
            Unit::Bytes,
            metrics.srt_received.clone(),
        );
        registry.register(
            "srt_packets_missing",
            "Packets of SRT publishers that were missing and asked for again",
            metrics.srt_missing.clone(),
        );
        registry.register(
            "srt_packets_given_up",
            "Packets of SRT publishers that never came or were not taken",
            metrics.srt_given_up.clone(),
        );
        registry.register("parts", "Parts made", metrics.parts.clone());
        registry.register(
            "playlist_requests",
            "Playlists asked for",
            metrics.playlist_requests.clone(),
        );
        registry.register(
            "media_requests",
            "Media files asked for",
            metrics.media_requests.clone(),
        );
        registry.register(
            "waiting_requests",
            "Requests held at this moment",
            metrics.waiting_requests.clone(),
        );
        registry.register_with_unit(
            "wake",
            "From when a stream had what was waited for until each who waited was answered",
            Unit::Seconds,
            metrics.wake_seconds.0.clone(),
        );
        registry.register(
            "publishers_refused",
            "Publishers turned away, by reason",
            metrics.refused.clone(),
        );
        metrics.register_parts(registry);
        metrics
    }

    fn register_parts(&self, registry: &mut Registry) {
        self.ladder.register(registry);
        self.storage.register(registry);
        self.thumbnails.register(registry);
        self.whip.register(registry);
    }

    pub(crate) fn refused(&self, why: Refusal) {
        self.refused.get_or_create(&why.label()).inc();
    }

    #[cfg(test)]
    pub(crate) fn refused_count(&self, why: Refusal) -> u64 {
        self.refused.get_or_create(&why.label()).get()
    }
}

/// Adds one to a gauge for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
