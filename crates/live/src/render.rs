//! Playlists as text: pure functions of a snapshot.

use crate::snapshot::Snapshot;

/// A media playlist. Serve it as `application/vnd.apple.mpegurl` under `{prefix}/{rendition}.m3u8`.
#[must_use]
pub fn media_playlist(_snapshot: &Snapshot) -> String {
    String::new()
}

/// What the multivariant playlist says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multivariant {
    /// The streams to choose from, best first. A stream without pictures has one variant, its sound.
    pub variants: Vec<Variant>,
    /// The sound that goes with the pictures, where it is a rendition of its own.
    pub audio: Option<AudioGroup>,
}

/// EXT-X-STREAM-INF and its URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Relative to the multivariant playlist, such as `{prefix}/video.m3u8`.
    pub uri: String,
    /// Peak bits per second of the variant, its sound included.
    pub bandwidth: u64,
    /// Mean bits per second of the variant, its sound included.
    pub average_bandwidth: u64,
    /// RFC 6381 codecs of the variant, its sound included.
    pub codecs: Vec<String>,
    /// Width and height of the pictures.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per 1,000 seconds.
    pub frame_rate_millihertz: Option<u32>,
}

/// EXT-X-MEDIA of type AUDIO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioGroup {
    /// Relative to the multivariant playlist, such as `{prefix}/audio.m3u8`.
    pub uri: String,
    /// What a player's menu calls it.
    pub name: String,
    /// Number of channels.
    pub channels: u32,
}

/// The multivariant playlist.
#[must_use]
pub fn multivariant(_playlist: &Multivariant) -> String {
    String::new()
}
