//! TLS over a socket, in as little memory as can be: what is kept between two events is rustls' own state, the piece of
//! a record that has come, and the piece of one that the socket did not take. Everything else happens in the reactor's
//! one [`Scratch`].
//!
//! rustls keeps its place in the very bytes that it was shown and not told to discard, so every call shows it those
//! again: what is kept of them is [`TlsStream::incoming`], as rustls left it.
//!
//! Plain bytes are sealed when they are written, at most [`Socket::WRITE_BYTES_MAX`] at a time,
//! and count as taken: what the socket leaves is kept here and goes first. So a fan who does not read costs one such
//! piece beside the room's log, and never a queue.

use std::{
    fmt,
    io::{self, Read, Write},
    net::Shutdown,
    sync::Arc,
};

use mio::net::TcpStream;
use rustls::{
    ServerConfig,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus},
};

use super::stream::{Scratch, Taken, Tally, write_once};
use crate::limits;

/// What TLS is spoken over: a socket that never blocks.
pub(crate) trait Socket: Read + Write + fmt::Debug {
    /// Plain bytes that are sealed at once, and go with one write where the socket takes them.
    const WRITE_BYTES_MAX: usize;

    /// Ends our half of it.
    fn end(&self) -> io::Result<()>;
}

impl Socket for TcpStream {
    const WRITE_BYTES_MAX: usize = limits::TLS_WRITE_BYTES_MAX;

    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// A TLS connection, over a socket of a reactor's where nothing else is said; see the module.
pub(crate) struct TlsStream<S = TcpStream> {
    session: UnbufferedServerConnection,
    pub(super) socket: S,
    /// The beginning of a record, or records that hold the beginning of a handshake message.
    incoming: Box<[u8]>,
    outgoing: Option<Box<Outgoing>>,
    peer: Peer,
}

/// Says where it is and not what it knows: keys are in there.
impl<S: Socket> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("socket", &self.socket)
            .field("handshaking", &self.is_handshaking())
            .field("flushed", &self.is_flushed())
            .finish_non_exhaustive()
    }
}

/// Sealed bytes that the socket did not take.
#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

/// What is to be expected of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// More.
    Speaks,
    /// It has said that nothing more comes.
    Closed,
}

/// What the records of one read came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Opened {
    /// Bytes of whole records.
    consumed: usize,
    /// Plain bytes in them.
    plain: usize,
}

impl<S: Socket> TlsStream<S> {
    /// A connection whose handshake has not begun.
    pub(crate) fn new(config: Arc<ServerConfig>, socket: S) -> Result<Self, rustls::Error> {
        Ok(Self {
            session: UnbufferedServerConnection::new(config)?,
            socket,
            incoming: Box::default(),
            outgoing: None,
            peer: Peer::Speaks,
        })
    }

    /// The socket itself, to set what it does; nothing may be read from it or written to it.
    pub(crate) fn socket(&self) -> &S {
        &self.socket
    }

    /// The same connection, whose socket is watched by another.
    pub(crate) fn over<T>(
        self,
        other: impl FnOnce(S) -> io::Result<T>,
    ) -> io::Result<TlsStream<T>> {
        let Self {
            session,
            socket,
            incoming,
            outgoing,
            peer,
        } = self;
        Ok(TlsStream {
            session,
            socket: other(socket)?,
            incoming,
            outgoing,
            peer,
        })
    }

    /// What was agreed to be spoken (ALPN), once the handshake is over.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }

