//! How the pushes go, read at the moment of a scrape. Names are prefixed `simulcast_`.
//!
//! Channels and platforms are configured and few, so their names may be labels.

use std::{collections::BTreeMap, fmt, sync::Arc};

use fanwave_wire::RoomId;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::target::{PushState, PushStatus};
use crate::channel::Channel;

/// Looks at every channel when it is asked.
#[derive(Debug)]
pub(crate) struct Pushes(pub(crate) Arc<BTreeMap<RoomId, Arc<Channel>>>);

/// One counter of all pushes: its name, its help, and its value.
type Row = (&'static str, &'static str, fn(&PushStatus) -> u64);

const COUNTERS: [Row; 3] = [
    ("sent_bytes", "Sent to the platform", |status| {
        status.sent_bytes
    }),
    (
        "dropped_pictures",
        "Pictures given up because the platform took too little",
        |status| status.dropped_pictures,
    ),
    (
        "reconnects",
        "Pushes begun because one before had failed",
        |status| status.reconnects,
    ),
];

impl Collector for Pushes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statuses: Vec<_> = self
            .0
            .iter()
            .flat_map(|(id, channel)| {
                let statuses = channel.simulcast().statuses();
                statuses.into_iter().map(move |status| (id, status))
            })
            .collect();
        let help = "1 for the state that the push is in";
        let mut family = encoder.encode_descriptor("state", help, None, MetricType::Gauge)?;
        for (id, status) in &statuses {
            for state in PushState::ALL {
                let labels = [
                    ("channel", id.as_str()),
                    ("target", &*status.name),
                    ("state", state.name()),
                ];
                let value = i64::from(status.state == state);
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        for (name, help, value) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (id, status) in &statuses {
                let labels = [("channel", id.as_str()), ("target", &*status.name)];
                ConstCounter::new(value(status)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
