//! What an operator decides about the origin, checked once at the start.

use std::{
    collections::BTreeSet,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use fanwave_live::{ConfigError, MediaSeq, Numbering, Settings, WallTime};
use fanwave_vault::Vault;
use fanwave_wire::RoomId;
use thiserror::Error;
use tokio_rustls::rustls::ServerConfig;

use crate::{
    authorise::AuthoriserConfig,
    clock,
    ladder::config::{LadderConfig, LadderError},
    limits::{
        AUTHORISER_TIMEOUT_MAX, CHANNELS_MAX, CONNECTIONS_PER_PEER, DVR_WINDOW_MAX, DVR_WINDOW_MIN,
        RECONNECT_WINDOW_MAX, STREAM_KEY_BYTES_MAX, STREAM_KEY_BYTES_MIN,
    },
    simulcast::{SimulcastConfig, SimulcastError},
    srt::SrtConfig,
    thumbnails::{ThumbnailsConfig, ThumbnailsError},
    whip::WhipConfig,
};

/// Number of a stream's first segment. Not 0: a player may take that for "no segment" (hls.js 1.7.4 does, forgets that it
/// has the part it just loaded, and asks for it some hundred times a second until the next one is there).
const FIRST_MSN: MediaSeq = MediaSeq(1);

/// What [`crate::Origin::start`] needs to know.
#[derive(Debug, Clone)]
pub struct OriginConfig {
    /// Where encoders connect; port 0 takes a free one, see [`crate::Origin::rtmp_addr`].
    pub rtmp_listen: SocketAddr,
    /// Most connections of encoders from one IPv4 address or one IPv6 /64 network, through whichever door; 16 by default.
    pub connections_per_peer: usize,
    /// Where encoders connect over TLS, and what is shown to them; see [`crate::Origin::rtmps_addr`]. Which certificate that is, and
    /// when it is another one, is of whoever made it.
    pub rtmps: Option<(SocketAddr, Arc<ServerConfig>)>,
    /// Where encoders call by SRT; by default nowhere.
    pub srt: Option<SrtConfig>,
    /// Where encoders and browsers publish by WHIP; by default nowhere.
    pub whip: Option<WhipConfig>,
    /// The channels, each with its own stream key.
    pub channels: Vec<ChannelConfig>,
    /// Longest part of every playlist: 1 s by default, 0.5 s for lower latency.
    pub part_target: Duration,
    /// How long a stream waits for its publisher to return before it ends; 30 s by default.
    pub reconnect_window: Duration,
    /// What is encoded beside what publishers send; nothing by default.
    pub ladder: LadderConfig,
    /// Where shows are pushed on to; nowhere by default.
    pub simulcast: Vec<SimulcastConfig>,
    /// Who decides about publishers; by default the stream keys alone.
    pub authoriser: Option<AuthoriserConfig>,
    /// What pictures are made for whoever seeks; none by default.
    pub thumbnails: ThumbnailsConfig,
    /// Where media is kept that no longer fits into memory; `None` by default: a playlist lists a minute.
    pub archive: Option<ArchiveConfig>,
    /// What time it is: by default the machine's. Whoever shows a chat beside the picture gives both the same clock.
    pub wall: fn() -> WallTime,
}

impl OriginConfig {
    /// Encoders on every IPv4 address and port 1935, and the defaults for everything else.
    #[must_use]
    pub fn new(channels: Vec<ChannelConfig>) -> Self {
        Self {
            rtmp_listen: (Ipv4Addr::UNSPECIFIED, 1_935).into(),
            connections_per_peer: CONNECTIONS_PER_PEER,
            rtmps: None,
            srt: None,
            whip: None,
            channels,
            part_target: Duration::from_secs(1),
            reconnect_window: Duration::from_secs(30),
            ladder: LadderConfig::default(),
            simulcast: Vec::new(),
            authoriser: None,
            thumbnails: ThumbnailsConfig::default(),
            archive: None,
            wall: clock::machine,
        }
    }

    pub(crate) fn live_settings(&self) -> Settings {
        let default = Settings::default();
        let archive = self.archive.as_ref();
        Settings {
            part_target: self.part_target,
            first_msn: FIRST_MSN,
            window: archive
                .and_then(|archive| archive.window)
                .unwrap_or(default.window),
            ..default
        }
    }

    pub(crate) fn check(&self) -> Result<(), ChannelsError> {
        if self.channels.len() > CHANNELS_MAX {
            return Err(ChannelsError::TooMany);
        }
        if self.reconnect_window > RECONNECT_WINDOW_MAX {
            return Err(ChannelsError::ReconnectWindow);
        }
        if let Some(authoriser) = &self.authoriser
            && authoriser.timeout > AUTHORISER_TIMEOUT_MAX
        {
            return Err(ChannelsError::AuthoriserTimeout);
        }
        let window = self.archive.as_ref().and_then(|archive| archive.window);
        if window.is_some_and(|window| !(DVR_WINDOW_MIN..=DVR_WINDOW_MAX).contains(&window)) {
            return Err(ChannelsError::DvrWindow);
        }
        for (index, channel) in self.channels.iter().enumerate() {
            let bytes = channel.stream_key.0.len();
            let plain = channel
                .stream_key
                .0
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'/'));
            if !(STREAM_KEY_BYTES_MIN..=STREAM_KEY_BYTES_MAX).contains(&bytes) || !plain {
                return Err(ChannelsError::Key {
                    channel: channel.id.clone(),
                });
            }
            for earlier in self.channels.iter().take(index) {
                if earlier.id == channel.id {
                    return Err(ChannelsError::SameId {
                        channel: channel.id.clone(),
                    });
                }
                if earlier.stream_key.matches(&channel.stream_key) {
                    return Err(ChannelsError::SameKey {
                        a: earlier.id.clone(),
                        b: channel.id.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Where media is kept that no longer fits into memory.
#[derive(Debug, Clone)]
pub struct ArchiveConfig {
    /// Its files, of all channels. Nobody else may use it.
    pub vault: Vault,
    /// How much a playlist lists, and so how far back a viewer can go; `None`: a minute, from memory.
    pub window: Option<Duration>,
    /// What is kept of shows when they are over.
    pub recording: RecordingConfig,
}

/// What is kept of shows when they are over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordingConfig {
    /// The channels that are recorded; none by default.
    pub channels: BTreeSet<RoomId>,
    /// How long a recording is kept from its end on; `None`: for good.
    pub keep: Option<Duration>,
    /// Bytes of all recordings together, beyond which the oldest is deleted; `None`: no limit. Clips do not count.
    pub bytes_max: Option<u64>,
}

/// One channel: what is watched under `/live/{id}/`.
#[derive(Debug, Clone)]
pub struct ChannelConfig {
    /// The channel's name in URLs; its room has the same.
    pub id: RoomId,
    /// What its publisher has to type into the encoder.
    pub stream_key: Secret,
    /// What happens to a second publisher.
    pub takeover: Takeover,
    /// How segments are numbered; by the clock for origins that are to make the same of the same encoder.
    pub numbering: Numbering,
}

/// What happens when a publisher comes to a channel that has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Takeover {
    /// It is refused, unless the first has gone silent.
    #[default]
    Refuse,
    /// It takes the place of the first, which is let go.
    Replace,
    /// It stands by: it is shown while the first starves or is gone. Both should send the same tracks, for a stream of
    /// other tracks is another stream. A third is refused.
    Backup,
}

/// Text that must not be seen: `Debug` hides it, and nothing displays it.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself; whoever calls this is responsible for where it goes.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the guess is the secret, in a time that depends on the lengths alone.
    #[must_use]
    pub fn matches(&self, guess: &Self) -> bool {
        let (secret, guess) = (self.0.as_bytes(), guess.0.as_bytes());
        let differences = secret
            .iter()
            .zip(guess)
            .fold(0_u8, |sum, (a, b)| sum | (a ^ b));
        // `black_box` keeps the compiler from stopping at the first difference.
        secret.len() == guess.len() && std::hint::black_box(differences) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Why the channels cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChannelsError {
    /// More than the origin serves.
    #[error("more than {CHANNELS_MAX} channels")]
    TooMany,
    /// A key that is easily guessed, or that an encoder would not send as it is.
    #[error(
        "the stream key of channel {channel} needs {STREAM_KEY_BYTES_MIN} to {STREAM_KEY_BYTES_MAX} visible ASCII \
         characters other than ? and /"
    )]
    Key {
        /// Whose key.
        channel: RoomId,
    },
    /// One name twice.
    #[error("two channels are called {channel}")]
    SameId {
        /// The name.
        channel: RoomId,
    },
    /// One key twice: it would not say which channel is meant.
    #[error("channels {a} and {b} have the same stream key")]
    SameKey {
        /// One of them.
        a: RoomId,
        /// The other.
        b: RoomId,
    },
    /// The reconnect window is too long.
    #[error("the reconnect window has to be at most {RECONNECT_WINDOW_MAX:?}")]
    ReconnectWindow,
    /// Publishers would be given up before the authoriser is.
    #[error("the authoriser has to be waited for at most {AUTHORISER_TIMEOUT_MAX:?}")]
    AuthoriserTimeout,
    /// The window on disk is too short or too long.
    #[error("the window on disk has to be {DVR_WINDOW_MIN:?} to {DVR_WINDOW_MAX:?}")]
    DvrWindow,
}

/// Why the origin did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address for encoders is not to be had.
    #[error(
        "cannot listen for {what} on {addr}: {source}; stop the program that has the port, or set another address for {what}"
    )]
    Bind {
        /// RTMP, RTMPS or SRT.
        what: &'static str,
        /// What was asked for.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The part target makes no valid stream.
    #[error(transparent)]
    Live(#[from] ConfigError),
    /// The channels contradict one another.
    #[error(transparent)]
    Channels(#[from] ChannelsError),
    /// The ladder is none.
    #[error(transparent)]
    Ladder(#[from] LadderError),
    /// No pictures can be made so for whoever seeks.
    #[error(transparent)]
    Thumbnails(#[from] ThumbnailsError),
    /// Shows cannot be pushed on so.
    #[error(transparent)]
    Simulcast(#[from] SimulcastError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(channels: &[(&str, &str)]) -> OriginConfig {
        let channel = |&(id, key): &(&str, &str)| ChannelConfig {
            id: id.parse().unwrap(),
            stream_key: Secret::new(key),
            takeover: Takeover::Refuse,
            numbering: Numbering::Counted,
        };
        OriginConfig::new(channels.iter().map(channel).collect())
    }

    #[test]
    fn a_key_is_found_by_itself_alone_and_never_shown() {
        let secret = Secret::new("demo-key-1234");
        assert!(secret.matches(&Secret::new("demo-key-1234")));
        for guess in [
            "",
            "demo-key-1235",
            "demo-key-123",
            "demo-key-12345",
            "Demo-key-1234",
        ] {
            assert!(!secret.matches(&Secret::new(guess)), "{guess}");
        }
        assert!(!format!("{:?}", config(&[("demo", "demo-key-1234")])).contains("demo-key"));
    }

    #[test]
    fn channels_that_contradict_one_another_are_refused() {
        let id = |text: &str| text.parse::<RoomId>().unwrap();
        assert_eq!(
            config(&[("a", "key-number-1"), ("b", "key-number-2")]).check(),
            Ok(())
        );
        let cases = [
            (
                config(&[("a", "short")]),
                ChannelsError::Key { channel: id("a") },
            ),
            (
                config(&[("a", "with?query-part")]),
                ChannelsError::Key { channel: id("a") },
            ),
            (
                config(&[("a", "key-number-1"), ("a", "key-number-2")]),
                ChannelsError::SameId { channel: id("a") },
            ),
            (
                config(&[("a", "key-number-1"), ("b", "key-number-1")]),
                ChannelsError::SameKey {
                    a: id("a"),
                    b: id("b"),
                },
            ),
        ];
        for (config, error) in cases {
            assert_eq!(config.check(), Err(error));
        }
    }
}
