//! Sessions that hear by a stream and speak by other requests ([`transport`](crate::transport)).
//!
//! Their commands come through the inbox, named by a secret that only the session's client was told. Everything else of
//! them is like that of any connection.

use std::{collections::HashMap, sync::Arc};

use super::{Reactor, connection::State, key::ConnectionKey, stream::Stream};
use crate::transport::{SessionId, SessionSecret};

/// The sessions of a reactor that speak by other requests; see the module.
#[derive(Debug)]
pub(crate) struct Emulated {
    /// The node's name, by which requests find it.
    node: Arc<str>,
    /// The reactor's number on it.
    seat: usize,
    /// One entry per open stream.
    sessions: HashMap<SessionSecret, ConnectionKey>,
}

impl Emulated {
    /// No session yet.
    pub(crate) fn new(node: Arc<str>, seat: usize) -> Self {
        Self {
            node,
            seat,
            sessions: HashMap::new(),
        }
    }

    /// By what names the client of a stream speaks: session and node, both empty where it speaks by the stream itself.
    pub(crate) fn names(&self, stream: &Stream) -> (String, Arc<str>) {
        match stream.session() {
            Some(secret) => {
                let session = SessionId::new(self.seat, secret);
                (session.expose(), Arc::clone(&self.node))
            }
            None => (String::new(), "".into()),
        }
    }

    /// A session has begun.
    pub(super) fn begin(&mut self, secret: SessionSecret, key: ConnectionKey) {
        self.sessions.insert(secret, key);
    }

    /// The session of a stream has ended.
    pub(super) fn end(&mut self, stream: &Stream) {
        if let Some(secret) = stream.session() {
            self.sessions.remove(&secret);
        }
    }
}

impl Reactor {
    /// Obeys what came for a session by another request. One that is gone has been told so by the end of its stream.
    pub(super) fn handle_emulated(&mut self, secret: SessionSecret, frame: &[u8]) {
        let Some(key) = self.emulated.sessions.get(&secret) else {
            return;
        };
        let Some(index) = self.find(*key) else {
            return;
        };
        if self.connections[index].state == State::Closing {
            return;
        }
        self.speak_to(index);
        self.handle_frame(index, frame);
        self.flush(index);
    }
}
