//! The board: what all workers told, second by second, and what this machine says about the processes.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    timeline::Timeline,
    watch::{Seen, Watch},
};
use crate::{
    Order,
    clock::{change_step, now_ns},
    exchange::{Second, Settled, add_counts},
    limits::{SECONDS_MAX, SERVERS_SHOWN_MAX},
    machine,
    order::Scenario,
    report::{Evidence, Moment, Report, Row, RowGauges, ServerEvidence},
    split::Split,
};

/// Nanoseconds of a row.
const ROW_NS: u64 = 1_000_000_000;

/// How long after its end a row is looked at: by then the workers have told.
const TELL_NS: u64 = 250_000_000;

/// Collects a run.
#[derive(Debug)]
pub(super) struct Board {
    start_ns: u64,
    evidence: Evidence,
    rows: Vec<Second>,
    gauges: Vec<Gauges>,
    /// Rows that have been looked at.
    ticks: u64,
    /// Fans connected, by worker and then by server, as last told.
    connected: BTreeMap<usize, Vec<u64>>,
    load_pids: Vec<u32>,
    watches: Vec<Watch>,
    timeline: Timeline,
    last: Gauges,
    /// When all were there, or the ramp had taken too long.
    ramp_over_ns: u64,
    publish_from_ns: u64,
}

/// What was told, and what `/proc` said, at the end of a row.
#[derive(Debug, Clone, Default)]
struct Gauges {
    /// By server.
    connected: Vec<u64>,
    /// By server.
    servers: Vec<Seen>,
    load_cpu_micros: Option<u64>,
}

impl Gauges {
    fn server_cpu_micros(&self) -> Option<u64> {
        sum(self.servers.iter().filter_map(|seen| seen.cpu_micros))
    }

    fn server_bytes(&self) -> Option<u64> {
        sum(self.servers.iter().filter_map(|seen| seen.bytes))
    }
}

/// The sum; `None` when there is nothing to add.
fn sum(values: impl Iterator<Item = u64>) -> Option<u64> {
    values.reduce(|sum, value| sum + value)
}

impl Board {
    /// Begins with the processes of this tool, and those of the servers.
    pub(super) fn new(start_ns: u64, mut load_pids: Vec<u32>, watches: Vec<Watch>) -> Self {
        load_pids.push(std::process::id());
        let mut board = Self {
            start_ns,
            evidence: Evidence::default(),
            rows: Vec::new(),
            gauges: Vec::new(),
            ticks: 0,
            connected: BTreeMap::new(),
            load_pids,
            watches,
            timeline: Timeline::new(change_step(start_ns)),
            last: Gauges::default(),
            ramp_over_ns: u64::MAX,
            publish_from_ns: u64::MAX,
        };
        let servers = board.watches.len();
        board.evidence.servers = vec![ServerEvidence::default(); servers];
        board.last = board.look();
        for (server, seen) in board.evidence.servers.iter_mut().zip(&board.last.servers) {
            server.bytes_before = seen.bytes;
        }
        board
    }

    /// What the user is to know in any case.
    pub(super) fn warn(&mut self, warnings: Vec<String>) {
        self.evidence.warnings = warnings;
    }

    fn look(&mut self) -> Gauges {
        Gauges {
            connected: self.connected_by_server(),
            servers: self.watches.iter_mut().map(Watch::look).collect(),
            load_cpu_micros: self.of_load(machine::cpu_micros),
        }
    }

    /// A figure of all processes of this tool; workers that have ended have none any more.
    fn of_load(&self, of: fn(u32) -> Option<u64>) -> Option<u64> {
        sum(self.load_pids.iter().filter_map(|pid| of(*pid)))
    }

    fn connected_by_server(&self) -> Vec<u64> {
        let mut sums = vec![0; self.watches.len()];
        for worker in self.connected.values() {
            for (sum, fans) in sums.iter_mut().zip(worker) {
                *sum += fans;
            }
        }
        sums
    }

    /// Fans who are connected now.
    pub(super) fn connected(&self) -> u64 {
        self.connected.values().flatten().sum()
    }

    /// What a worker told.
    pub(super) fn add(&mut self, worker: usize, second: &Second) {
        let connected = second.servers.iter().map(|server| server.connected);
        self.connected.insert(worker, connected.collect());
        let row = second.at_ns.saturating_sub(self.start_ns) / ROW_NS;
        let row = usize::try_from(row).unwrap_or(SECONDS_MAX).min(SECONDS_MAX);
        if self.rows.len() <= row {
            self.rows.resize_with(row + 1, Second::default);
        }
        if second.at_ns >= self.publish_from_ns {
            self.evidence.publishing.merge(second);
        }
        self.timeline.add(&second.changes);
        add_counts(&mut self.evidence.closes, &second.closes);
        self.rows[row].merge(second);
    }

    /// When the next row can be looked at.
    pub(super) fn next_tick_ns(&self) -> u64 {
        self.start_ns + (self.ticks + 1) * ROW_NS + TELL_NS
    }

    /// Looks at a row: what is to be told about it.
    pub(super) fn tick(&mut self) -> Option<String> {
        self.ticks += 1;
        let gauges = self.look();
        let row = usize::try_from(self.ticks).unwrap_or(SECONDS_MAX);
        self.gauges
            .resize(row.min(SECONDS_MAX) + 1, self.last.clone());
        if let Some(place) = self.gauges.last_mut() {
            place.clone_from(&gauges);
        }
        let of_row = row_gauges(&self.last, &gauges);
        self.last = gauges;
        Some(line(self.ticks, self.rows.get(row)?, &of_row))
    }

