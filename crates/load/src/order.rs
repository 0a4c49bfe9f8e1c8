//! What the user ordered: how many fans do what, to whom, for how long.

use std::{fmt, path::PathBuf, time::Duration};

use fanwave_wire::RoomId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Encoding, Target, limits};

/// What the fans do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scenario {
    /// Connect at a rate, and stay.
    Ramp,
    /// Everybody in one room, which is spoken into.
    MegaRoom,
    /// Everybody spread over many rooms, which are all spoken into.
    ManyRooms,
    /// A mega-room whose fans are dropped at once and come back by the SDK's backoff.
    Storm,
    /// A mega-room in which a share of the fans never reads.
    SlowReaders,
    /// A mega-room in which a share of the fans drops and returns over and over, as phones do.
    Churn,
    /// A mega-room beside viewers who follow the live playlist.
    Mixed,
}

impl Scenario {
    /// The name, as it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::MegaRoom => "mega-room",
            Self::ManyRooms => "many-rooms",
            Self::Storm => "storm",
            Self::SlowReaders => "slow-readers",
            Self::Churn => "churn",
            Self::Mixed => "mixed",
        }
    }
}

/// Messages per second, in thousandths, so that schedules are whole numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Messages per 1,000 seconds.
    pub milli: u32,
}

impl Rate {
    /// How long after its begin a schedule's message of this number is due, nanoseconds; `None`: nothing is ever due.
    #[must_use]
    pub fn due_after_ns(self, number: u64) -> Option<u64> {
        let nanos = u128::from(number) * 1_000_000_000_000_u128;
        u64::try_from(nanos.checked_div(u128::from(self.milli))?).ok()
    }

    /// Whether anything is sent at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.milli == 0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.milli / 1000, self.milli % 1000);
        match rest {
            0 => write!(f, "{whole}"),
            rest => f.write_str(format!("{whole}.{rest:03}").trim_end_matches('0')),
        }
    }
}

/// A whole run, but for its secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// What the fans do.
    pub scenario: Scenario,
    /// To whom; fans are dealt out to them in turn.
    pub servers: Vec<Target>,
    /// The servers share nothing: each has senders of its own, and keeps its fans.
    pub alone: bool,
    /// Certificates to trust over TLS; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// In which form of the protocol.
    pub encoding: Encoding,
    /// The rooms; fans are dealt out to them in turn.
    #[serde(with = "room_ids")]
    pub rooms: Vec<RoomId>,
    /// Virtual fans, all workers together.
    pub fans: u32,
    /// HLS viewers, all workers together; they watch the first room.
    pub viewers: u32,
    /// Fans who connect per second while the ramp lasts.
    pub connects_per_second: u32,
    /// Messages per second and room in the lossless lane.
    pub room_rate: Rate,
    /// Messages per second and room in the lossy lane.
    pub chat_rate: Rate,
    /// Length of a message's text.
    pub text_bytes: u16,
    /// Percent of the fans who are dropped, never read, or come and go, as the scenario has it.
    pub share_percent: u8,
    /// How long messages are sent, after the ramp.
    pub duration: Duration,
    /// How long a phone stays connected in `churn`, on average.
    pub stay: Duration,
    /// How much later than announced a ping of the server may come before a connection is given up.
    pub ping_delay: Duration,
    /// Tag of this run's messages.
    pub run: u32,
    /// Seed of all jitter.
    pub seed: u64,
}

/// Why an order cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OrderError {
    /// A number out of its bounds.
    #[error("{what} must be {least} to {most}, not {value}")]
    Bounds {
        /// Which.
        what: &'static str,
        /// Smallest.
        least: u64,
        /// Largest.
        most: u64,
        /// What was asked for.
        value: u64,
    },
    /// Viewers do not speak TLS.
    #[error(
        "viewers follow playlists without TLS: name the port where they are so with --http http://HOST:PORT, or ask for \
         --viewers 0"
    )]
    ViewersOverTls,
}

impl Order {
    /// Checks all numbers.
    ///
    /// # Errors
    ///
    /// [`OrderError::Bounds`] names the first that is out of its bounds; [`OrderError::ViewersOverTls`].
    pub fn check(&self) -> Result<(), OrderError> {
        for (what, least, most, value) in self.bounds() {
            if !(least..=most).contains(&value) {
                return Err(OrderError::Bounds {
                    what,
                    least,
                    most,
                    value,
                });
            }
        }
        if self.viewers > 0 && self.servers.iter().any(|server| server.http.tls) {
            return Err(OrderError::ViewersOverTls);
        }
        Ok(())
    }

