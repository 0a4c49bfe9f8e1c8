//! From what was counted to what is told.

use std::collections::BTreeMap;

use super::{
    Connecting, Deliveries, Fall, Lossless, Lossy, Moment, Report, Returns, Row, Run, Verdict,
    Watching, machines,
};
use crate::{Order, exchange::Second, ledger::Balance, split::Split};

/// Everything that was counted in a run.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) started_ns: u64,
    pub(crate) ended_ns: u64,
    pub(crate) publish_millis: u64,
    pub(crate) dropped_at_ns: Option<u64>,
    pub(crate) last_back_ns: u64,
    pub(crate) away: u64,
    pub(crate) balance: Balance,
    /// All seconds together.
    pub(crate) total: Second,
    /// Those from the first message on.
    pub(crate) publishing: Second,
    pub(crate) closes: BTreeMap<u16, u64>,
    pub(crate) falls: Vec<Fall>,
    pub(crate) rows: Vec<Row>,
    pub(crate) moments: Vec<Moment>,
    /// One for each server.
    pub(crate) servers: Vec<ServerEvidence>,
    pub(crate) load_cpu_at_begin: Option<u64>,
    pub(crate) load_cpu_micros: Option<u64>,
    /// This tool's own memory when messages began.
    pub(crate) load_bytes: Option<u64>,
    /// What was found out before the run, and stands in the notes.
    pub(crate) warnings: Vec<String>,
}

impl Evidence {
    /// Fans who were there when messages began.
    pub(super) fn connected_at_begin(&self) -> u64 {
        let connected = self.servers.iter().map(|server| server.connected_at_begin);
        connected.sum()
    }
}

/// What is known of one server but for what fans saw of it; "begin" is when messages began.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerEvidence {
    pub(crate) pids: Vec<u32>,
    pub(crate) connected_at_begin: u64,
    pub(crate) connected_at_end: u64,
    pub(crate) cpu_at_begin: Option<u64>,
    pub(crate) cpu_at_end: Option<u64>,
    /// Before the ramp.
    pub(crate) bytes_before: Option<u64>,
    /// After it.
    pub(crate) bytes_after: Option<u64>,
}

/// What `/proc` said about one second.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowGauges {
    /// By server.
    pub(crate) connected: Vec<u64>,
    pub(crate) server_cpu_percent: Option<u64>,
    pub(crate) load_cpu_percent: Option<u64>,
    pub(crate) server_bytes: Option<u64>,
}

pub(super) fn report(order: &Order, split: &Split, evidence: &Evidence) -> Report {
    let total = &evidence.total;
    let mut report = Report {
        run: run(order, split, evidence),
        verdict: Verdict::default(),
        connect: Connecting {
            connected: evidence.connected_at_begin(),
            time: (&total.connect).into(),
            failures: total.failures.clone(),
        },
        lossless: lossless(evidence),
        lossy: lossy(order, evidence),
        strays: total.strays,
        deliveries: deliveries(evidence),
        returns: returns(evidence),
        viewers: (order.viewers > 0).then(|| Watching::from(&total.viewers)),
        closes: evidence.closes.clone(),
        generator: machines::generator(evidence),
        server: machines::server(evidence),
        servers: machines::per_server(order, evidence),
        moments: evidence.moments.clone(),
        seconds: evidence.rows.clone(),
    };
    report.verdict = Verdict::of(&report, &total.refused);
    report.verdict.notes.extend(evidence.warnings.clone());
    report
}

fn run(order: &Order, split: &Split, evidence: &Evidence) -> Run {
    Run {
        version: env!("CARGO_PKG_VERSION"),
        scenario: order.scenario.name(),
        target: order.names(),
        each_server_alone: order.alone,
        encoding: order.encoding.name(),
        started_at: evidence.started_ns / 1_000_000_000,
        took_ms: evidence.ended_ns.saturating_sub(evidence.started_ns) / 1_000_000,
        fans: order.fans,
        viewers: order.viewers,
        rooms: order.rooms.len(),
        connects_per_second: order.connects_per_second,
        room_rate: order.room_rate.to_string(),
        chat_rate: order.chat_rate.to_string(),
        text_bytes: order.text_bytes,
        share_percent: order.share_percent,
        publish_ms: evidence.publish_millis,
        split: split.to_string(),
        workers: split.workers(),
    }
}

fn lossless(evidence: &Evidence) -> Lossless {
    let total = &evidence.total;
    Lossless {
        sent: total.sent_room,
        accepted: total.accepted_room,
        refused: total.refused_room.clone(),
        unanswered: total.unanswered_room,
        balance: evidence.balance,
        gaps: total.skipped,
        reorders: total.late,
        duplicates: total.duplicates,
        recovered: total.recovered,
        unrecovered: total.unrecovered,
        delivery: (&total.room).into(),
        answer: (&total.answer).into(),
    }
}

fn lossy(order: &Order, evidence: &Evidence) -> Lossy {
    let total = &evidence.total;
    let received = total.chat.total();
    // Every feed has its share of the fans, and is sent as many messages as any other.
    let possible = total.accepted_chat * evidence.connected_at_begin() / u64::from(order.feeds());
    Lossy {
        sent: total.sent_chat,
        accepted: total.accepted_chat,
        unsent: total.unsent_chat,
        received,
        skipped: possible.saturating_sub(received),
        more: total.more,
        delivery: (&total.chat).into(),
    }
}

fn deliveries(evidence: &Evidence) -> Deliveries {
    let seen = &evidence.publishing;
    let mut time = seen.room.clone();
    time.merge(&seen.chat);
    let per_second = (time.total() * 1_000).checked_div(evidence.publish_millis);
    Deliveries {
        total: time.total(),
        per_second: per_second.unwrap_or(0),
        best_second: evidence
            .rows
            .iter()
            .map(|row| row.deliveries)
            .max()
            .unwrap_or(0),
        time: (&time).into(),
    }
}

fn returns(evidence: &Evidence) -> Returns {
    let all_back = evidence.dropped_at_ns.filter(|_| evidence.away == 0);
    let back_ns = |dropped: u64| evidence.last_back_ns.checked_sub(dropped);
    Returns {
        time: (&evidence.total.back).into(),
        all_back_ms: all_back.and_then(back_ns).map(|nanos| nanos / 1_000_000),
        away: evidence.away,
        falls: evidence.falls.clone(),
    }
}
