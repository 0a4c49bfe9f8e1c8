//! The report of a run: for machines as JSON, for people as one HTML page ([`html`]).
//!
//! Times are whole microseconds, and named so. What could not be measured is left out, never zero.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    Order,
    exchange::{Second, ViewerFigures},
    histogram::Histogram,
    ledger::Balance,
    split::Split,
};

mod chart;
mod evidence;
pub mod html;
mod machines;
mod verdict;

pub(crate) use evidence::{Evidence, RowGauges, ServerEvidence};
pub use machines::{Generator, PerServer, Server};
pub use verdict::Verdict;

/// A whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was done.
    pub run: Run,
    /// What to make of it.
    pub verdict: Verdict,
    /// Connecting.
    pub connect: Connecting,
    /// The lossless lane.
    pub lossless: Lossless,
    /// The lossy lane.
    pub lossy: Lossy,
    /// Messages, of either lane, that reached a fan of another room than the one they were sent into.
    pub strays: u64,
    /// Both lanes together, from the first message on.
    pub deliveries: Deliveries,
    /// The way back of the fans who were dropped or lost.
    pub returns: Returns,
    /// The HLS viewers, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewers: Option<Watching>,
    /// Connections that ended, by close code; 1006 is an end without a word.
    pub closes: BTreeMap<u16, u64>,
    /// This tool itself.
    pub generator: Generator,
    /// All servers' processes together, as far as they are on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Each server, in the order they were named.
    pub servers: Vec<PerServer>,
    /// What began when.
    pub moments: Vec<Moment>,
    /// Second by second.
    pub seconds: Vec<Row>,
}

/// What was done.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Version of this tool.
    pub version: &'static str,
    /// Name of the scenario.
    pub scenario: &'static str,
    /// Host and port; of several servers the first, and how many more.
    pub target: String,
    /// Whether each server was alone: senders of its own, and its fans stay with it.
    pub each_server_alone: bool,
    /// The form of the protocol that fans spoke.
    pub encoding: &'static str,
    /// Unix seconds.
    pub started_at: u64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Virtual fans.
    pub fans: u32,
    /// HLS viewers.
    pub viewers: u32,
    /// Rooms.
    pub rooms: usize,
    /// Connects per second in the ramp.
    pub connects_per_second: u32,
    /// Messages per second and room, lossless lane.
    pub room_rate: String,
    /// Messages per second and room, lossy lane.
    pub chat_rate: String,
    /// Length of a text.
    pub text_bytes: u16,
    /// The scenario's share of the fans.
    pub share_percent: u8,
    /// How long messages were sent, milliseconds.
    pub publish_ms: u64,
    /// How the load was split.
    pub split: String,
    /// Worker processes.
    pub workers: usize,
}

/// A distribution in a few numbers, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// Half are at most this.
    pub p50_us: u64,
    /// 90 % are.
    pub p90_us: u64,
    /// 99 % are.
    pub p99_us: u64,
    /// 99.9 % are.
    pub p999_us: u64,
    /// The largest.
    pub max_us: u64,
}

impl From<&Histogram> for Percentiles {
    fn from(histogram: &Histogram) -> Self {
        Self {
            count: histogram.total(),
            p50_us: histogram.per_mille(500),
            p90_us: histogram.per_mille(900),
            p99_us: histogram.per_mille(990),
            p999_us: histogram.per_mille(999),
            max_us: histogram.largest(),
        }
    }
}

/// Getting in.
#[derive(Debug, Clone, Serialize)]
pub struct Connecting {
    /// Fans who were there when messages began.
    pub connected: u64,
    /// From the intended time of the first attempt until subscribed.
    pub time: Percentiles,
    /// Attempts that failed, by reason.
    pub failures: BTreeMap<String, u64>,
}

/// What became of the messages that must not be lost.
#[derive(Debug, Clone, Serialize)]
pub struct Lossless {
    /// Messages sent.
    pub sent: u64,
    /// Those that the server took.
    pub accepted: u64,
    /// Those that it refused, by error code: nobody is owed them.
    pub refused: BTreeMap<u32, u64>,
    /// Those that were never answered, however often they were sent: they may have been taken, and nobody is owed them.
    pub unanswered: u64,
    /// What fans were owed, what they got, and what never came.
    #[serde(flatten)]
    pub balance: Balance,
    /// Messages that were skipped when a later one came; they may have come after all.
    pub gaps: u64,
    /// Messages that came after a later one.
    pub reorders: u64,
    /// Messages that came again.
    pub duplicates: u64,
    /// Messages that came with a recovery.
    pub recovered: u64,
    /// Recoveries that the server said were not whole.
    pub unrecovered: u64,
    /// From the intended send time until read by a fan, without recoveries.
    pub delivery: Percentiles,
    /// From the intended send time until the server's answer to the sender.
    pub answer: Percentiles,
}

/// What became of the chatter.
#[derive(Debug, Clone, Serialize)]
pub struct Lossy {
    /// Messages sent.
    pub sent: u64,
    /// Those that the server took.
    pub accepted: u64,
    /// Messages that no connected fan was there to send.
    pub unsent: u64,
    /// Messages that reached a fan, all fans together: what was shown.
    pub received: u64,
    /// Messages that were taken, and not shown to a fan who was there when messages began, all fans together. A server
    /// shows what people can read, and tells how many it left out.
    pub skipped: u64,
    /// Messages that the room told fans it left out, all fans together.
    pub more: u64,
    /// From the intended send time until read.
    pub delivery: Percentiles,
}

