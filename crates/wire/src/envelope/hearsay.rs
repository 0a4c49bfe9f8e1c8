//! What a server tells all others about itself: at most once, in no order, kept by nobody.
//!
//! Everything in it is true by itself and replaces what was said before, but for the taps, which are new every time. So
//! whoever misses one [`Hearsay`] has lost some taps, and learns the rest from the next.
//!
//! | hearsay, version 2 | bytes |
//! |---|---|
//! | version, 2 | 1 |
//! | node, serial number | 8; each |
//! | state: 0 serving, 1 draining, 2 gone | 1 |
//! | name, release | 1 for the length, then UTF-8; each |
//! | when it started, Unix milliseconds | 8 |
//! | connections, most connections, rooms | 4; each |
//! | how busy its reactors are, in thousandths | 2 |
//! | region, empty where none is said | 1 for the length, then ASCII |
//! | viewers of its broadcast | 4 |
//! | bytes that it has sent: of the chat, over HTTP | 8; each |
//! | channels | 2 |
//! | each, in order: the channel; connections and users in it | 1 for the length, then UTF-8; 4 and 4 |
//! | rooms with taps | 2 |
//! | each, in order: the room; kinds | 1 for the length, then UTF-8; 1 |
//! | each kind, in order: its name; taps | 1 for the length, then UTF-8; 8 |
//!
//! Numbers have their highest byte first.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use thiserror::Error;

use super::{EnvelopeError, put_short, read::Reader};
use crate::{
    Channel, ReactionKind, RoomId, UnixMillis,
    limits::{
        HEARSAY_BYTES_MAX, HEARSAY_CHANNELS_MAX, HEARSAY_TAPPED_ROOMS_MAX, NODE_NAME_BYTES_MAX,
        REACTION_KINDS_MAX, REGION_BYTES_MAX, RELEASE_BYTES_MAX,
    },
};

/// The version of hearsay that this build writes, and the only one that it reads. Servers of another do not count this one.
const VERSION: u8 = 2;

/// One run of one server: drawn at random when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What people call a server: 1 to [`NODE_NAME_BYTES_MAX`] bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let fits = (1..=NODE_NAME_BYTES_MAX).contains(&text.len());
        // It is printed in terminals.
        (fits && !text.contains(char::is_control))
            .then(|| Self(text.into()))
            .ok_or(NodeNameError)
    }
}

/// A text that is no name of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a server's name has 1 to {NODE_NAME_BYTES_MAX} bytes and no control characters")]
pub struct NodeNameError;

/// What a server is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeState {
    /// It serves.
    Serving,
    /// It was told to stop, and moves its fans to others.
    Draining,
    /// It ends, and these are its last words.
    Gone,
}

const STATES: [NodeState; 3] = [NodeState::Serving, NodeState::Draining, NodeState::Gone];

/// Everything of a server is this busy at most, in thousandths.
const BUSY_PERMILLE_MAX: u16 = 1_000;

/// A server, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What people call it.
    pub name: NodeName,
    /// The release it runs: at most [`RELEASE_BYTES_MAX`] visible ASCII characters.
    pub release: Arc<str>,
    /// When it started, by its own clock.
    pub started_at: UnixMillis,
    /// What it is at.
    pub state: NodeState,
    /// Connections of fans it holds.
    pub connections: u32,
    /// Connections it is configured to hold at most.
    pub connections_max: u32,
    /// Rooms that somebody follows there.
    pub rooms: u32,
    /// How much of their time its reactors have worked lately, 0 to 1,000.
    pub busy_permille: u16,
    /// In which region it is, if its operator says it: 1 to [`REGION_BYTES_MAX`] of a-z, 0-9 and -.
    pub region: Option<Arc<str>>,
    /// About how many watch a show by asking it for playlists.
    pub viewers: u32,
    /// What it has sent since it started.
    pub sent: Sent,
}

/// What a server has sent since it started, without the headers of any protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// To fans' sockets, bytes.
    pub chat_bytes: u64,
    /// In answers over HTTP: the broadcast, pages and the API, bytes.
    pub http_bytes: u64,
}

/// How many follow a channel at one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crowd {
    /// Subscribed connections.
    pub clients: u32,
    /// Different users among them.
    pub users: u32,
}

/// Taps per kind.
pub type Taps = BTreeMap<ReactionKind, u64>;

/// What a server tells all others at one time; see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hearsay {
    /// Which server.
    pub node: NodeId,
    /// Counts what it tells: what comes with a lower number than something before is out of date.
    pub serial: u64,
    /// It as a whole.
    pub about: About,
    /// Those of its channels that are mentioned this time, at most [`HEARSAY_CHANNELS_MAX`].
    pub crowds: BTreeMap<Channel, Crowd>,
    /// What its fans have tapped since it told the last time, at most [`HEARSAY_TAPPED_ROOMS_MAX`] rooms.
    pub taps: BTreeMap<RoomId, Taps>,
}

