//! How well each channel's publisher sends, read at the moment of a scrape. A channel without one has no series.
//!
//! Channels are configured and few, unlike rooms and users, so their names may be labels.

use std::{collections::BTreeMap, fmt, sync::Arc};

use fanwave_media::health::Report;
use fanwave_wire::RoomId;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::channel::Channel;

/// Looks at every channel when it is asked.
#[derive(Debug)]
pub(crate) struct Ingest(pub(crate) Arc<BTreeMap<RoomId, Arc<Channel>>>);

/// One metric of all channels: its name, its help, and its value.
type Row = (&'static str, &'static str, fn(&Report) -> i64);

const GAUGES: [Row; 7] = [
    (
        "ingest_video_bits_per_second",
        "Pictures that the publisher sends, of the last ten seconds",
        |report| signed(report.video_bits_per_second),
    ),
    (
        "ingest_audio_bits_per_second",
        "Sound that the publisher sends, of the last ten seconds",
        |report| signed(report.audio_bits_per_second),
    ),
    (
        "ingest_frame_rate_milli",
        "Thousandths of a picture per second",
        |report| signed(report.frame_rate_milli),
    ),
    (
        "ingest_keyframe_interval_milliseconds",
        "Between the last two keyframes; 0 before the second",
        |report| millis(report.keyframe_interval.unwrap_or_default()),
    ),
    (
        "ingest_drift_milliseconds",
        "How far sound has moved ahead of the pictures since the publisher came",
        |report| report.drift_ms,
    ),
    (
        "ingest_lag_milliseconds",
        "How much later media arrives than it did at its best",
        |report| millis(report.lag),
    ),
    (
        "ingest_starving",
        "1 while the publisher sends so little that viewers run dry",
        |report| report.starving.into(),
    ),
];

const COUNTERS: [Row; 2] = [
    (
        "ingest_dropped_pictures",
        "Pictures missing between others since the publisher came",
        |report| signed(report.dropped_pictures),
    ),
    (
        "ingest_timestamp_jumps",
        "Leaps and holes of the timestamps since the publisher came",
        |report| signed(report.timestamp_jumps),
    ),
];

impl Collector for Ingest {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let reports: Vec<_> = self
            .0
            .iter()
            .filter_map(|(id, channel)| Some((id, channel.health()?)))
            .collect();
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (id, report) in &reports {
                let labels = [("channel", id.as_str())];
                ConstGauge::new(value(report)).encode(family.encode_family(&labels)?)?;
            }
        }
        for (name, help, value) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (id, report) in &reports {
                let labels = [("channel", id.as_str())];
                let value = u64::try_from(value(report)).unwrap_or_default();
                ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
