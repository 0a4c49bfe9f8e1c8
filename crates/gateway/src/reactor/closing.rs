//! How a connection ends.
//!
//! By us: leave all rooms, say the close frame behind everything that is unsent, end our half of the stream, and wait
//! for the peer's end until a deadline; only then is the socket closed, because closing with unread bytes would reset
//! the stream and may take the close frame with it (RFC 6455, section 7.1.1). By the peer: it is gone, and so is its
//! record.

use fanwave_wire::{
    protocol::{Disconnect, DisconnectCode, Push, ReturnSlot},
    ws,
};

use super::{
    Reactor,
    connection::{State, Subscription, SubscriptionPlace},
    key::ConnectionKey,
};

/// The close code that stands for a peer that went without one; never sent (RFC 6455, section 7.1.5).
const ABNORMAL: u16 = 1006;

/// The close code that stands for a close frame without one; never sent.
const NO_STATUS: u16 = 1005;

/// With which words we part.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Farewell {
    /// The client protocol's own.
    Disconnect(DisconnectCode),
    /// The node is left: come back after so many milliseconds, rather to the place that is configured.
    Move {
        /// See [`ReturnSlot`].
        after_ms: u32,
    },
    /// A code of the WebSocket protocol.
    Code(ws::CloseCode),
    /// The answer to the peer's close frame, which repeats its code.
    Answer(Option<ws::CloseCode>),
}

impl Farewell {
    /// It in the client protocol's words, if it has any there.
    fn said(self, prefer: &str) -> Option<Disconnect<'_>> {
        match self {
            Self::Disconnect(code) => Some(code.into()),
            Self::Move { after_ms } => Some(Disconnect {
                code: DisconnectCode::Shutdown,
                slot: Some(ReturnSlot { after_ms, prefer }),
            }),
            Self::Code(_) | Self::Answer(_) => None,
        }
    }
}

impl Reactor {
    /// Ends a connection with a code of the client protocol.
    pub(crate) fn disconnect(&mut self, index: usize, code: DisconnectCode) {
        self.end(index, Farewell::Disconnect(code));
    }

    /// Ends a connection. What was gathered for it is said before the close frame.
    pub(crate) fn end(&mut self, index: usize, farewell: Farewell) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if connection.state == State::Closing {
            return;
        }
        connection.state = State::Closing;
        connection.end_calls();
        let format = connection.format;
        let key = connection.key(index);
        self.replies.format = connection.format;
        self.leave_all(index);
        if format.is_stream() {
            return self.end_stream(index, key, farewell);
        }
        let frames = &mut self.replies.frames;
        let code = match (farewell.said(&self.config.prefer), farewell) {
            (Some(said), _) => {
                ws::frame::encode_close(frames, said.code.into(), &said.to_string());
                said.code.number()
            }
            (None, Farewell::Code(code) | Farewell::Answer(Some(code))) => {
                ws::frame::encode_close(frames, code, "");
                code.number()
            }
            (None, _) => {
                ws::frame::encode_close_empty(frames);
                NO_STATUS
            }
        };
        self.metrics.closed(code);
        self.timers.expect_close(self.clock.now, key);
        self.flush(index);
    }

    /// Ends a connection on which no close code can be said: a push says it.
    fn end_stream(&mut self, index: usize, key: ConnectionKey, farewell: Farewell) {
        // What has no words there is a code of frames, of which a stream has none.
        let said = farewell
            .said(&self.config.prefer)
            .unwrap_or(DisconnectCode::BadRequest.into());
        self.replies.push(Push::Disconnect(said));
        self.metrics.closed(said.code.number());
        self.timers.expect_close(self.clock.now, key);
        self.flush(index);
    }

    /// Ends our half of a closing connection's stream once its close frame has left.
    pub(crate) fn finish_closing(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if connection.state != State::Closing || !connection.is_flushed() {
            return;
        }
        if let Err(error) = connection.stream.shutdown(&mut self.scratch) {
            // Not connected any more: there is nothing to wait for.
            tracing::trace!(%error, "a closing socket was gone");
            self.forget(index);
        }
    }

    /// The peer is gone, or has taken long enough.
    pub(crate) fn lose(&mut self, index: usize) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        if connection.state != State::Closing {
            self.metrics.closed(ABNORMAL);
            self.leave_all(index);
        }
        self.forget(index);
    }

    /// Closes the socket and frees its place. Engine calls under way find nobody when they return.
    fn forget(&mut self, index: usize) {
        self.by_user.remove(&self.connections, index);
        if let Some(connection) = self.connections.try_remove(index) {
            self.emulated.end(&connection.stream);
            self.admission.release();
            self.seat.pulse.lose_socket();
        }
    }

    /// Takes a connection out of all its rooms.
    pub(crate) fn leave_all(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if connection.has_server_side {
            let key = connection.key(index);
            self.connecting.remove(&key);
        }
        for subscription in std::mem::take(&mut connection.subscriptions) {
            self.leave_feed(index, subscription);
        }
    }

    /// Takes a connection out of one feed, whose subscription it no longer has.
    pub(crate) fn leave_feed(&mut self, index: usize, subscription: Subscription) {
        let Subscription {
            feed: key, place, ..
        } = subscription;
        if place == SubscriptionPlace::PENDING {
            // Its waiter finds no subscription when the channel opens.
            return;
        }
        let Some(feed) = self.feeds.get_mut(key.index()) else {
            return;
        };
        let channel = feed.channel;
        for moved in feed.remove_member(place).into_iter().flatten() {
            if let Some(connection) = self.connections.get_mut(moved.connection as usize) {
                connection.move_subscription(key, moved.place);
            }
        }
        self.expiring.remove(&(index, channel));
        self.count_out(index, channel);
        self.close_room_if_empty(channel);
    }
}