    pub(super) fn start_publishing(&mut self, from_ns: u64, until_ns: u64) {
        let gauges = self.look();
        self.ramp_over_ns = now_ns();
        self.publish_from_ns = from_ns;
        for (index, server) in self.evidence.servers.iter_mut().enumerate() {
            server.connected_at_begin = gauges.connected[index];
            server.cpu_at_begin = gauges.servers[index].cpu_micros;
            server.bytes_after = gauges.servers[index].bytes;
        }
        self.evidence.load_cpu_at_begin = gauges.load_cpu_micros;
        self.evidence.load_bytes = self.of_load(machine::resident_bytes);
        self.evidence.publish_millis = until_ns.saturating_sub(from_ns) / 1_000_000;
        self.mark(from_ns, "messages begin");
    }

    /// Messages end sooner than was planned.
    pub(super) fn end_publishing(&mut self, at_ns: u64) {
        self.evidence.publish_millis = at_ns.saturating_sub(self.publish_from_ns) / 1_000_000;
    }

    pub(super) fn drop_at(&mut self, at_ns: u64) {
        self.evidence.dropped_at_ns = Some(at_ns);
        self.mark(at_ns, "dropped");
    }

    pub(super) fn start_settling(&mut self, now_ns: u64) {
        self.mark(now_ns, "messages end");
    }

    fn mark(&mut self, at_ns: u64, label: &str) {
        let millis = at_ns.saturating_sub(self.start_ns) / 1_000_000;
        self.evidence.moments.push(Moment {
            millis,
            label: label.to_owned(),
        });
    }

    /// A worker's accounts.
    pub(super) fn settle(&mut self, settled: Settled) {
        self.evidence.balance.add(settled.balance);
        self.evidence.away += settled.away;
        self.evidence.last_back_ns = self.evidence.last_back_ns.max(settled.last_back_ns);
    }

    /// The run is over; the processes still live.
    pub(super) fn finish(&mut self) {
        let gauges = self.look();
        for (index, server) in self.evidence.servers.iter_mut().enumerate() {
            server.connected_at_end = gauges.connected[index];
            server.cpu_at_end = gauges.servers[index].cpu_micros;
            server.pids = self.watches[index].pids().to_vec();
        }
        self.evidence.load_cpu_micros = gauges.load_cpu_micros;
        self.evidence.ended_ns = now_ns();
    }

    /// Why fans could not connect.
    pub(super) fn failures_in_words(&self) -> String {
        let mut all = BTreeMap::new();
        for row in &self.rows {
            add_counts(&mut all, &row.failures);
        }
        let words: Vec<String> = all
            .iter()
            .map(|(reason, count)| format!("{count} x {reason}"))
            .collect();
        if words.is_empty() {
            "no attempt ended in time".to_owned()
        } else {
            words.join(", ")
        }
    }

    /// Everything, added up.
    pub(super) fn report(mut self, order: &Order, split: &Split) -> Report {
        let mut before = self.gauges.first().unwrap_or(&self.last);
        for (index, second) in self.rows.iter().enumerate() {
            let gauges = self.gauges.get(index).unwrap_or(&self.last);
            self.evidence
                .rows
                .push(Row::new(index, second, &row_gauges(before, gauges)));
            self.evidence.total.merge(second);
            before = gauges;
        }
        self.evidence.started_ns = self.start_ns;
        // Where fans come and go, or are cut, by design, there is nothing to be back from.
        if !matches!(order.scenario, Scenario::Churn | Scenario::SlowReaders) {
            self.evidence.falls = self.timeline.falls(change_step(self.ramp_over_ns));
        }
        Report::new(order, split, &self.evidence)
    }
}

/// What the processes did between two looks.
fn row_gauges(before: &Gauges, after: &Gauges) -> RowGauges {
    let percent = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?) / 10_000);
    RowGauges {
        connected: after.connected.clone(),
        server_cpu_percent: percent(before.server_cpu_micros(), after.server_cpu_micros()),
        load_cpu_percent: percent(before.load_cpu_micros, after.load_cpu_micros),
        server_bytes: after.server_bytes(),
    }
}

/// One line of progress.
fn line(second: u64, seen: &Second, gauges: &RowGauges) -> String {
    let mut delivery = seen.room.clone();
    delivery.merge(&seen.chat);
    let ms = |micros: u64| format!("{}.{}", micros / 1000, micros % 1000 / 100);
    let mut line = format!(
        "{second:>4} s  {:>7} connected{}  {:>9}/s delivered  p50 {:>7} ms  p99 {:>7} ms  gaps {}  generator {}%",
        gauges.connected.iter().sum::<u64>(),
        by_server(&gauges.connected),
        delivery.total(),
        ms(delivery.per_mille(500)),
        ms(delivery.per_mille(990)),
        seen.skipped,
        seen.busy / 10,
    );
    // Writing to a String cannot fail.
    if let Some(percent) = gauges.server_cpu_percent {
        let _ = write!(line, "  server {percent}% CPU");
    }
    for (code, count) in &seen.closes {
        let _ = write!(line, "  closed {code}: {count}");
    }
    for (reason, count) in &seen.failures {
        let _ = write!(line, "  {reason}: {count}");
    }
    line
}

/// How many fans each server has, when there are several, but not more than a line holds.
fn by_server(connected: &[u64]) -> String {
    if !(2..=SERVERS_SHOWN_MAX).contains(&connected.len()) {
        return String::new();
    }
    let fans: Vec<String> = connected.iter().map(u64::to_string).collect();
    format!(" ({})", fans.join(" + "))
}