/// Both lanes.
#[derive(Debug, Clone, Serialize)]
pub struct Deliveries {
    /// From the first message until the end.
    pub total: u64,
    /// Per second of publishing, on average.
    pub per_second: u64,
    /// In the best second.
    pub best_second: u64,
    /// From the intended send time until read.
    pub time: Percentiles,
}

/// Coming back.
#[derive(Debug, Clone, Serialize)]
pub struct Returns {
    /// From the loss of the connection until subscribed again.
    pub time: Percentiles,
    /// From the moment in which all were dropped until the last one was back, milliseconds; left out when there was no
    /// such moment, or when somebody never came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_back_ms: Option<u64>,
    /// Fans who should be connected at the end, and are not.
    pub away: u64,
    /// Every time that more than 1 % of the fans were lost: a server was killed, or all were dropped.
    pub falls: Vec<Fall>,
}

/// More than 1 % of the fans were lost at about a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fall {
    /// When it was so many, milliseconds since the begin of the ramp.
    pub at_ms: u64,
    /// Fans who were connected before.
    pub fans: u64,
    /// Of these, most who were away at a time.
    pub lost: u64,
    /// How long it took until 99 % were connected again, at whichever server, milliseconds; left out when it never was so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearly_all_back_ms: Option<u64>,
    /// How long it took until as many as before were, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_back_ms: Option<u64>,
}

/// What the viewers saw.
#[derive(Debug, Clone, Serialize)]
pub struct Watching {
    /// Media playlists read.
    pub playlists: u64,
    /// Parts read.
    pub parts: u64,
    /// Bytes of media.
    pub bytes: u64,
    /// From a part's request until its last byte.
    pub part: Percentiles,
    /// From a playlist's request until its last byte; a blocking reload waits for its part.
    pub playlist: Percentiles,
    /// What went wrong, by reason.
    pub failures: BTreeMap<String, u64>,
}

impl From<&ViewerFigures> for Watching {
    fn from(figures: &ViewerFigures) -> Self {
        Self {
            playlists: figures.playlists,
            parts: figures.parts,
            bytes: figures.bytes,
            part: (&figures.part).into(),
            playlist: (&figures.playlist).into(),
            failures: figures.failures.clone(),
        }
    }
}

/// Something that began.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// Since the begin of the ramp.
    pub millis: u64,
    /// What.
    pub label: String,
}

/// One second.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// Seconds since the begin of the ramp, at its end.
    pub second: usize,
    /// Fans connected.
    pub connected: u64,
    /// The same by server.
    pub connected_by_server: Vec<u64>,
    /// Fans who were subscribed in it, first or again.
    pub connects: u64,
    /// How long they took.
    pub connect_p50_us: u64,
    /// How long they took.
    pub connect_p99_us: u64,
    /// Messages that reached fans.
    pub deliveries: u64,
    /// Their way.
    pub p50_us: u64,
    /// Their way.
    pub p99_us: u64,
    /// Their way in the lossless lane; 0 when there were none.
    pub lossless_p50_us: u64,
    /// Their way in the lossless lane.
    pub lossless_p99_us: u64,
    /// Their way in the lossy lane; 0 when there were none.
    pub lossy_p50_us: u64,
    /// Their way in the lossy lane.
    pub lossy_p99_us: u64,
    /// Lossless messages that were skipped.
    pub gaps: u64,
    /// Connections that ended, by close code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub closes: BTreeMap<u16, u64>,
    /// The busiest worker.
    pub busy_percent: u32,
    /// How late messages were sent.
    pub lag_p99_us: u64,
    /// Processor use of the server, percent of one processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_percent: Option<u64>,
    /// Processor use of this tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_cpu_percent: Option<u64>,
    /// Memory of the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_bytes: Option<u64>,
}

impl Row {
    pub(crate) fn new(second: usize, seen: &Second, gauges: &RowGauges) -> Self {
        let mut connects = seen.connect.clone();
        connects.merge(&seen.back);
        let mut delivery = seen.room.clone();
        delivery.merge(&seen.chat);
        Self {
            second,
            connected: gauges.connected.iter().sum(),
            connected_by_server: gauges.connected.clone(),
            connects: connects.total(),
            connect_p50_us: connects.per_mille(500),
            connect_p99_us: connects.per_mille(990),
            deliveries: delivery.total(),
            p50_us: delivery.per_mille(500),
            p99_us: delivery.per_mille(990),
            lossless_p50_us: seen.room.per_mille(500),
            lossless_p99_us: seen.room.per_mille(990),
            lossy_p50_us: seen.chat.per_mille(500),
            lossy_p99_us: seen.chat.per_mille(990),
            gaps: seen.skipped,
            closes: seen.closes.clone(),
            busy_percent: seen.busy / 10,
            lag_p99_us: seen.lag.per_mille(990),
            server_cpu_percent: gauges.server_cpu_percent,
            load_cpu_percent: gauges.load_cpu_percent,
            server_bytes: gauges.server_bytes,
        }
    }
}

impl Report {
    /// The whole report as JSON.
    ///
    /// # Panics
    ///
    /// Never: it is made of numbers and texts.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report of numbers and texts is always JSON")
    }

    /// The whole report as a page that needs nothing else.
    #[must_use]
    pub fn to_html(&self) -> String {
        html::page(self)
    }

    pub(crate) fn new(order: &Order, split: &Split, evidence: &Evidence) -> Self {
        evidence::report(order, split, evidence)
    }
}
