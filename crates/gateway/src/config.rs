//! What an operator may set, and its check.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    num::{NonZeroU16, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use fanwave_room::admit::Rules;
use fanwave_wire::{
    RoomId,
    envelope::NodeName,
    limits::{FRAME_BYTES_MAX, SLOT_PREFER_BYTES_MAX, SYSTEM_ROOM},
    protocol::ReturnSlot,
    ws,
};
use thiserror::Error;

use crate::{
    beside::Beside,
    consult::{About, Consult},
    limits,
    origin::OriginPolicy,
    tls::TlsFiles,
};

/// Settings of a gateway. The defaults are for one node with a mega-room; each field says what it costs.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// What other nodes, and people, call this one. Default: `fanwave`.
    pub name: NodeName,
    /// In which region this node is, as other nodes are told: 1 to 32 of a-z, 0-9 and -. Default: none is said.
    pub region: Option<Arc<str>>,
    /// Which web pages may connect. Default: pages served under the request's own host.
    pub origins: OriginPolicy,
    /// Threads that own the sockets, each with its own share for as long as they live. Default: as many as the machine
    /// runs at once.
    pub reactors: NonZeroUsize,
    /// Sockets held at most; one more is answered 503 with `Retry-After`. Default 100,000: 40 MB of ours, 400 MB of the
    /// kernel's, and as many file descriptors.
    pub connections_max: usize,
    /// Addresses at which each reactor accepts sockets itself, beside those that the HTTP server hands over. Default:
    /// none.
    pub listen: Vec<SocketAddr>,
    /// Speak TLS at those addresses. Default: none, the proxy in front does.
    pub tls: Option<TlsFiles>,
    /// Upgrades per second in the long run, on all ports; twice as many at once. Beyond it the answer is 503 with
    /// `Retry-After`. 0 sets no limit. Default 10,000.
    pub accepts_per_second: u32,
    /// Where fans who are sent away should rather go, as their return slot says it: `wss://b.example`. Default: empty,
    /// anywhere. The published clients do not look at it.
    pub prefer: String,
    /// How long an upgrade request on a reactor's own port may take. Default 10 s.
    pub handshake_timeout: Duration,
    /// How often each connection is pinged. Default 25 s.
    pub ping_interval: Duration,
    /// How long a ping may stay unanswered before the connection is closed with 3012. Shorter than
    /// [`ping_interval`](Self::ping_interval). Default 10 s.
    pub pong_timeout: Duration,
    /// How long a socket may stay open without a successful `connect`. Default 10 s.
    pub connect_timeout: Duration,
    /// How long a socket lingers after our close frame for the peer's answer. Default 5 s.
    pub close_timeout: Duration,
    /// Shortest time between two sweeps of a busy room: more merges more, and delays more. Default 20 ms.
    pub tick: Duration,
    /// Encoded frames kept per channel for fans who lag; who lags further is closed with 3008 and recovers. Default
    /// 1 MiB, about 3,000 messages.
    pub room_log_bytes: usize,
    /// Kernel send buffer asked for, per socket; Linux doubles it. Default 128 KiB, taken only while a peer lags.
    pub socket_send_bytes: usize,
    /// Commands per second and connection, in the long run; twice as many at once. Beyond it the connection is closed
    /// with 3013. Default 30.
    pub commands_per_second: NonZeroU16,
    /// Most bytes of one message from a client, before and after decompression. Default 64 KiB.
    pub message_bytes_max: usize,
    /// Whether clients may have their messages compressed (permessage-deflate). Default: they may.
    ///
    /// What a busy room says in a tick is compressed once for all who want it: some 50 us a tick and core, for a half to
    /// a fifth of the bytes. Browsers always want it.
    pub compression: Compression,
    /// What is spoken inside the frames. Default: the client protocol.
    pub dialect: Dialect,
    /// How long a connection outlives its token, whose refresh may be under way. Default 25 s.
    pub expired_grace: Duration,
    /// Which rooms there are; a channel of any other is error 102. Default: any, which lets strangers make rooms.
    pub rooms: Rooms,
    /// Whether a subscribe command needs a token of its own. Default: off.
    pub subscribe_tokens: SubscribeTokens,
    /// What the rooms ask of a message: length and rate per user.
    pub rules: Rules,
    /// How fast the chat may be to read; what is above it is sampled. Default: 10 messages a second and language.
    pub governor: fanwave_room::governor::Settings,
    /// What may be tapped, and how fast.
    pub reactions: fanwave_room::reactions::Settings,
    /// Who has a say in who connects, what they follow and what they say, beside tokens and rooms. Default: nobody.
    pub consult: Option<Arc<dyn Consult>>,
    /// What this server does beside the chat, as other nodes are told. Default: nothing.
    pub beside: Option<Arc<dyn Beside>>,
}

