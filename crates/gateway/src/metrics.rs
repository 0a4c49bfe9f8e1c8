//! What an operator sees of the gateway. No label ever names a room or a user: their number is unbounded.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{admission::Admission, drain::Board, reactor::Shared, reactors::Reactors};

/// Handles of the registered metrics; cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Messages received by fans: one per message and fan.
    pub(crate) deliveries: Counter,
    /// System calls that wrote to a socket.
    pub(crate) writes: Counter,
    /// Bytes those took.
    pub(crate) sent_bytes: Counter,
    /// Messages never sent to fans who were too slow for them.
    pub(crate) skipped: Counter,
    /// From the first unsent message of a room to the end of the sweep that sent it.
    pub(crate) sweep_lag: Histogram,
    /// Publications that found the inbox full or arrived out of order, read back from the log.
    pub(crate) refills: Counter,
    compressed_before: Counter,
    compressed_after: Counter,
    closes: Family<CodeLabel, Counter>,
    commands: Family<KindLabel, Counter>,
    refused: Family<ReasonLabel, Counter>,
    cuts: Family<ReasonLabel, Counter>,
    upgrades: Counter,
    /// Times to come again that were given to those who were refused.
    pub(crate) return_slots: Counter,
    /// TLS handshakes that came to an end.
    pub(crate) tls_handshakes: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Reads the number of sockets, and how fast it may grow, where they are kept.
#[derive(Debug)]
struct Connections(Arc<Admission>);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let open = ConstGauge::new(i64::try_from(self.0.open()).unwrap_or(i64::MAX));
        let metric = encoder.encode_descriptor(
            "fanwave_gateway_connections",
            "Sockets of fans held now",
            None,
            MetricType::Gauge,
        )?;
        open.encode(metric)?;
        let rate = ConstGauge::new(i64::from(self.0.rate()));
        let metric = encoder.encode_descriptor(
            "fanwave_gateway_admission_rate",
            "New sockets per second that are let in now, 0 for any number",
            None,
            MetricType::Gauge,
        )?;
        rate.encode(metric)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReactorLabel {
    reactor: usize,
}

/// Reads from each reactor's pulse how long it has worked: what it gains in a second is the share of its core.
#[derive(Debug)]
struct BusySeconds(Arc<Reactors>);

impl Collector for BusySeconds {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut metric = encoder.encode_descriptor(
            "fanwave_gateway_reactor_busy",
            "Time a reactor has worked, waiting for its poll excluded",
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?;
        for (reactor, seat) in self.0.seats().iter().enumerate() {
            let busy = ConstCounter::new(seat.pulse.busy().as_secs_f64());
            busy.encode(metric.encode_family(&ReactorLabel { reactor })?)?;
        }
        Ok(())
    }
}

/// Reads how many sockets each reactor has.
#[derive(Debug)]
struct ReactorSockets(Arc<Reactors>);

impl Collector for ReactorSockets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut metric = encoder.encode_descriptor(
            "fanwave_gateway_reactor_sockets",
            "Sockets of a reactor, those on their way to it included",
            None,
            MetricType::Gauge,
        )?;
        for (reactor, seat) in self.0.seats().iter().enumerate() {
            let sockets = ConstGauge::new(i64::try_from(seat.pulse.sockets()).unwrap_or(i64::MAX));
            sockets.encode(metric.encode_family(&ReactorLabel { reactor })?)?;
        }
        Ok(())
    }
}

/// Reads how many nodes are known where they are counted.
#[derive(Debug)]
struct Nodes(Shared);

impl Collector for Nodes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let others = self.0.census().nodes().count();
        let nodes = ConstGauge::new(i64::try_from(others + 1).unwrap_or(i64::MAX));
        let metric = encoder.encode_descriptor(
            "fanwave_gateway_nodes",
            "Servers of these rooms that are known, this one included",
            None,
            MetricType::Gauge,
        )?;
        nodes.encode(metric)
    }
}

/// Reads how far a drain has come where the reactors write it.
#[derive(Debug)]
struct Drained(Arc<Board>);

impl Collector for Drained {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let draining = ConstGauge::new(i64::from(self.0.is_draining()));
        let metric = encoder.encode_descriptor(
            "fanwave_gateway_draining",
            "1 from the time the fans are moved to other nodes",
            None,
            MetricType::Gauge,
        )?;
        draining.encode(metric)?;
        let moved = u64::try_from(self.0.progress().moved).unwrap_or(u64::MAX);
        let metric = encoder.encode_descriptor(
            "fanwave_gateway_moved",
            "Fans who were sent to other nodes, with the time of their return",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(moved).encode(metric)
    }
}

