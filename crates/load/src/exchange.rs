//! What coordinator and workers say to each other: one JSON object per line, over the pipes of the worker.
//!
//! ```text
//! coordinator                     worker
//!   Begin ------------------------> connects its fans, at the ramp's rate
//!         <------------------------ Second, once a second from now on
//!   Publish, Drop ----------------> sends its messages; drops its share
//!         <------------------------ Published: what its senders sent
//!   End, if the user will not wait > sends nothing more
//!   Settle (all feeds) -----------> waits until its fans have everything
//!         <------------------------ Settled: the accounts
//!   Finish, or a closed pipe -----> ends
//! ```

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read, Write},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    clock::change_step, histogram::Histogram, ledger::Balance, limits::LINE_BYTES_MAX,
    order::Credentials, order::Order, split::Part,
};

/// From the coordinator. Times are Unix nanoseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToWorker {
    /// The first line: everything there is to know.
    Begin(Box<Assignment>),
    /// Send messages from then until then.
    Publish { from_ns: u64, until_ns: u64 },
    /// Drop the chosen fans then.
    Drop { at_ns: u64 },
    /// Send nothing more from then on: the user has seen enough.
    End { at_ns: u64 },
    /// No more messages are sent: wait until all have come, but no longer than until then.
    Settle {
        feeds: Vec<FeedTotal>,
        until_ns: u64,
    },
    /// Leave.
    Finish,
}

/// A worker's task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) order: Order,
    pub(crate) credentials: Credentials,
    pub(crate) part: Part,
    /// Which worker this is, counted from 0.
    pub(crate) index: u32,
    /// How many there are.
    pub(crate) workers: u32,
    /// When the ramp begins.
    pub(crate) at_ns: u64,
}

/// From a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromWorker {
    /// What happened since the last one.
    Second(Box<Second>),
    /// All messages are sent and answered, or given up.
    Published(Vec<FeedTotal>),
    /// The accounts of its fans.
    Settled(Settled),
    /// The worker cannot go on.
    Fault(String),
}

/// What one sender has sent into the lossless lane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedTotal {
    pub(crate) feed: u32,
    /// Messages sent, numbered from 0.
    pub(crate) sent: u32,
    /// The numbers of those that the server refused, sorted.
    pub(crate) refused: Vec<u32>,
}

/// The end of a worker's story.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Settled {
    pub(crate) balance: Balance,
    /// When the last dropped fan was back.
    pub(crate) last_back_ns: u64,
    /// Fans who should be connected and are not.
    pub(crate) away: u64,
}

/// What happened in about a second; everything but the gauges is what is new.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Second {
    /// When it was told.
    pub(crate) at_ns: u64,
    /// Gauge: fans who are connected and subscribed, wherever that is.
    pub(crate) connected: u64,
    /// From the intended time of a first connect until subscribed.
    pub(crate) connect: Histogram,
    /// From a drop until subscribed again.
    pub(crate) back: Histogram,
    /// From the intended send time until read, lossless lane.
    pub(crate) room: Histogram,
    /// The same of the lossy lane.
    pub(crate) chat: Histogram,
    /// Messages that came with a recovery, not by delivery.
    pub(crate) recovered: u64,
    /// What the lossy lane said it left out.
    pub(crate) more: u64,
    /// Messages of the lossless lane that were skipped, came late, came twice.
    pub(crate) skipped: u64,
    pub(crate) late: u64,
    pub(crate) duplicates: u64,
    /// Messages, of either lane, that were another room's.
    pub(crate) strays: u64,
    /// Recoveries that the server said were not whole.
    pub(crate) unrecovered: u64,
    /// Connections that ended, by close code.
    pub(crate) closes: BTreeMap<u16, u64>,
    /// Attempts to connect that failed, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Messages taken by the server, by lane, and those that were refused, by error code.
    pub(crate) sent_room: u64,
    pub(crate) accepted_room: u64,
    pub(crate) sent_chat: u64,
    pub(crate) accepted_chat: u64,
    pub(crate) refused: BTreeMap<u32, u64>,
    /// Those of the lossless lane among them.
    pub(crate) refused_room: BTreeMap<u32, u64>,
    /// Messages of the lossless lane that were given up without an answer.
    pub(crate) unanswered_room: u64,
    /// Messages of the lossy lane that nobody was there to send.
    pub(crate) unsent_chat: u64,
    /// From the intended send time until the server's answer, lossless lane.
    pub(crate) answer: Histogram,
    /// How late the publishers were.
    pub(crate) lag: Histogram,
    /// Share of the time in which the worker did not wait, per mille.
    pub(crate) busy: u32,
    /// Bytes read from all sockets.
    pub(crate) bytes: u64,
    pub(crate) viewers: ViewerFigures,
    /// The same by server, as far as it is told: one for each.
    pub(crate) servers: Vec<ServerSecond>,
    /// Arrivals less departures of fans, by the step of Unix time in which they happened. Not added up with another's.
    pub(crate) changes: Vec<(u64, i64)>,
}

/// What happened at one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerSecond {
    /// Gauge: fans who are connected there and subscribed.
    pub(crate) connected: u64,
    /// Messages that it delivered to fans, both lanes.
    pub(crate) deliveries: u64,
    /// Connections that ended there, by close code.
    pub(crate) closes: BTreeMap<u16, u64>,
    /// Attempts to connect there that failed.
    pub(crate) failures: u64,
}