/// Whether messages may be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Where the client offers it.
    #[default]
    Offered,
    /// Never: its offers are passed over.
    Never,
}

/// What a gateway makes of a whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Commands of the Centrifuge client protocol in JSON.
    #[default]
    Centrifuge,
    /// Every message is sent back as it came, and nobody has to connect first: for judges of what lies under the
    /// commands, such as the Autobahn cases. Never for fans.
    Echo,
}

/// How every handshake's extensions are judged, whichever door it comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extensions {
    compression: Compression,
    /// The smallest window in which messages can be compressed for a client.
    window_min: ws::WindowBits,
}

impl Extensions {
    /// All fans share one compressed frame, whose window is the largest; an echo is for one client alone.
    pub(crate) fn new(compression: Compression, dialect: Dialect) -> Self {
        let window_min = match dialect {
            Dialect::Centrifuge => ws::WindowBits::MAX,
            Dialect::Echo => ws::WindowBits::MIN,
        };
        Self {
            compression,
            window_min,
        }
    }

    /// What becomes of the values of a handshake's `Sec-WebSocket-Extensions` lines, in their order.
    ///
    /// # Errors
    ///
    /// A value is not in the header's grammar: status 400.
    pub(crate) fn negotiate<'a>(
        self,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<ws::Negotiated, ws::MalformedExtensions> {
        let negotiated = ws::negotiate(values, self.window_min)?;
        Ok(match self.compression {
            Compression::Offered => negotiated,
            Compression::Never => ws::Negotiated::Nothing,
        })
    }
}

/// Whether a subscribe command needs a token of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubscribeTokens {
    /// It does not: whoever is connected follows what their role may.
    #[default]
    Off,
    /// It does, for every channel: without a good one the answer is error 103, or 109 where it has expired. Some 50
    /// bytes for every subscription whose token runs out.
    Required,
}

/// Which rooms a node serves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rooms {
    /// Whatever a client names.
    #[default]
    Any,
    /// These and no others.
    Only(BTreeSet<RoomId>),
}

impl Rooms {
    /// Whether a room is one of them.
    #[must_use]
    pub fn contains(&self, room: &RoomId) -> bool {
        match self {
            Self::Any => room.as_str() != SYSTEM_ROOM,
            Self::Only(rooms) => rooms.contains(room),
        }
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            name: "fanwave".parse().expect("it is a name"),
            region: None,
            origins: OriginPolicy::SameHost,
            reactors: default_reactors(),
            connections_max: limits::CONNECTIONS_MAX,
            listen: Vec::new(),
            tls: None,
            accepts_per_second: limits::UPGRADES_PER_SECOND,
            prefer: String::new(),
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            ping_interval: limits::PING_INTERVAL,
            pong_timeout: limits::PONG_TIMEOUT,
            connect_timeout: limits::CONNECT_TIMEOUT,
            close_timeout: limits::CLOSE_TIMEOUT,
            tick: limits::TICK,
            room_log_bytes: limits::ROOM_LOG_BYTES,
            socket_send_bytes: limits::SOCKET_SEND_BYTES,
            commands_per_second: limits::COMMANDS_PER_SECOND,
            message_bytes_max: FRAME_BYTES_MAX,
            compression: Compression::Offered,
            dialect: Dialect::Centrifuge,
            expired_grace: limits::EXPIRED_GRACE,
            rooms: Rooms::Any,
            subscribe_tokens: SubscribeTokens::Off,
            rules: Rules::default(),
            governor: fanwave_room::governor::Settings::default(),
            reactions: fanwave_room::reactions::Settings::default(),
            consult: None,
            beside: None,
        }
    }
}

