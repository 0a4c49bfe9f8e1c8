//! The conversation with whoever runs the benchmark: one JSON object a line in, exactly one out for each.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::tally::Latency;

/// What the crowd is told.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// More fans come, as fast as the server takes them.
    Connect(Connect),
    /// Nothing happens for a while, but pings are answered.
    Idle {
        /// For how long.
        seconds: f64,
    },
    /// Messages are published on schedule.
    Publish(Publish),
    /// The first so many fans read no more.
    Stall {
        /// How many.
        count: usize,
    },
    /// Those who do not read do so again, for some seconds.
    Resume {
        /// For how long.
        seconds: f64,
    },
}

/// See [`Command::Connect`].
#[derive(Debug, Deserialize)]
pub struct Connect {
    /// How many.
    pub count: usize,
    /// How many at once may be on their way into the room.
    pub in_flight: usize,
    /// Whether they stop at the open WebSocket instead of joining the room.
    #[serde(default)]
    pub only_upgrade: bool,
    /// Their kernel receive buffer, where it is not the default.
    pub receive_bytes: Option<usize>,
    /// Longest wait for all of them.
    pub deadline_s: f64,
}

/// See [`Command::Publish`].
#[derive(Debug, Deserialize)]
pub struct Publish {
    /// Messages a second.
    pub per_second: f64,
    /// How many messages.
    pub count: u64,
    /// Bytes of each.
    pub bytes: usize,
    /// How long the fans may take to have everything after the last message.
    pub grace_s: f64,
    /// So many fans lose their connections one second into the phase, and come back by the client library's backoff.
    #[serde(default)]
    pub drop: usize,
}

/// What a phase cost the server.
#[derive(Debug, Default, Serialize)]
pub struct Cost {
    /// CPU seconds of the server.
    pub server_cpu_s: f64,
    /// Seconds in which a thread of the server was ready to run and somebody else had the core: a run on a machine that is
    /// not its own shows it here.
    pub server_wait_s: f64,
    /// CPU seconds of the crowd.
    pub crowd_cpu_s: f64,
    /// How long it took.
    pub seconds: f64,
    /// The server's resident bytes before.
    pub resident_before: u64,
    /// The server's resident bytes after.
    pub resident_after: u64,
}

/// What the crowd answers.
#[derive(Debug, Serialize)]
#[serde(tag = "done", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Command::Connect`].
    Connect {
        /// Fans who came in, upon this command.
        came: usize,
        /// Fans in the room now.
        ready: usize,
        /// Attempts that failed, by the HTTP status or 0; they were made again.
        failed: BTreeMap<u16, u64>,
        /// Its cost.
        #[serde(flatten)]
        cost: Cost,
    },
    /// To [`Command::Publish`].
    Publish(Box<Published>),
    /// To all others.
    Others {
        /// Fans in the room now.
        ready: usize,
        /// Connections the server ended, by close code.
        closed: BTreeMap<u16, u64>,
        /// Its cost.
        #[serde(flatten)]
        cost: Cost,
    },
}

/// See [`Answer::Publish`].
#[derive(Debug, Serialize)]
pub struct Published {
    /// Messages that were published.
    pub sent: u64,
    /// Messages that the server refused.
    pub refused: u64,
    /// By how much the crowd was late with a message, at worst.
    pub late_ms: f64,
    /// Fans who were to receive them.
    pub readers: u64,
    /// Deliveries that there should be of what was not refused.
    pub expected: u64,
    /// Different deliveries that there were.
    pub received: u64,
    /// Deliveries a second between the first second and the last message, those of earlier phases included.
    pub steady_per_s: f64,
    /// The same, as a share of what was offered.
    pub steady_share: f64,
    /// Deliveries per CPU second of the server.
    pub per_cpu_s: f64,
    /// Messages that came after a newer one.
    pub out_of_order: u64,
    /// Messages that came again.
    pub duplicates: u64,
    /// Messages of another room.
    pub strangers: u64,
    /// Gaps that were open when a newer message came.
    pub skipped: u64,
    /// Bytes received per delivery, protocol and frames included.
    pub bytes_per_delivery: f64,
    /// Reads that brought them.
    pub reads: u64,
    /// Connections the server ended, by close code.
    pub closed: BTreeMap<u16, u64>,
    /// Latency of the fans who stayed.
    pub latency: Latency,
    /// The fans who were dropped.
    pub returned: Option<Returned>,
    /// Its cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// What became of the fans who were dropped.
#[derive(Debug, Serialize)]
pub struct Returned {
    /// How many were.
    pub dropped: usize,
    /// How many are back.
    pub back: usize,
    /// Attempts that failed, by HTTP status or 0.
    pub failed: BTreeMap<u16, u64>,
    /// How long after the drop they were back in the room.
    pub back_after: Latency,
    /// When the last one was back, seconds after the drop.
    pub last_back_s: f64,
    /// How late they got what they missed.
    pub latency: Latency,
}
