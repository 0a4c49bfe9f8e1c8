//! Sockets: adopted, read, written to.
//!
//! Events are edge-triggered, so a socket is read until it would block or its turn is over; then it is remembered. All
//! bytes land in the reactor's one buffer, are unmasked there, and are gone when the next socket is read.

use std::io;

use fanwave_wire::{
    protocol::{DisconnectCode, Encoding},
    ws,
};
use mio::{Interest, Token};

use super::{
    Reactor,
    closing::Farewell,
    connection::{Budget, Connection, State, Written},
    key::ConnectionKey,
    stream::Stream,
};
use crate::{
    admission::Place, config::Dialect, format::Format, inbox::Handover, limits, session::Obeyed,
};

/// Whether the poll knows a socket already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    /// It has never heard of it.
    No,
    /// It knows it under an arrival's token.
    AsArrival,
}

/// What reading once came to.
enum ReadOnce {
    /// There may be more.
    Some,
    /// Nothing more for now, or ever.
    Done,
}

impl Reactor {
    /// Takes over a socket whose upgrade was answered.
    pub(crate) fn adopt(&mut self, socket: Handover) {
        let Handover {
            stream,
            format,
            leftover,
            deflate,
            place,
        } = socket;
        let session = stream.session();
        let Some(index) = self.open(stream, place, Watched::No, format) else {
            return;
        };
        if self.is_stopping() {
            // It was on its way when the others were told.
            return self.move_away(index, self.clock.now);
        }
        let connection = &mut self.connections[index];
        connection.deflate = deflate;
        if let Some(secret) = session {
            let key = connection.key(index);
            self.emulated.begin(secret, key);
            self.handle_emulated(secret, &leftover);
        } else if !leftover.is_empty() {
            self.handle_leftover(index, &leftover);
        }
    }

    /// Makes a connection of a socket whose upgrade was answered, and says where it is.
    pub(crate) fn open(
        &mut self,
        mut stream: Stream,
        place: Place,
        watched: Watched,
        format: Format,
    ) -> Option<usize> {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let budget = Budget::full(self.config.commands_per_second.get(), self.clock.millis());
        let entry = self.connections.vacant_entry();
        let index = entry.key();
        let registry = self.poll.registry();
        let result = match watched {
            Watched::No => registry.register(&mut stream, Token(index), Interest::READABLE),
            // What has come in the meantime is told again under the new token.
            Watched::AsArrival => {
                registry.reregister(&mut stream, Token(index), Interest::READABLE)
            }
        };
        if let Err(error) = result {
            tracing::warn!(%error, "a socket could not be watched");
            self.seat.pulse.lose_socket();
            return None;
        }
        let connection = entry.insert(Connection::new(stream, generation, budget, format));
        place.hand_over();
        let key = connection.key(index);
        self.timers.expect_connect(self.clock.now, key);
        self.moves_too(key);
        Some(index)
    }