impl Metrics {
    /// Registers everything under `fanwave_gateway_`.
    pub(crate) fn register(
        registry: &mut Registry,
        admission: &Arc<Admission>,
        reactors: &Arc<Reactors>,
        shared: &Shared,
    ) -> Self {
        let metrics = Self {
            deliveries: Counter::default(),
            writes: Counter::default(),
            sent_bytes: Counter::default(),
            skipped: Counter::default(),
            sweep_lag: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            refills: Counter::default(),
            compressed_before: Counter::default(),
            compressed_after: Counter::default(),
            closes: Family::default(),
            commands: Family::default(),
            refused: Family::default(),
            cuts: Family::default(),
            upgrades: Counter::default(),
            return_slots: Counter::default(),
            tls_handshakes: Counter::default(),
        };
        registry.register_collector(Box::new(Connections(Arc::clone(admission))));
        registry.register_collector(Box::new(BusySeconds(Arc::clone(reactors))));
        registry.register_collector(Box::new(ReactorSockets(Arc::clone(reactors))));
        registry.register_collector(Box::new(Drained(Arc::clone(&shared.board))));
        registry.register_collector(Box::new(Nodes(shared.clone())));
        let registry = registry.sub_registry_with_prefix("fanwave_gateway");
        registry.register(
            "deliveries",
            "Messages received by fans",
            metrics.deliveries.clone(),
        );
        registry.register(
            "skipped",
            "Messages never sent to fans of a lossy lane who were too slow for them",
            metrics.skipped.clone(),
        );
        registry.register("writes", "Writes to sockets", metrics.writes.clone());
        registry.register_with_unit(
            "sent",
            "Bytes written to sockets",
            Unit::Bytes,
            metrics.sent_bytes.clone(),
        );
        registry.register_with_unit(
            "sweep_lag",
            "From a room's first unsent message to the end of the sweep that sent it",
            Unit::Seconds,
            metrics.sweep_lag.clone(),
        );
        registry.register(
            "refills",
            "Stretches of a channel read back from the log",
            metrics.refills.clone(),
        );
        metrics.register_compression(registry);
        registry.register(
            "closes",
            "Connections ended, by close code; 1006 is a lost peer",
            metrics.closes.clone(),
        );
        registry.register(
            "commands",
            "Client commands, by kind",
            metrics.commands.clone(),
        );
        registry.register(
            "slow_cuts",
            "Slow fans closed to recover, by reason: lapped by the lossless lane, or replies unread",
            metrics.cuts.clone(),
        );
        metrics.register_arrivals(registry);
        metrics
    }

    /// What becomes of those who come.
    fn register_arrivals(&self, registry: &mut Registry) {
        registry.register(
            "refused_upgrades",
            "Upgrades refused, by reason",
            self.refused.clone(),
        );
        registry.register("upgrades", "Upgrades answered", self.upgrades.clone());
        registry.register(
            "return_slots",
            "Times to come again, given one behind the other to those who were refused for now",
            self.return_slots.clone(),
        );
        registry.register(
            "tls_handshakes",
            "TLS handshakes that came to an end; refused ones are upgrades refused for tls",
            self.tls_handshakes.clone(),
        );
    }

    fn register_compression(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "compressed_before",
            "Bytes of messages that were compressed, once for all who share them",
            Unit::Bytes,
            self.compressed_before.clone(),
        );
        registry.register_with_unit(
            "compressed_after",
            "Bytes of the frames they became",
            Unit::Bytes,
            self.compressed_after.clone(),
        );
    }

    /// Messages were compressed.
    pub(crate) fn compressed(&self, before: u64, after: u64) {
        self.compressed_before.inc_by(before);
        self.compressed_after.inc_by(after);
    }

    /// One connection has ended.
    pub(crate) fn closed(&self, code: u16) {
        self.closes
            .get_or_create(&CodeLabel { code: code.into() })
            .inc();
    }

    /// One command has come.
    pub(crate) fn command(&self, kind: &'static str) {
        self.commands.get_or_create(&KindLabel { kind }).inc();
    }

    /// One upgrade was refused.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// One slow fan was closed.
    pub(crate) fn cut(&self, reason: &'static str) {
        self.cuts.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// So many upgrades were refused.
    pub(crate) fn refused_many(&self, reason: &'static str, count: u64) {
        if count > 0 {
            self.refused
                .get_or_create(&ReasonLabel { reason })
                .inc_by(count);
        }
    }

    /// One upgrade was answered.
    pub(crate) fn upgraded(&self) {
        self.upgrades.inc();
    }

    /// One sweep has ended.
    pub(crate) fn swept(&self, lag: Duration) {
        self.sweep_lag.observe(lag.as_secs_f64());
    }
}
