//! SRT from encoders: one UDP port, one task per publisher, and the protocol behind a trait.
//!
//! 1. [`port`] owns the socket and the protocol's machine ([`protocol`]), which holds nothing of a peer that did not
//!    prove its address with a cookie.
//! 2. A caller's stream id says what it wants to publish ([`stream_id`]). It is let in or refused with a reject code before
//!    it sends any media.
//! 3. Its task ([`publisher`]) feeds the packager with the transport stream that comes.

mod port;
mod protocol;
mod publisher;
mod stream_id;

use std::{net::SocketAddr, time::Duration};

pub(crate) use self::port::Port;
use crate::config::Secret;

/// The SRT port.
#[derive(Debug, Clone)]
pub struct SrtConfig {
    /// Where encoders call; port 0 takes a free one, see [`crate::Origin::srt_addr`].
    pub listen: SocketAddr,
    /// How long a lost packet may take to come again; a caller that asks for more gets more.
    pub latency: Duration,
    /// What every caller has to know beside its key: 10 to 79 characters. The media is then encrypted with AES-128.
    pub passphrase: Option<Secret>,
}