    /// Whether anything is spoken over TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.servers
            .iter()
            .any(|server| server.chat.tls || server.http.tls)
    }

    /// Every number with its name, its least and its most.
    fn bounds(&self) -> [(&'static str, u64, u64, u64); 12] {
        let (seconds, rates) = (limits::DURATION_MAX.as_secs(), 100_000);
        let wide = |number: u32| u64::from(number);
        let (servers, feeds) = (self.servers.len() as u64, self.feeds_in_all());
        let text = wide(self.text_bytes.into());
        let share = wide(self.share_percent.into());
        let connects = wide(self.connects_per_second);
        let (room, chat) = (self.room_rate.milli / 1_000, self.chat_rate.milli / 1_000);
        [
            (
                "the number of fans",
                1,
                wide(limits::FANS_MAX),
                wide(self.fans),
            ),
            (
                "the number of viewers",
                0,
                wide(limits::VIEWERS_MAX),
                wide(self.viewers),
            ),
            (
                "the number of servers",
                1,
                wide(limits::SERVERS_MAX),
                servers,
            ),
            ("the number of rooms", 1, wide(limits::ROOMS_MAX), feeds),
            ("connects per second", 1, 1_000_000, connects),
            (
                "the text's bytes",
                60,
                u64::from(limits::TEXT_BYTES_MAX),
                text,
            ),
            ("the share in percent", 0, 100, share),
            (
                "the duration in seconds",
                1,
                seconds,
                self.duration.as_secs(),
            ),
            ("the stay in seconds", 1, seconds, self.stay.as_secs()),
            (
                "the delay of a ping in seconds",
                0,
                seconds,
                self.ping_delay.as_secs(),
            ),
            ("messages per second and room", 0, rates, wide(room)),
            ("chat messages per second and room", 0, rates, wide(chat)),
        ]
    }

    fn feeds_in_all(&self) -> u64 {
        let servers = if self.alone { self.servers.len() } else { 1 };
        self.rooms.len() as u64 * servers as u64
    }

    /// How many feeds there are.
    ///
    /// A feed is what one sender says in one line of numbered messages: a room's, wherever its fans are connected; but a
    /// room's on one server when each server is alone.
    #[must_use]
    pub fn feeds(&self) -> u32 {
        u32::try_from(self.feeds_in_all())
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// The feed of a fan, counted over all workers. Fans are dealt out to the rooms in turn, and those of a room to the
    /// servers: every server has its share of every room.
    #[must_use]
    pub fn feed_of(&self, fan: u32) -> u32 {
        fan % self.feeds()
    }

    /// The room of a feed.
    #[must_use]
    pub fn room_of_feed(&self, feed: u32) -> u32 {
        feed % count(self.rooms.len())
    }

    /// The server that a fan connects to first.
    #[must_use]
    pub fn server_of(&self, fan: u32) -> u16 {
        self.nth_server(fan / count(self.rooms.len()))
    }

    /// The server that a feed's sender connects to first.
    #[must_use]
    pub fn server_of_feed(&self, feed: u32) -> u16 {
        if self.alone {
            self.nth_server(feed / count(self.rooms.len()))
        } else {
            self.nth_server(feed)
        }
    }

    /// How many other servers somebody may go to who was lost by one, or refused.
    #[must_use]
    pub fn other_servers(&self) -> u32 {
        if self.alone {
            0
        } else {
            count(self.servers.len()) - 1
        }
    }

    /// The one of those that a number below their count stands for. All of a server's fans at the next in the list would be
    /// twice what that one has.
    #[must_use]
    pub fn server_after(&self, server: u16, other: u32) -> u16 {
        match self.other_servers() {
            0 => server,
            _ => self.nth_server(u32::from(server) + 1 + other),
        }
    }

    /// The servers in a few words.
    #[must_use]
    pub fn names(&self) -> String {
        match self.servers.as_slice() {
            [] => String::new(),
            [one] => one.chat.host.clone(),
            [first, rest @ ..] => format!("{} and {} more", first.chat.host, rest.len()),
        }
    }

    fn nth_server(&self, number: u32) -> u16 {
        u16::try_from(number % count(self.servers.len())).unwrap_or(0)
    }

    /// Whether a fan belongs to the share. The share is spread evenly over the fans, and so over the workers.
    #[must_use]
    pub fn is_chosen(&self, fan: u32) -> bool {
        let share = u64::from(self.share_percent);
        let upto = |fans: u64| fans * share / 100;
        upto(u64::from(fan) + 1) > upto(u64::from(fan))
    }

    /// How long the ramp takes at its rate.
    #[must_use]
    pub fn ramp(&self) -> Duration {
        Duration::from_secs(1) * self.fans / self.connects_per_second.max(1)
    }
}

/// A number to divide by: there is always one, or the order is refused.
fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX).max(1)
}

/// Who the fans are. Never in a log: `Debug` says only which kind it is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// Tokens that fans share in turn, and one that may write to the lossless lane, if there is any.
    Tokens {
        /// At least one.
        fans: Vec<String>,
        /// For the senders.
        staff: Option<String>,
    },
    /// The server's own secret: every fan is somebody else.
    Secret(String),
}

