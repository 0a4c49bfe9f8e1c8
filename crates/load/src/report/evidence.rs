//! From what was counted to what is told.

use std::collections::BTreeMap;

use super::{
    Connecting, Deliveries, Generator, Lossless, Lossy, Moment, Report, Returns, Row, Run, Server,
    Verdict, Watching,
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
    pub(crate) connected_at_begin: u64,
    pub(crate) balance: Balance,
    /// All seconds together.
    pub(crate) total: Second,
    /// Those from the first message on.
    pub(crate) publishing: Second,
    pub(crate) closes: BTreeMap<u16, u64>,
    pub(crate) rows: Vec<Row>,
    pub(crate) moments: Vec<Moment>,
    pub(crate) server_pids: Vec<u32>,
    pub(crate) server_cpu_at_begin: Option<u64>,
    pub(crate) server_cpu_at_end: Option<u64>,
    pub(crate) load_cpu_micros: Option<u64>,
    pub(crate) server_bytes_before: Option<u64>,
    pub(crate) server_bytes_after: Option<u64>,
}

/// What `/proc` said about one second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RowGauges {
    pub(crate) connected: u64,
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
            connected: evidence.connected_at_begin,
            time: (&total.connect).into(),
            failures: total.failures.clone(),
        },
        lossless: lossless(evidence),
        lossy: Lossy {
            sent: total.sent_chat,
            accepted: total.accepted_chat,
            unsent: total.unsent_chat,
            received: total.chat.total(),
            more: total.more,
            delivery: (&total.chat).into(),
        },
        deliveries: deliveries(evidence),
        returns: returns(evidence),
        viewers: (order.viewers > 0).then(|| Watching::from(&total.viewers)),
        closes: evidence.closes.clone(),
        generator: generator(evidence),
        server: server(evidence),
        moments: evidence.moments.clone(),
        seconds: evidence.rows.clone(),
    };
    report.verdict = Verdict::of(&report, &total.refused);
    report
}

fn run(order: &Order, split: &Split, evidence: &Evidence) -> Run {
    Run {
        version: env!("CARGO_PKG_VERSION"),
        scenario: order.scenario.name(),
        target: order.target.chat.host.clone(),
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
    }
}

fn generator(evidence: &Evidence) -> Generator {
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
    Generator {
        busy_percent,
        busiest_percent,
        ramp_busy_percent,
        lag: (&evidence.total.lag).into(),
        cpu_ms: evidence.load_cpu_micros.map(|micros| micros / 1_000),
    }
}

fn server(evidence: &Evidence) -> Option<Server> {
    let cpu_micros = evidence
        .server_cpu_at_end?
        .checked_sub(evidence.server_cpu_at_begin?)?;
    let deliveries = evidence.publishing.room.total() + evidence.publishing.chat.total();
    let (before, after) = (evidence.server_bytes_before, evidence.server_bytes_after);
    let per_connection = |grown: u64| grown.checked_div(evidence.connected_at_begin);
    Some(Server {
        pids: evidence.server_pids.clone(),
        cpu_ms: cpu_micros / 1_000,
        deliveries_per_cpu_second: (deliveries * 1_000_000).checked_div(cpu_micros),
        cpu_ms_per_million: (cpu_micros * 1_000).checked_div(deliveries),
        resident_bytes: before.zip(after),
        bytes_per_connection: before
            .zip(after)
            .and_then(|(before, after)| after.checked_sub(before))
            .and_then(per_connection),
    })
}