    /// Whether the handshake is under way.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Whether the socket has everything that was written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outgoing.is_none()
    }

    /// Reads plain bytes into a buffer that is larger than a record; goes on with the handshake meanwhile.
    pub(crate) fn read(&mut self, buffer: &mut [u8], scratch: &mut Scratch) -> io::Result<usize> {
        loop {
            if self.peer == Peer::Closed {
                return Ok(0);
            }
            let mut raw = std::mem::take(&mut scratch.raw);
            let read = self.read_records(&mut raw, buffer, scratch);
            scratch.raw = raw;
            match read? {
                Some(0) => {}
                Some(plain) => return Ok(plain),
                None => return Ok(0),
            }
        }
    }

    /// Reads once from the socket; how many plain bytes came of it, or `None` at the stream's end.
    fn read_records(
        &mut self,
        raw: &mut Vec<u8>,
        buffer: &mut [u8],
        scratch: &mut Scratch,
    ) -> io::Result<Option<usize>> {
        raw.resize(limits::READ_BUFFER_BYTES, 0);
        let held = self.incoming.len();
        // Never more than the plain bytes have room for.
        let most = raw.len().min(buffer.len());
        let room = raw.get_mut(held..most).filter(|room| !room.is_empty());
        // Longer than any record: the peer cuts its messages smaller and smaller, and never ends one.
        let room = room.ok_or(io::ErrorKind::InvalidData)?;
        let read = self.socket.read(room)?;
        if read == 0 {
            return Ok(None);
        }
        raw[..held].copy_from_slice(&self.incoming);
        let records = &mut raw[..held + read];
        scratch.asides.clear();
        let opened = self.open(records, buffer, &mut scratch.asides);
        // What TLS itself has to say, be it an alert, goes in any case.
        let asides = std::mem::take(&mut scratch.asides);
        let sent = self.transmit(&asides, &mut scratch.tally);
        scratch.asides = asides;
        let opened = opened.map_err(broken)?;
        sent?;
        let rest = &records[opened.consumed..];
        if *rest != *self.incoming {
            self.incoming = rest.into();
        }
        if self.is_handshaking() && !self.is_flushed() {
            // An empty socket that does not take one flight is none to wait for.
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(Some(opened.plain))
    }

    /// Opens the whole records of `raw`, and gathers what TLS answers of its own.
    fn open(
        &mut self,
        raw: &mut [u8],
        plain: &mut [u8],
        sealed: &mut Vec<u8>,
    ) -> Result<Opened, rustls::Error> {
        let mut opened = Opened::default();
        loop {
            let UnbufferedStatus {
                mut discard, state, ..
            } = self
                .session
                .process_tls_records(&mut raw[opened.consumed..]);
            let mut waits = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        let end = opened.plain + record.payload.len();
                        let Some(room) = plain.get_mut(opened.plain..end) else {
                            return Err(rustls::Error::General("no room for a record".to_owned()));
                        };
                        room.copy_from_slice(record.payload);
                        opened.plain = end;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, sealed)?,
                // Whoever called sends it, before anything else.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.peer = Peer::Closed,
                Ok(_) => waits = true,
                Err(error) => {
                    self.encode_alert(&mut raw[opened.consumed..], sealed);
                    return Err(error);
                }
            }
            opened.consumed += discard;
            if waits {
                return Ok(opened);
            }
        }
    }

    /// The alert that goes with an error over these bytes, if there is one.
    fn encode_alert(&mut self, raw: &mut [u8], sealed: &mut Vec<u8>) {
        let status = self.session.process_tls_records(raw);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state
            && let Err(error) = encode(&mut data, sealed)
        {
            tracing::trace!(%error, "an alert could not be said");
        }
    }

    /// Seals plain bytes and sends them; takes none while the socket has not taken what was sealed before.
    pub(crate) fn write(
        &mut self,
        first: &[u8],
        second: &[u8],
        scratch: &mut Scratch,
    ) -> io::Result<Taken> {
        if !self.flush(&mut scratch.tally)? {
            return Ok(Taken {
                bytes: 0,
                full: true,
            });
        }
        let first = &first[..first.len().min(S::WRITE_BYTES_MAX)];
        let second = &second[..second.len().min(S::WRITE_BYTES_MAX - first.len())];
        let mut sealed = std::mem::take(&mut scratch.sealed);
        let sent = self
            .seal(&[first, second], &mut sealed)
            .and_then(|length| self.transmit(&sealed[..length], &mut scratch.tally));
        scratch.sealed = sealed;
        sent?;
        Ok(Taken {
            bytes: first.len() + second.len(),
            full: !self.is_flushed(),
        })
    }

    /// Writes the pieces sealed to the beginning of `sealed`, which only ever grows: clearing it would cost as much as a copy.
    /// How long that is.
    fn seal(&mut self, pieces: &[&[u8]], sealed: &mut Vec<u8>) -> io::Result<usize> {
        let mut length = 0;
        loop {
            match self.session.process_tls_records(&mut self.incoming).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                        let records = piece.len().div_ceil(limits::TLS_RECORD_BYTES_MAX);
                        let overhead = records * limits::TLS_RECORD_OVERHEAD_MAX;
                        let end = length + piece.len() + overhead;
                        if sealed.len() < end {
                            sealed.resize(end, 0);
                        }
                        length += traffic
                            .encrypt(piece, &mut sealed[length..end])
                            .map_err(io::Error::other)?;
                    }
                    return Ok(length);
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    sealed.truncate(length);
                    encode(&mut data, sealed).map_err(broken)?;
                    length = sealed.len();
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.peer = Peer::Closed,
                Ok(_) => return Err(io::ErrorKind::NotConnected.into()),
                Err(error) => return Err(broken(error)),
            }
        }
    }

    /// Sends sealed bytes, and keeps what the socket does not take.
    fn transmit(&mut self, sealed: &[u8], tally: &mut Tally) -> io::Result<()> {
        let written = match &self.outgoing {
            _ if sealed.is_empty() => return Ok(()),
            Some(_) => 0,
            None => write_once(&mut self.socket, sealed, &[], tally)?,
        };
        let rest = &sealed[written..];
        if rest.is_empty() {
            return Ok(());
        }
        let outgoing = self.outgoing.get_or_insert_with(|| {
            Box::new(Outgoing {
                bytes: Vec::new(),
                sent: 0,
            })
        });
        // Only TLS' own answers come on top of a piece: a peer that provokes more of them than it reads is cut.
        if outgoing.bytes.len() + rest.len() > S::WRITE_BYTES_MAX + limits::TLS_OUT_SPARE_BYTES {
            return Err(io::ErrorKind::WriteZero.into());
        }
        outgoing.bytes.reserve_exact(rest.len());
        outgoing.bytes.extend_from_slice(rest);
        Ok(())
    }

    /// Goes on with what the socket did not take; whether it has all of it now.
    pub(crate) fn flush(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let Some(outgoing) = &mut self.outgoing else {
            return Ok(true);
        };
        let rest = &outgoing.bytes[outgoing.sent..];
        outgoing.sent += write_once(&mut self.socket, rest, &[], tally)?;
        if outgoing.sent < outgoing.bytes.len() {
            return Ok(false);
        }
        self.outgoing = None;
        Ok(true)
    }

    /// Says that nothing more comes, and ends our half of the stream.
    pub(crate) fn shutdown(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        scratch.asides.clear();
        scratch.asides.resize(limits::TLS_RECORD_OVERHEAD_MAX, 0);
        let status = self.session.process_tls_records(&mut self.incoming);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state {
            let written = traffic
                .queue_close_notify(&mut scratch.asides)
                .map_err(io::Error::other)?;
            let asides = std::mem::take(&mut scratch.asides);
            let sent = self.transmit(&asides[..written], &mut scratch.tally);
            scratch.asides = asides;
            sent?;
        }
        self.socket.end()
    }
}

/// Appends a record of TLS' own.
fn encode(
    data: &mut EncodeTlsData<'_, ServerConnectionData>,
    sealed: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    let start = sealed.len();
    // Asked without room it tells how much it needs, and nothing is lost by it.
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        sealed.resize(start + needed.required_size, 0);
    }
    let written = data
        .encode(&mut sealed[start..])
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    sealed.truncate(start + written);
    Ok(())
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What rustls keeps on the heap comes on top, about 1 KiB; bench/ measures the sum.
    #[test]
    fn the_record_is_small() {
        assert!(
            size_of::<TlsStream>() <= 1_400,
            "{}",
            size_of::<TlsStream>()
        );
    }
}