/// One per core that this process may use.
fn default_reactors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Why a configuration cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A pong would be due after the next ping.
    #[error(
        "pong_timeout ({pong_timeout:?}) must be above zero and below ping_interval ({ping_interval:?})"
    )]
    PongTimeout {
        /// As configured.
        pong_timeout: Duration,
        /// As configured.
        ping_interval: Duration,
    },
    /// Pings cannot be spread over so short a time.
    #[error(
        "ping_interval is {ping_interval:?}, at least {} ms are needed",
        limits::PING_SLOTS
    )]
    PingInterval {
        /// As configured.
        ping_interval: Duration,
    },
    /// No socket at all could be held.
    #[error("connections_max is zero")]
    NoConnections,
    /// Every reactor listens at every address.
    #[error(
        "listen has {addresses} addresses, at most {} are meant",
        limits::LISTENERS_MAX
    )]
    Listeners {
        /// As configured.
        addresses: usize,
    },
    /// More threads than any machine has use for.
    #[error("reactors is {reactors}, at most {} make sense", limits::REACTORS_MAX)]
    Reactors {
        /// As configured.
        reactors: usize,
    },
    /// It would not fit a return slot.
    #[error(
        "prefer is not one word of at most {SLOT_PREFER_BYTES_MAX} printable characters without a semicolon"
    )]
    Prefer,
    /// Not even one message would fit.
    #[error(
        "room_log_bytes is {bytes}, at least {} are needed",
        limits::ROOM_LOG_BYTES_MIN
    )]
    RoomLog {
        /// As configured.
        bytes: usize,
    },
}

impl GatewayConfig {
    /// What somebody is consulted about.
    pub(crate) fn consults(&self) -> About {
        let consult = self.consult.as_deref();
        consult.map(Consult::about).unwrap_or_default()
    }

    /// What the rooms are told of it.
    pub(crate) fn room_settings(&self) -> fanwave_room::machine::Settings {
        fanwave_room::machine::Settings {
            rules: self.rules.clone(),
            governor: self.governor,
            reactions: self.reactions.clone(),
            ..fanwave_room::machine::Settings::default()
        }
    }

    /// Shortest time between two fans who come back: as many as this node would take of another's.
    pub(crate) fn return_gap(&self) -> Duration {
        let per_second = match self.accepts_per_second {
            0 => limits::UPGRADES_PER_SECOND,
            limited => limited,
        };
        Duration::from_secs(1) / per_second
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    ///
    /// The first setting that cannot work, with what it would need.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (pong_timeout, ping_interval) = (self.pong_timeout, self.ping_interval);
        if ping_interval < Duration::from_millis(limits::PING_SLOTS.into()) {
            return Err(ConfigError::PingInterval { ping_interval });
        }
        let addresses = self.listen.len();
        if addresses > limits::LISTENERS_MAX {
            return Err(ConfigError::Listeners { addresses });
        }
        let reactors = self.reactors.get();
        if reactors > limits::REACTORS_MAX {
            return Err(ConfigError::Reactors { reactors });
        }
        if pong_timeout.is_zero() || pong_timeout >= ping_interval {
            return Err(ConfigError::PongTimeout {
                pong_timeout,
                ping_interval,
            });
        }
        if !ReturnSlot::can_prefer(&self.prefer) {
            return Err(ConfigError::Prefer);
        }
        if self.connections_max == 0 {
            return Err(ConfigError::NoConnections);
        }
        if self.room_log_bytes < limits::ROOM_LOG_BYTES_MIN {
            return Err(ConfigError::RoomLog {
                bytes: self.room_log_bytes,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work() {
        assert_eq!(GatewayConfig::default().check(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_named() {
        let second = Duration::from_secs(1);
        let pong = GatewayConfig {
            ping_interval: second,
            pong_timeout: second,
            ..GatewayConfig::default()
        };
        assert!(matches!(pong.check(), Err(ConfigError::PongTimeout { .. })));
        let ping = GatewayConfig {
            ping_interval: Duration::from_millis(1),
            ..GatewayConfig::default()
        };
        assert!(matches!(
            ping.check(),
            Err(ConfigError::PingInterval { .. })
        ));
        let none = GatewayConfig {
            connections_max: 0,
            ..GatewayConfig::default()
        };
        assert_eq!(none.check(), Err(ConfigError::NoConnections));
        let prefer = GatewayConfig {
            prefer: "two words".to_owned(),
            ..GatewayConfig::default()
        };
        assert_eq!(prefer.check(), Err(ConfigError::Prefer));
        let log = GatewayConfig {
            room_log_bytes: 10,
            ..GatewayConfig::default()
        };
        assert_eq!(log.check(), Err(ConfigError::RoomLog { bytes: 10 }));
    }
}
