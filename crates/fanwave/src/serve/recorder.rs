//! What is said over a broker, written down in the chat log, as the plan wants it.

use fanwave_bus::recorder::{Recorder, Watch};
use fanwave_store::Archive;
use fanwave_wire::{Channel, Lane};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::engine;
use crate::config::plan::Plan;

/// The lanes that are recorded: what was said, and what happened. What moderators say among themselves and who voted how
/// stay with the broker.
const LANES: [Lane; 2] = [Lane::Chat, Lane::Room];

/// Starts to record the rooms of the plan, if that is wanted. There are no others: a gateway lets fans into these alone.
pub(super) fn start(plan: &Plan, archive: &Archive, registry: &mut Registry) -> Option<Recorder> {
    if !plan.store.record {
        return None;
    }
    let open = engine::for_recorder(plan)?;
    let lanes = plan.channels.iter().flat_map(|channel| {
        LANES.map(|lane| {
            let room = channel.id.clone();
            Channel { lane, room }
        })
    });
    let recorder = Recorder::start(archive.clone(), open, lanes.collect());
    registry.register_collector(Box::new(Counted(recorder.watch())));
    Some(recorder)
}

/// What the recorder has counted.
#[derive(Debug)]
struct Counted(Watch);

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let stats = self.0.stats();
        let gauges = [
            (
                "leads",
                "Whether this is the server that records the chat log: 1, or 0",
                f64::from(u8::from(stats.leads)),
            ),
            (
                "lag_messages",
                "Messages that are known to be there and are not recorded, on the server that records",
                // No room comes near where this is not exact.
                u32::try_from(stats.behind).map_or(f64::INFINITY, f64::from),
            ),
            (
                "lag_seconds",
                "For how long the oldest of them has been there",
                stats.lag.as_secs_f64(),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            let name = format!("fanwave_recorder_{name}");
            let metric = encoder.encode_descriptor(&name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let counters = [
            (
                "recorded",
                "Messages that this server has recorded",
                stats.recorded,
            ),
            (
                "holes",
                "Offsets that the broker had let go of before they were recorded",
                stats.holes,
            ),
            (
                "refused",
                "Messages that the database does not take, and that are left out",
                stats.refused,
            ),
            (
                "failures",
                "Calls of the database or the broker that failed, and were made again",
                stats.failures,
            ),
        ];
        for (name, help, count) in counters {
            let counter = ConstCounter::new(count);
            let name = format!("fanwave_recorder_{name}");
            let metric = encoder.encode_descriptor(&name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}
