//! WebRTC from encoders and browsers by WHIP (RFC 9725): an offer comes by HTTP, the media by one UDP port for all sessions.
//!
//! 1. [`http`] takes the offer. `media` looks at it before anything is spent on it, and the publisher is let in by its bearer
//!    token or turned away ([`crate::ingest`]).
//! 2. [`peer`] holds the protocol's machine, which answers the offer; nothing else knows the library that it is of.
//! 3. [`port`] owns the socket. It tells the sessions' datagrams apart ([`sessions`]), and starts a task for each.
//! 4. The task ([`session`]) feeds the packager, and asks for keyframes ([`keyframes`]), which browsers send only when asked.
//!
//! A stranger costs nothing here: what it sends by UDP belongs to no session, and by HTTP it needs a key.

mod http;
mod keyframes;
pub(crate) mod metrics;
mod peer;
mod port;
mod problem;
mod session;
mod sessions;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::sync::mpsc;

pub(crate) use self::{http::router, port::Port};
use self::{peer::Ground, session::Session, sessions::Sessions};
use crate::{ingest::Admitted, shared::Shared};

/// The WHIP endpoint.
#[derive(Debug, Clone)]
pub struct WhipConfig {
    /// Where media comes in by UDP; port 0 takes a free one, see [`crate::Origin::whip_addr`].
    pub listen: SocketAddr,
    /// Under which addresses publishers reach that port; there is at least one.
    pub addresses: Vec<IpAddr>,
    /// How long a group of pictures may get before a keyframe is asked for.
    pub keyframe_interval: Duration,
}

/// What the HTTP side needs to begin a session.
#[derive(Debug)]
pub(crate) struct Endpoint {
    shared: Arc<Shared>,
    admitted: Arc<Admitted>,
    ground: Ground,
    sessions: Arc<Sessions>,
    keyframe_interval: Duration,
    begun: mpsc::Sender<Box<Session>>,
}
