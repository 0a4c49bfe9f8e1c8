//! What the run took: of each server, of all together, and of this tool.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Evidence, Percentiles, Row, ServerEvidence};
use crate::Order;

/// This tool.
#[derive(Debug, Clone, Serialize)]
pub struct Generator {
    /// How much of the time the busiest worker did not wait while messages were sent, percent, on average.
    pub busy_percent: u32,
    /// The same in the worst second.
    pub busiest_percent: u32,
    /// The same while fans connected, on average.
    pub ramp_busy_percent: u32,
    /// How late messages were sent.
    pub lag: Percentiles,
    /// Processor time of all its processes, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Processor time per million deliveries from the first message until the end, milliseconds: what it takes from the
    /// servers that share its machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms_per_million: Option<u64>,
    /// Memory of its own when messages began, all its processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// The same per fan who was connected then; what TLS keeps is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_fan: Option<u64>,
}

/// All servers' processes.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// Which.
    pub pids: Vec<u32>,
    /// Processor time from the first message until the end, milliseconds.
    pub cpu_ms: u64,
    /// Deliveries per second of processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliveries_per_cpu_second: Option<u64>,
    /// Processor time per million deliveries, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms_per_million: Option<u64>,
    /// Memory of its own before the ramp, and after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<(u64, u64)>,
    /// What a connection took of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_connection: Option<u64>,
}

/// One server. What is known from its processes is left out when they are not on this machine.
#[derive(Debug, Clone, Serialize)]
pub struct PerServer {
    /// Host and port.
    pub host: String,
    /// Fans who were there when messages began.
    pub connected: u64,
    /// Fans who were there at the end.
    pub connected_at_end: u64,
    /// Messages that it delivered from the first one on, both lanes.
    pub deliveries: u64,
    /// Connections that ended there, by close code.
    pub closes: BTreeMap<u16, u64>,
    /// Attempts to connect that failed there.
    pub failures: u64,
    /// Its processes, at the end.
    pub pids: Vec<u32>,
    /// Processor time from the first message until the end, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Processor time per million of its deliveries, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms_per_million: Option<u64>,
    /// What a connection took of its memory in the ramp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_connection: Option<u64>,
}

impl ServerEvidence {
    fn cpu_micros(&self) -> Option<u64> {
        // A server that was found only later has been measured since then.
        self.cpu_at_end?.checked_sub(self.cpu_at_begin.unwrap_or(0))
    }

    fn grown(&self) -> Option<u64> {
        self.bytes_after?.checked_sub(self.bytes_before?)
    }
}

/// Processor time per million, milliseconds.
fn ms_per_million(cpu_micros: u64, deliveries: u64) -> Option<u64> {
    (cpu_micros * 1_000).checked_div(deliveries)
}

fn deliveries(evidence: &Evidence) -> u64 {
    evidence.publishing.room.total() + evidence.publishing.chat.total()
}

pub(super) fn generator(evidence: &Evidence) -> Generator {
    let from = evidence.moments.first().map_or(0, |moment| moment.millis);
    let until = from.saturating_add(evidence.publish_millis);
    // Only whole seconds of publishing count: the ramp's and the end's say nothing about deliveries.
    let within = |row: &&Row| {
        let end = row.second as u64 * 1_000;
        end >= from + 1_000 && end <= until
    };
    let busy = |rows: &mut dyn Iterator<Item = &Row>| -> (u32, u32) {
        let shares: Vec<u32> = rows.map(|row| row.busy_percent).collect();
        let count = u32::try_from(shares.len()).unwrap_or(u32::MAX);
        let mean = shares.iter().sum::<u32>().checked_div(count).unwrap_or(0);
        (mean, shares.into_iter().max().unwrap_or(0))
    };
    let (busy_percent, busiest_percent) = busy(&mut evidence.rows.iter().filter(within));
    // The first row is the moment before the ramp.
    let in_ramp = |row: &&Row| row.second > 0 && row.second as u64 * 1_000 <= from;
    let (ramp_busy_percent, _) = busy(&mut evidence.rows.iter().filter(in_ramp));
    let cpu = evidence.load_cpu_micros.zip(evidence.load_cpu_at_begin);
    Generator {
        busy_percent,
        busiest_percent,
        ramp_busy_percent,
        lag: (&evidence.total.lag).into(),
        cpu_ms: evidence.load_cpu_micros.map(|micros| micros / 1_000),
        cpu_ms_per_million: cpu
            .and_then(|(end, begin)| end.checked_sub(begin))
            .and_then(|micros| ms_per_million(micros, deliveries(evidence))),
        resident_bytes: evidence.load_bytes,
        bytes_per_fan: evidence
            .load_bytes
            .and_then(|bytes| bytes.checked_div(evidence.connected_at_begin())),
    }
}

/// Every server for itself.
pub(super) fn per_server(order: &Order, evidence: &Evidence) -> Vec<PerServer> {
    let servers = order.servers.iter().zip(&evidence.servers).enumerate();
    let row = |(index, (target, server)): (usize, (&crate::Target, &ServerEvidence))| {
        let seen = evidence.total.servers.get(index).cloned();
        let seen = seen.unwrap_or_default();
        let delivered = evidence.publishing.servers.get(index);
        let deliveries = delivered.map_or(0, |server| server.deliveries);
        let cpu_micros = server.cpu_micros();
        PerServer {
            host: target.chat.host.clone(),
            connected: server.connected_at_begin,
            connected_at_end: server.connected_at_end,
            deliveries,
            closes: seen.closes,
            failures: seen.failures,
            pids: server.pids.clone(),
            cpu_ms: cpu_micros.map(|micros| micros / 1_000),
            cpu_ms_per_million: cpu_micros.and_then(|micros| ms_per_million(micros, deliveries)),
            bytes_per_connection: server
                .grown()
                .and_then(|grown| grown.checked_div(server.connected_at_begin)),
        }
    };
    servers.map(row).collect()
}

/// All servers together, as far as their processes are known.
pub(super) fn server(evidence: &Evidence) -> Option<Server> {
    let known = || {
        evidence
            .servers
            .iter()
            .filter(|server| server.cpu_micros().is_some())
    };
    known().next()?;
    let cpu_micros: u64 = known().filter_map(ServerEvidence::cpu_micros).sum();
    let bytes = |of: fn(&ServerEvidence) -> Option<u64>| known().map(of).sum::<Option<u64>>();
    let (before, after) = (
        bytes(|server| server.bytes_before),
        bytes(|server| server.bytes_after),
    );
    let connected: u64 = known().map(|server| server.connected_at_begin).sum();
    let deliveries = deliveries(evidence);
    Some(Server {
        pids: known().flat_map(|server| server.pids.clone()).collect(),
        cpu_ms: cpu_micros / 1_000,
        deliveries_per_cpu_second: (deliveries * 1_000_000).checked_div(cpu_micros),
        cpu_ms_per_million: ms_per_million(cpu_micros, deliveries),
        resident_bytes: before.zip(after),
        bytes_per_connection: before
            .zip(after)
            .and_then(|(before, after)| after.checked_sub(before))
            .and_then(|grown| grown.checked_div(connected)),
    })
}