impl Hearsay {
    /// It as bytes.
    ///
    /// # Panics
    ///
    /// When there are more channels, rooms or kinds than may be in one.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        assert!(
            self.crowds.len() <= HEARSAY_CHANNELS_MAX,
            "channels are bounded"
        );
        assert!(
            self.taps.len() <= HEARSAY_TAPPED_ROOMS_MAX,
            "tapped rooms are bounded"
        );
        let about = &self.about;
        let mut out = vec![VERSION];
        out.extend(self.node.0.to_be_bytes());
        out.extend(self.serial.to_be_bytes());
        let state = STATES.iter().position(|state| *state == about.state);
        out.push(u8::try_from(state.unwrap_or(0)).unwrap_or(0));
        put_short(&mut out, about.name.as_str());
        put_short(&mut out, &about.release);
        out.extend(about.started_at.0.to_be_bytes());
        for number in [about.connections, about.connections_max, about.rooms] {
            out.extend(number.to_be_bytes());
        }
        out.extend(about.busy_permille.to_be_bytes());
        put_short(&mut out, about.region.as_deref().unwrap_or_default());
        out.extend(about.viewers.to_be_bytes());
        out.extend(about.sent.chat_bytes.to_be_bytes());
        out.extend(about.sent.http_bytes.to_be_bytes());
        put_count(&mut out, self.crowds.len());
        for (channel, crowd) in &self.crowds {
            put_short(&mut out, &channel.to_string());
            out.extend(crowd.clients.to_be_bytes());
            out.extend(crowd.users.to_be_bytes());
        }
        put_count(&mut out, self.taps.len());
        for (room, taps) in &self.taps {
            assert!(taps.len() <= REACTION_KINDS_MAX, "kinds are bounded");
            put_short(&mut out, room.as_str());
            out.push(u8::try_from(taps.len()).unwrap_or(u8::MAX));
            for (kind, count) in taps {
                put_short(&mut out, kind.as_str());
                out.extend(count.to_be_bytes());
            }
        }
        out
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// See [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        if bytes.len() > HEARSAY_BYTES_MAX {
            return Err(EnvelopeError::Length);
        }
        let hearsay = Self {
            node: NodeId(reader.number()?),
            serial: reader.number()?,
            about: about(&mut reader)?,
            crowds: crowds(&mut reader)?,
            taps: tapped_rooms(&mut reader)?,
        };
        reader.end()?;
        Ok(hearsay)
    }
}

/// At most 65,535, which every bound here is.
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}

fn about(reader: &mut Reader<'_>) -> Result<About, EnvelopeError> {
    let state = STATES.get(usize::from(reader.byte()?));
    let state = *state.ok_or(EnvelopeError::Value)?;
    let name = reader.short()?.parse().map_err(|_| EnvelopeError::Value)?;
    let release = reader.short()?;
    let legal = release.bytes().all(|byte| byte.is_ascii_graphic());
    if !legal || !(1..=RELEASE_BYTES_MAX).contains(&release.len()) {
        return Err(EnvelopeError::Value);
    }
    let about = About {
        state,
        name,
        release: release.into(),
        started_at: UnixMillis(reader.number()?),
        connections: reader.number_of_4()?,
        connections_max: reader.number_of_4()?,
        rooms: reader.number_of_4()?,
        busy_permille: reader.number_of_2()?,
        region: region(reader.short()?)?,
        viewers: reader.number_of_4()?,
        sent: Sent {
            chat_bytes: reader.number()?,
            http_bytes: reader.number()?,
        },
    };
    if about.busy_permille > BUSY_PERMILLE_MAX {
        return Err(EnvelopeError::Value);
    }
    Ok(about)
}

/// An empty one is none.
fn region(text: &str) -> Result<Option<Arc<str>>, EnvelopeError> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.len() > REGION_BYTES_MAX || !text.bytes().all(legal) {
        return Err(EnvelopeError::Value);
    }
    Ok((!text.is_empty()).then(|| text.into()))
}

fn crowds(reader: &mut Reader<'_>) -> Result<BTreeMap<Channel, Crowd>, EnvelopeError> {
    let mut crowds = BTreeMap::new();
    for _ in 0..count(reader, HEARSAY_CHANNELS_MAX)? {
        let channel = reader.short()?.parse().map_err(|_| EnvelopeError::Value)?;
        let crowd = Crowd {
            clients: reader.number_of_4()?,
            users: reader.number_of_4()?,
        };
        if crowd.users > crowd.clients {
            return Err(EnvelopeError::Value);
        }
        put_behind(&mut crowds, channel, crowd)?;
    }
    Ok(crowds)
}

fn tapped_rooms(reader: &mut Reader<'_>) -> Result<BTreeMap<RoomId, Taps>, EnvelopeError> {
    let mut rooms = BTreeMap::new();
    for _ in 0..count(reader, HEARSAY_TAPPED_ROOMS_MAX)? {
        let room = reader.short()?.parse().map_err(|_| EnvelopeError::Value)?;
        let kinds = usize::from(reader.byte()?);
        if kinds > REACTION_KINDS_MAX {
            return Err(EnvelopeError::Value);
        }
        let mut taps = Taps::new();
        for _ in 0..kinds {
            let kind = reader.short()?.parse().map_err(|_| EnvelopeError::Value)?;
            let count = reader.number()?;
            put_behind(&mut taps, kind, count)?;
        }
        put_behind(&mut rooms, room, taps)?;
    }
    Ok(rooms)
}

fn count(reader: &mut Reader<'_>, max: usize) -> Result<usize, EnvelopeError> {
    let count = usize::from(reader.number_of_2()?);
    if count > max {
        return Err(EnvelopeError::Value);
    }
    Ok(count)
}

/// Every key once and in order, so that nothing can be said in two ways.
fn put_behind<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Result<(), EnvelopeError> {
    if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
        return Err(EnvelopeError::Value);
    }
    map.insert(key, value);
    Ok(())
}

#[cfg(test)]
mod tests;
