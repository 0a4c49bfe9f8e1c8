//! The client's side of TLS over a socket that is not waited for, in as little memory as can be: there are as many of
//! these as fans.
//!
//! What is kept between two events is rustls' own state, the piece of a record that has come, and what the socket did
//! not take; everything else happens in the worker's one raw buffer. rustls keeps its place in the very bytes that it
//! was shown and not told to discard, so every call shows it those again.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::Arc,
};

use mio::net::TcpStream;
use rustls::{
    ClientConfig,
    client::{ClientConnectionData, UnbufferedClientConnection},
    pki_types::ServerName,
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus},
};

use super::{
    link::Pass,
    lost::{ENDED, Lost},
};
use crate::limits::{TLS_HELD_BYTES_MAX, TLS_RECORD_OVERHEAD_MAX, TLS_WRITE_BYTES_MAX};

/// A TLS connection; see the module.
pub(super) struct TlsStream {
    session: UnbufferedClientConnection,
    socket: TcpStream,
    /// The beginning of a record, or records that hold the beginning of a handshake message.
    incoming: Box<[u8]>,
    /// Sealed bytes that the socket did not take.
    outgoing: Vec<u8>,
    /// The server has said that nothing more comes.
    ended: bool,
}

/// Says where it is and not what it knows: keys are in there.
impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl TlsStream {
    /// A connection whose handshake has not begun.
    pub(super) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        socket: TcpStream,
    ) -> Result<Self, Lost> {
        Ok(Self {
            session: UnbufferedClientConnection::new(config, name)?,
            socket,
            incoming: Box::default(),
            outgoing: Vec::new(),
            ended: false,
        })
    }

    /// The socket beneath.
    pub(super) const fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether the handshake is still under way.
    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// How many bytes wait for the socket.
    pub(super) const fn unsent(&self) -> usize {
        self.outgoing.len()
    }

    /// Says hello; what the server answers is read.
    pub(super) fn begin(&mut self) -> Result<(), Lost> {
        let mut sealed = Vec::new();
        self.open(&mut [], &mut [], &mut sealed)?;
        self.transmit(&sealed)
    }

    /// Reads once from the socket into `raw`, and puts the plain bytes that come of it into `plain`, which is as large.
    pub(super) fn read(&mut self, raw: &mut [u8], plain: &mut [u8]) -> Result<Pass, Lost> {
        if self.ended {
            return Err(ENDED);
        }
        let held = self.incoming.len();
        // A server that cuts its records smaller and smaller, and never ends one, is none.
        let room = raw.get_mut(held..).filter(|room| !room.is_empty());
        let room = room.ok_or(Lost::Frames)?;
        let wanted = room.len();
        let read = match self.socket.read(room) {
            Ok(0) => return Err(ENDED),
            Ok(read) => read,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => Ok(Pass::Nothing),
                    io::ErrorKind::Interrupted => Ok(Pass::Some {
                        bytes: 0,
                        more: true,
                    }),
                    _ => Err(error.into()),
                };
            }
        };
        raw[..held].copy_from_slice(&self.incoming);
        let records = &mut raw[..held + read];
        let mut sealed = Vec::new();
        let opened = self.open(records, plain, &mut sealed);
        // What TLS itself has to say, be it an alert, goes in any case.
        let sent = self.transmit(&sealed);
        let (consumed, bytes) = opened?;
        sent?;
        let rest = &records[consumed..];
        if rest.len() > TLS_HELD_BYTES_MAX {
            return Err(Lost::Frames);
        }
        if *rest != *self.incoming {
            self.incoming = rest.into();
        }
        let more = read == wanted;
        Ok(Pass::Some { bytes, more })
    }

    /// Opens the whole records of `raw`, and gathers what TLS answers of its own. Returns how much of `raw` is done with,
    /// and how many plain bytes there are.
    fn open(
        &mut self,
        raw: &mut [u8],
        plain: &mut [u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(usize, usize), Lost> {
        let (mut consumed, mut bytes) = (0, 0);
        loop {
            let UnbufferedStatus {
                mut discard, state, ..
            } = self.session.process_tls_records(&mut raw[consumed..]);
            let mut waits = false;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        let end = bytes + record.payload.len();
                        let room = plain.get_mut(bytes..end).ok_or(Lost::Frames)?;
                        room.copy_from_slice(record.payload);
                        bytes = end;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, sealed)?,
                // Whoever called sends it, before anything else.
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.ended = true,
                ConnectionState::Closed => {
                    self.ended = true;
                    waits = true;
                }
                _ => waits = true,
            }
            consumed += discard;
            if waits {
                return Ok((consumed, bytes));
            }
        }
    }

    /// Seals plain bytes and sends them; what the socket does not take is kept.
    pub(super) fn write(&mut self, plain: &[u8]) -> Result<(), Lost> {
        let mut sealed = Vec::with_capacity(plain.len() + TLS_RECORD_OVERHEAD_MAX);
        loop {
            match self.session.process_tls_records(&mut self.incoming).state? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    for piece in plain.chunks(TLS_WRITE_BYTES_MAX) {
                        let start = sealed.len();
                        sealed.resize(start + piece.len() + TLS_RECORD_OVERHEAD_MAX, 0);
                        let written = traffic
                            .encrypt(piece, &mut sealed[start..])
                            .map_err(|error| Lost::Tls(error.to_string().into()))?;
                        sealed.truncate(start + written);
                    }
                    break;
                }
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, &mut sealed)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                _ => return Err(Lost::Io(io::ErrorKind::NotConnected)),
            }
        }
        self.transmit(&sealed)
    }

    /// Sends sealed bytes behind those that wait, and keeps what the socket does not take.
    fn transmit(&mut self, sealed: &[u8]) -> Result<(), Lost> {
        self.outgoing.extend_from_slice(sealed);
        self.flush()
    }

    /// Goes on with what the socket did not take.
    pub(super) fn flush(&mut self) -> Result<(), Lost> {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        let mut sent = 0;
        while sent < outgoing.len() {
            match self.socket.write(&outgoing[sent..]) {
                Ok(0) => return Err(Lost::Io(io::ErrorKind::WriteZero)),
                Ok(written) => sent += written,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => break,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error.into()),
                },
            }
        }
        // Nearly always nothing is left, and then nothing is kept.
        if sent < outgoing.len() {
            outgoing.drain(..sent);
            self.outgoing = outgoing;
        }
        Ok(())
    }
}