    /// What the peer sent behind its handshake, in the read buffer already.
    pub(crate) fn handle_first_bytes(&mut self, index: usize, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            self.handle_bytes(index, bytes);
            self.flush(index);
        }
    }

    /// What the peer sent behind its handshake; hyper may have read more of it than one buffer holds.
    fn handle_leftover(&mut self, index: usize, leftover: &[u8]) {
        self.speak_to(index);
        let mut buffer = self.lend_read_buffer();
        for piece in leftover.chunks(buffer.len()) {
            let bytes = &mut buffer[..piece.len()];
            bytes.copy_from_slice(piece);
            if self.handle_bytes(index, bytes) == Obeyed::Ended {
                break;
            }
        }
        self.return_read_buffer(buffer);
        self.flush(index);
    }

    /// A socket has something to read.
    pub(crate) fn handle_readable(&mut self, index: usize) {
        if !self.connections.contains(index) {
            return;
        }
        self.speak_to(index);
        let mut buffer = self.lend_read_buffer();
        let mut reads = 0;
        while let ReadOnce::Some = self.read_once(index, &mut buffer) {
            reads += 1;
            if reads == limits::READS_PER_TURN {
                self.read_on_later(index);
                break;
            }
        }
        self.return_read_buffer(buffer);
        self.flush(index);
    }

    fn read_once(&mut self, index: usize, buffer: &mut [u8]) -> ReadOnce {
        let Some(connection) = self.connections.get_mut(index) else {
            return ReadOnce::Done;
        };
        match connection.stream.read(buffer, &mut self.scratch) {
            Ok(0) => {
                self.lose(index);
                ReadOnce::Done
            }
            Ok(_) if connection.state == State::Closing => ReadOnce::Some,
            Ok(read) => {
                // Even when this ended the connection, the end of the stream is still to be waited for.
                self.handle_bytes(index, &mut buffer[..read]);
                ReadOnce::Some
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ReadOnce::Done,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => ReadOnce::Some,
            Err(_) => {
                self.lose(index);
                ReadOnce::Done
            }
        }
    }

    /// Turns bytes into commands and obeys them.
    fn handle_bytes(&mut self, index: usize, bytes: &mut [u8]) -> Obeyed {
        let Some(connection) = self.connections.get_mut(index) else {
            return Obeyed::Ended;
        };
        if connection.format.is_stream() {
            // Nobody speaks on what is a response.
            return Obeyed::GoOn;
        }
        let mut decoder = connection.take_decoder();
        let mut inflater = connection.deflate.map(|_| self.compression.lend_inflater());
        let mut feed = decoder.feed(bytes, self.config.message_bytes_max);
        if let Some(inflater) = &mut inflater {
            feed = feed.inflating(inflater);
        }
        let obeyed = loop {
            let obeyed = match feed.next_event() {
                Ok(None) => break Obeyed::GoOn,
                Ok(Some(event)) => self.handle_event(index, event),
                Err(violation) => {
                    tracing::debug!(%violation, "a client broke the framing rules");
                    self.end(index, Farewell::Code(violation.code()));
                    Obeyed::Ended
                }
            };
            if obeyed == Obeyed::Ended {
                break Obeyed::Ended;
            }
        };
        if let Some(inflater) = inflater {
            self.compression.return_inflater(inflater);
        }
        // The record may be gone, but its place cannot have a new tenant: sockets are adopted between turns.
        if let Some(connection) = self.connections.get_mut(index) {
            connection.return_decoder(decoder);
        }
        obeyed
    }

    fn handle_event(&mut self, index: usize, event: ws::Event<'_>) -> Obeyed {
        match (event, self.config.dialect) {
            (ws::Event::Text(text), Dialect::Centrifuge)
                if self.replies.format.encoding() == Encoding::Json =>
            {
                self.handle_frame(index, text.as_bytes())
            }
            (ws::Event::Binary(frame), Dialect::Centrifuge)
                if self.replies.format.encoding() == Encoding::Protobuf =>
            {
                self.handle_frame(index, frame)
            }
            (ws::Event::Text(_) | ws::Event::Binary(_), Dialect::Echo) => {
                self.echo(index, event);
                Obeyed::GoOn
            }
            (ws::Event::Ping(payload), _) => {
                if self.spend_budget(index) == Obeyed::Ended {
                    return Obeyed::Ended;
                }
                ws::frame::encode_pong(&mut self.replies.frames, payload);
                Obeyed::GoOn
            }
            (ws::Event::Pong(_), _) => self.spend_budget(index),
            (ws::Event::Text(_) | ws::Event::Binary(_), Dialect::Centrifuge) => {
                // JSON goes in frames of text, Protobuf in binary ones.
                self.end(index, Farewell::Code(ws::CloseCode::UNSUPPORTED));
                Obeyed::Ended
            }
            (ws::Event::Close { code, .. }, _) => {
                self.end(index, Farewell::Answer(code));
                Obeyed::Ended
            }
        }
    }

    /// Sends a message back as it came, compressed where that was negotiated.
    fn echo(&mut self, index: usize, event: ws::Event<'_>) {
        let deflate = self.connections.get(index).and_then(|c| c.deflate);
        let frames = &mut self.replies.frames;
        match (event, deflate) {
            (ws::Event::Text(text), None) => ws::frame::encode_text(frames, text),
            (ws::Event::Binary(bytes), None) => ws::frame::encode_binary(frames, bytes),
            (ws::Event::Text(text), Some(window)) => {
                let deflater = self.compression.deflater(window);
                ws::frame::encode_text_deflated(frames, text.as_bytes(), deflater);
            }
            (ws::Event::Binary(bytes), Some(window)) => {
                let deflater = self.compression.deflater(window);
                ws::frame::encode_binary_deflated(frames, bytes, deflater);
            }
            _ => {}
        }
    }

    /// A socket that was full takes more: first what is unsent, then what its rooms have meanwhile.
    pub(crate) fn handle_writable(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if !connection.blocked {
            return;
        }
        let mut written = connection.resume(&mut self.scratch);
        let mut skipped = Vec::new();
        for subscription in 0..connection.subscriptions.len() {
            if written != Written::All {
                break;
            }
            let key = connection.subscriptions[subscription].feed;
            let Some(feed) = self.feeds.get(key.index()) else {
                continue;
            };
            written = connection.send_room(subscription, feed, &mut self.scratch);
            if let Written::Skipped { missed } = written {
                skipped.push((key, missed));
                written = Written::All;
            }
        }
        if written == Written::All {
            self.unwatch_writable(index);
        }
        for (key, missed) in skipped {
            self.tell_missed(index, key, missed);
        }
        self.settle(index, written);
    }

    /// Writes the replies gathered for a connection.
    pub(crate) fn flush(&mut self, index: usize) {
        if self.replies.frames.is_empty() {
            return;
        }
        let mut frames = std::mem::take(&mut self.replies.frames);
        // A peer whose messages are sent back may have two of them waiting.
        let out_bytes_max = limits::OUT_BYTES_MAX.max(2 * self.config.message_bytes_max);
        if let Some(connection) = self.connections.get_mut(index) {
            let written = connection.send(&frames, out_bytes_max, &mut self.scratch);
            self.settle(index, written);
        }
        frames.clear();
        // A disconnect inside `settle` may have used a fresh buffer; either is empty now.
        self.replies.frames = frames;
    }

    /// Does what the outcome of a write asks for.
    pub(crate) fn settle(&mut self, index: usize, written: Written) {
        match written {
            // Who skipped is told so where the feed is known.
            Written::All | Written::Skipped { .. } => {}
            Written::Blocked => self.watch_writable(index),
            Written::Lapped => {
                self.metrics.cut("lapped");
                self.disconnect(index, DisconnectCode::Slow);
            }
            Written::TooMuch => {
                self.metrics.cut("unread");
                self.disconnect(index, DisconnectCode::Slow);
            }
            Written::Gone => self.lose(index),
        }
        self.finish_closing(index);
    }

    fn watch_writable(&mut self, index: usize) {
        self.watch(index, Interest::READABLE | Interest::WRITABLE);
        if let Some(connection) = self.connections.get_mut(index) {
            connection.blocked = true;
        }
    }

    fn unwatch_writable(&mut self, index: usize) {
        self.watch(index, Interest::READABLE);
    }

    fn watch(&mut self, index: usize, interest: Interest) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if let Err(error) =
            self.poll
                .registry()
                .reregister(&mut connection.stream, Token(index), interest)
        {
            tracing::warn!(%error, "a socket could not be watched");
            self.lose(index);
        }
    }

    /// The connection of a key, unless it is gone or going: nothing may follow our close frame (RFC 6455, section
    /// 5.5.1). What is said from now on is for it.
    pub(crate) fn find_open(&mut self, key: ConnectionKey) -> Option<usize> {
        let index = self.find(key)?;
        self.speak_to(index);
        matches!(self.connections[index].state, State::Open | State::Leaving).then_some(index)
    }

    /// The connection of a key, unless it is gone.
    pub(crate) fn find(&self, key: ConnectionKey) -> Option<usize> {
        let connection = self.connections.get(key.index())?;
        (connection.generation == key.generation).then_some(key.index())
    }
}
