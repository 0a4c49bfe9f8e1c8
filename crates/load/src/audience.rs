//! Viewers behind `fanwave viewers`: a crowd in front of an LL-HLS server that asks as hls.js does, and measures what it gets.
//!
//! A viewer follows every rendition of the first variant with blocking reloads: the playlist is held by the server until
//! there is a part, the part is fetched, and the next playlist is asked for. Over HTTP/1.1 each rendition of a viewer has a
//! connection of its own, as browsers do where an answer is held; over HTTP/2 a viewer has one, or shares it with others,
//! as behind an edge.
//!
//! No server tells when its part was ready. So a wake-up is measured from when the *first* of all who waited for a part
//! had its playlist until each of the others had it; the first one's own time is not known, and is the server's least. Where
//! viewers pause before they ask again, nothing but the answers is in that time.
//!
//! One thread with one poll, like a worker of `fanwave load`. Load goes to the address that the user named and nowhere
//! else, for as long as was said.

mod crowd;
mod http1;
mod http2;
mod lane;
mod playlist;
mod report;
mod scout;
mod transport;
mod wire;

use std::{path::PathBuf, time::Duration};

pub use self::{
    crowd::run,
    report::{Shares, ViewersReport},
    scout::ScoutError,
};

/// What is asked of the crowd.
#[derive(Debug, Clone)]
pub struct ViewersOrder {
    /// The multivariant playlist: `http://HOST:PORT/PATH`, or `https://` for TLS.
    pub url: String,
    /// A file with the certificates that are believed, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Viewers; each follows every rendition.
    pub viewers: u32,
    /// What they speak.
    pub version: HttpVersion,
    /// Viewers who share a connection of HTTP/2.
    pub viewers_per_connection: u32,
    /// Connections made per second.
    pub connects_per_second: u32,
    /// How long is measured, from when all are connected.
    pub duration: Duration,
    /// Parts are not fetched: who waits behind an edge has them from there.
    pub playlists_only: bool,
    /// Only the first rendition is followed: the pictures.
    pub pictures_only: bool,
    /// How long after an answer a viewer asks for what comes next, as far as a network's way there and back.
    pub pause: Duration,
    /// Paths that are asked for over and over in place of the show, as fast as they are answered.
    pub again: Vec<String>,
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1, kept alive.
    Http1,
    /// HTTP/2, in the clear with prior knowledge.
    Http2,
}