/// Appends a record of TLS' own.
fn encode(
    data: &mut EncodeTlsData<'_, ClientConnectionData>,
    sealed: &mut Vec<u8>,
) -> Result<(), Lost> {
    let start = sealed.len();
    // Asked without room it tells how much it needs, and nothing is lost by it.
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        sealed.resize(start + needed.required_size, 0);
    }
    let written = data
        .encode(&mut sealed[start..])
        .map_err(|error| Lost::Tls(error.to_string().into()))?;
    sealed.truncate(start + written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread, time::Duration};

    use mio::{Events, Interest, Poll, Token};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::{limits::READ_BUFFER_BYTES, trust};

    /// A server that says back what it is told, until there is no more.
    fn echo(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let key = certified.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let session = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(session, socket);
            let mut piece = [0; 5_000];
            while let Ok(bytes @ 1..) = stream.read(&mut piece) {
                stream.write_all(&piece[..bytes]).unwrap();
            }
        });
        address
    }

    struct Client {
        stream: TlsStream,
        poll: Poll,
        raw: Vec<u8>,
        plain: Vec<u8>,
    }

    impl Client {
        fn connect(address: std::net::SocketAddr, config: Arc<ClientConfig>) -> Self {
            let socket = std::net::TcpStream::connect(address).unwrap();
            socket.set_nonblocking(true).unwrap();
            let mut socket = TcpStream::from_std(socket);
            let poll = Poll::new().unwrap();
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut socket, Token(0), both)
                .unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            Self {
                stream: TlsStream::new(config, name, socket).unwrap(),
                poll,
                raw: vec![0; READ_BUFFER_BYTES],
                plain: vec![0; READ_BUFFER_BYTES],
            }
        }

        /// Waits for what comes next.
        fn read(&mut self) -> Result<Vec<u8>, Lost> {
            let mut events = Events::with_capacity(8);
            loop {
                match self.stream.read(&mut self.raw, &mut self.plain)? {
                    Pass::Some { bytes, .. } => return Ok(self.plain[..bytes].to_vec()),
                    Pass::Nothing => {
                        let wait = Some(Duration::from_secs(10));
                        self.poll.poll(&mut events, wait).unwrap();
                        assert!(!events.is_empty(), "nothing comes");
                        self.stream.flush()?;
                    }
                }
            }
        }

        fn shake_hands(&mut self) -> Result<(), Lost> {
            self.stream.begin()?;
            while self.stream.is_handshaking() {
                assert!(self.read()?.is_empty(), "nobody has said anything");
            }
            Ok(())
        }
    }

    fn certified() -> rcgen::CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    fn believing(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Arc<ClientConfig> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, certified.cert.pem()).unwrap();
        trust::client_config(Some(&file)).unwrap()
    }

    #[test]
    fn what_is_said_comes_back_whole() {
        let certified = certified();
        let mut client = Client::connect(echo(&certified), believing(&certified));
        client.shake_hands().unwrap();
        for length in [1, 4_000, 70_000, 300_000] {
            let said: Vec<u8> = (0..length).map(|byte: u32| byte.to_le_bytes()[0]).collect();
            client.stream.write(&said).unwrap();
            let mut heard = Vec::new();
            while heard.len() < said.len() {
                heard.extend(client.read().unwrap());
            }
            assert_eq!(heard, said);
            assert_eq!(client.stream.unsent(), 0);
        }
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let mut client = Client::connect(echo(&certified()), believing(&certified()));
        let lost = client.shake_hands().unwrap_err();
        assert!(lost.reason().starts_with("TLS: invalid peer certificate"));
    }

    #[test]
    fn the_record_is_small() {
        assert!(
            size_of::<TlsStream>() <= 1_400,
            "{}",
            size_of::<TlsStream>()
        );
    }
}