impl Credentials {
    /// Whether the lossless lane can be written to.
    #[must_use]
    pub const fn may_announce(&self) -> bool {
        matches!(self, Self::Secret(_) | Self::Tokens { staff: Some(_), .. })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens { fans, .. } => write!(f, "Tokens({} fans)", fans.len()),
            Self::Secret(_) => f.write_str("Secret(..)"),
        }
    }
}

/// Rooms travel as their names, and are checked again where they arrive.
mod room_ids {
    use fanwave_wire::RoomId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        rooms: &[RoomId],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(rooms.iter().map(RoomId::as_str))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<RoomId>, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let rooms = names
            .iter()
            .map(|name| name.parse().map_err(D::Error::custom));
        rooms.collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// An order that asks for little.
    pub(crate) fn small() -> Order {
        Order {
            scenario: Scenario::MegaRoom,
            servers: vec![Target::parse("127.0.0.1:8080", None).unwrap()],
            alone: false,
            ca: None,
            encoding: Encoding::default(),
            rooms: vec!["demo".parse().unwrap()],
            fans: 200,
            viewers: 0,
            connects_per_second: 1_000,
            room_rate: Rate { milli: 1_000 },
            chat_rate: Rate { milli: 0 },
            text_bytes: 120,
            share_percent: 7,
            duration: Duration::from_secs(5),
            stay: Duration::from_secs(10),
            ping_delay: Duration::from_secs(10),
            run: 1,
            seed: 1,
        }
    }

    #[test]
    fn a_share_is_exact_and_spread() {
        for share_percent in [0, 1, 7, 50, 99, 100] {
            let order = Order {
                share_percent,
                ..small()
            };
            let chosen: Vec<u32> = (0..1_000).filter(|fan| order.is_chosen(*fan)).collect();
            assert_eq!(chosen.len(), usize::from(share_percent) * 10);
            let in_first_half = chosen.iter().filter(|fan| **fan < 500).count();
            assert_eq!(in_first_half, chosen.len() / 2);
        }
    }

    /// An order to so many servers and rooms.
    pub(crate) fn spread(servers: usize, rooms: usize, alone: bool) -> Order {
        let room = |number| format!("lot-{number}").parse().unwrap();
        let server = |number| Target::parse(&format!("127.0.0.1:{}", 8080 + number), None).unwrap();
        Order {
            servers: (0..servers).map(server).collect(),
            rooms: (0..rooms).map(room).collect(),
            alone,
            ..small()
        }
    }

    proptest! {
        #[test]
        fn every_server_has_its_share_of_every_room(servers in 1_usize..7, rooms in 1_usize..6, alone: bool) {
            let order = spread(servers, rooms, alone);
            let mut shares = BTreeMap::new();
            for fan in 0..u32::try_from(servers * rooms * 10).unwrap() {
                let (feed, server) = (order.feed_of(fan), order.server_of(fan));
                *shares.entry((order.room_of_feed(feed), server)).or_insert(0) += 1;
                if alone {
                    prop_assert_eq!(order.server_of_feed(feed), server, "the fan hears its own server's sender");
                    prop_assert_eq!(order.server_after(server, 0), server);
                }
            }
            prop_assert_eq!(shares.len(), servers * rooms);
            prop_assert!(shares.values().all(|fans| *fans == 10));
        }
    }

    #[test]
    fn who_loses_a_server_goes_to_any_other() {
        let order = spread(3, 1, false);
        assert_eq!(order.other_servers(), 2);
        for server in 0..3 {
            let mut others: Vec<u16> = (0..2)
                .map(|other| order.server_after(server, other))
                .collect();
            others.push(server);
            others.sort_unstable();
            assert_eq!(others, [0, 1, 2]);
        }
        assert_eq!(spread(1, 1, false).server_after(0, 0), 0);
    }

    #[test]
    fn a_schedule_keeps_its_rate_for_ever() {
        let rate = Rate { milli: 3_000 };
        assert_eq!(rate.due_after_ns(0), Some(0));
        assert_eq!(rate.due_after_ns(3), Some(1_000_000_000));
        assert_eq!(rate.due_after_ns(3 * 86_400), Some(86_400 * 1_000_000_000));
        assert_eq!(Rate::default().due_after_ns(0), None);
        assert_eq!(Rate { milli: 2_500 }.to_string(), "2.5");
        assert_eq!(rate.to_string(), "3");
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        assert_eq!(small().check(), Ok(()));
        let order = Order {
            text_bytes: 10,
            ..small()
        };
        let error = order.check().unwrap_err().to_string();
        assert_eq!(error, "the text's bytes must be 60 to 500, not 10");
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = Credentials::Secret("hush".into());
        let tokens = Credentials::Tokens {
            fans: vec!["hush".into()],
            staff: Some("hush".into()),
        };
        assert_eq!(
            format!("{secret:?} {tokens:?}"),
            "Secret(..) Tokens(1 fans)"
        );
    }
}