/// What the HLS viewers saw.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ViewerFigures {
    /// Media playlists read.
    pub(crate) playlists: u64,
    /// Parts read.
    pub(crate) parts: u64,
    /// Bytes of parts and segments.
    pub(crate) bytes: u64,
    /// From the request of a part until its last byte.
    pub(crate) part: Histogram,
    /// From the request of a playlist until its last byte: a blocking reload waits for its part.
    pub(crate) playlist: Histogram,
    /// What went wrong, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
}

/// Adds one map of counts to another.
pub(crate) fn add_counts<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}

impl ViewerFigures {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.playlists += other.playlists;
        self.parts += other.parts;
        self.bytes += other.bytes;
        self.part.merge(&other.part);
        self.playlist.merge(&other.playlist);
        add_counts(&mut self.failures, &other.failures);
    }
}

impl ServerSecond {
    fn merge(&mut self, other: &Self) {
        self.connected = self.connected.max(other.connected);
        self.deliveries += other.deliveries;
        add_counts(&mut self.closes, &other.closes);
        self.failures += other.failures;
    }
}

impl Second {
    /// Nothing yet, of so many servers.
    pub(crate) fn of_servers(count: usize) -> Self {
        Self {
            servers: vec![ServerSecond::default(); count],
            ..Self::default()
        }
    }

    /// So many fans arrived now, or left.
    pub(crate) fn count_change(&mut self, at_ns: u64, fans: i64) {
        let step = change_step(at_ns);
        match self.changes.last_mut() {
            Some((last, change)) if *last == step => *change += fans,
            _ => self.changes.push((step, fans)),
        }
    }

    /// Adds what another worker, or a later second, saw; of the gauges the higher one stays.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.at_ns = self.at_ns.max(other.at_ns);
        self.connected = self.connected.max(other.connected);
        self.connect.merge(&other.connect);
        self.back.merge(&other.back);
        self.room.merge(&other.room);
        self.chat.merge(&other.chat);
        self.recovered += other.recovered;
        self.more += other.more;
        self.skipped += other.skipped;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.strays += other.strays;
        self.unrecovered += other.unrecovered;
        add_counts(&mut self.closes, &other.closes);
        add_counts(&mut self.failures, &other.failures);
        self.sent_room += other.sent_room;
        self.accepted_room += other.accepted_room;
        self.sent_chat += other.sent_chat;
        self.accepted_chat += other.accepted_chat;
        add_counts(&mut self.refused, &other.refused);
        add_counts(&mut self.refused_room, &other.refused_room);
        self.unanswered_room += other.unanswered_room;
        self.unsent_chat += other.unsent_chat;
        self.answer.merge(&other.answer);
        self.lag.merge(&other.lag);
        self.busy = self.busy.max(other.busy);
        self.bytes += other.bytes;
        self.viewers.merge(&other.viewers);
        if self.servers.len() < other.servers.len() {
            self.servers
                .resize_with(other.servers.len(), ServerSecond::default);
        }
        for (server, others) in self.servers.iter_mut().zip(&other.servers) {
            server.merge(others);
        }
    }
}

/// Writes one line and flushes it.
pub(crate) fn write_line(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// Reads one line; `None` when the other side is gone.
pub(crate) fn read_line<T: DeserializeOwned>(input: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let limit = LINE_BYTES_MAX as u64;
    input.take(limit).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_added_up_one_by_one() {
        let mut sum = Second::default();
        for (connected, deliveries) in [(5, 20), (3, 10)] {
            let mut second = Second::of_servers(2);
            second.servers[1] = ServerSecond {
                connected,
                deliveries,
                closes: BTreeMap::from([(1006, 1)]),
                failures: 2,
            };
            sum.merge(&second);
        }
        let whole = ServerSecond {
            connected: 5,
            deliveries: 30,
            closes: BTreeMap::from([(1006, 2)]),
            failures: 4,
        };
        assert_eq!(sum.servers, [ServerSecond::default(), whole]);
    }

    #[test]
    fn arrivals_and_departures_of_a_step_are_one_change() {
        let mut second = Second::default();
        for (at_ns, fans) in [(1, 1), (2, 1), (3, -1), (100_000_001, 1)] {
            second.count_change(at_ns, fans);
        }
        assert_eq!(second.changes, [(0, 1), (1, 1)]);
    }

    #[test]
    fn what_is_said_is_heard() {
        let mut pipe = Vec::new();
        let mut second = Second {
            connected: 7,
            busy: 12,
            ..Second::default()
        };
        second.room.record(250);
        second.closes.insert(3008, 2);
        write_line(&mut pipe, &FromWorker::Second(Box::new(second))).unwrap();
        write_line(&mut pipe, &FromWorker::Fault("out of ports".into())).unwrap();
        let mut input = pipe.as_slice();
        let heard: Option<FromWorker> = read_line(&mut input).unwrap();
        let Some(FromWorker::Second(heard)) = heard else {
            panic!("a second was sent")
        };
        assert_eq!(
            (heard.connected, heard.room.total(), heard.closes[&3008]),
            (7, 1, 2)
        );
        assert!(matches!(
            read_line(&mut input).unwrap(),
            Some(FromWorker::Fault(_))
        ));
        assert!(read_line::<FromWorker>(&mut input).unwrap().is_none());
    }
}
