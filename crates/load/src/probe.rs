//! One careful connection before the crowd: it tells the user what is wrong while it is still cheap to say.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    frames::{Frame, FrameReader},
    limits::{GUESTS_MAX, PROBE_TIMEOUT, UPGRADE_BYTES_MAX},
    protocol::{self, Encoding, Line},
    target::{Endpoint, Target},
};

/// Why the run would make no sense.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Nobody answers there.
    #[error("no server answers at {host} ({source}); is it running, and is this its address?")]
    Unreachable {
        /// Where.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody answers, but not as whom they are named.
    #[error(
        "TLS with {host} comes to nothing ({source}); a certificate that this system does not know is named with \
         --ca FILE"
    )]
    Tls {
        /// Where.
        host: String,
        /// What is wrong.
        source: io::Error,
    },
    /// An HTTP server, but no WebSocket there.
    #[error(
        "{host} answers HTTP status {status} instead of a WebSocket under {path}; is the path right?"
    )]
    NoWebSocket {
        /// Where.
        host: String,
        /// The path asked for.
        path: String,
        /// What it said.
        status: u16,
    },
    /// Something that is not HTTP.
    #[error("what answers at {host} does not speak HTTP")]
    NoHttp {
        /// Where.
        host: String,
    },
    /// The credentials are not taken.
    #[error(
        "the server refuses the token ({answer}); sign one with its own secret: `fanwave token`, or give the secret \
         with --secret-file"
    )]
    TokenRefused {
        /// Its words.
        answer: String,
    },
    /// The room is not there.
    #[error("the server refuses room `{room}` ({answer}); --room must name one of its channels")]
    RoomRefused {
        /// Which.
        room: String,
        /// Its words.
        answer: String,
    },
    /// No guest token was given out.
    #[error("the server gives out no guest tokens ({answer}); use --token, or --secret-file")]
    NoGuests {
        /// Its words.
        answer: String,
    },
}

/// Connects once, says who it is and subscribes, as every fan will.
///
/// # Errors
///
/// Whatever would stop all fans.
pub(crate) fn check(
    target: &Target,
    manner: &Manner,
    token: &str,
    room: &str,
) -> Result<(), ProbeError> {
    let encoding = manner.encoding;
    let mut conversation = Conversation::open(target, manner)?;
    let mut frame = Vec::new();
    encoding.push_frame(&mut frame, &encoding.join(token, room, None));
    let unreachable = |source| unreachable(&target.chat, source);
    conversation.stream.write_all(&frame).map_err(unreachable)?;
    let mut answers = 0;
    while answers < 3 {
        let message = match conversation.next_message().map_err(unreachable)? {
            Spoken::Message(message) => message,
            Spoken::Closed(code) => {
                let answer = format!("it closes with {code}");
                return Err(ProbeError::TokenRefused { answer });
            }
        };
        for line in encoding.lines(&message) {
            let Line::Reply(line) = line else { continue };
            let Some(reply) = encoding.parse_reply(line).filter(|reply| reply.id > 0) else {
                continue;
            };
            answers += 1;
            let Some(error) = reply.error else { continue };
            let answer = format!("error {}", error.code);
            return Err(if reply.id == protocol::CONNECT {
                ProbeError::TokenRefused { answer }
            } else {
                ProbeError::RoomRefused {
                    room: room.to_owned(),
                    answer,
                }
            });
        }
    }
    Ok(())
}

/// A WebSocket, waited for.
struct Conversation {
    stream: Box<dyn Stream>,
    reader: FrameReader,
    /// Bytes that came and were not looked at.
    rest: Vec<u8>,
}

enum Spoken {
    Message(Vec<u8>),
    Closed(u16),
}

impl Conversation {
    fn open(target: &Target, manner: &Manner) -> Result<Self, ProbeError> {
        let host = &target.chat.host;
        let unreachable = |source| unreachable(&target.chat, source);
        let mut stream = connect(&target.chat, manner).map_err(unreachable)?;
        let request = manner.encoding.upgrade(target);
        stream.write_all(request.as_bytes()).map_err(unreachable)?;
        let mut answer = Vec::new();
        let end = loop {
            if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
                break end + 4;
            }
            let mut piece = [0; 1024];
            let bytes = stream.read(&mut piece).map_err(unreachable)?;
            answer.extend_from_slice(&piece[..bytes]);
            if bytes == 0 || answer.len() > UPGRADE_BYTES_MAX {
                return Err(ProbeError::NoHttp { host: host.clone() });
            }
        };
        match protocol::http_status(&answer) {
            Some(101) => Ok(Self {
                stream,
                reader: FrameReader::default(),
                rest: answer.split_off(end),
            }),
            Some(status) => Err(ProbeError::NoWebSocket {
                host: host.clone(),
                path: target.path.clone(),
                status,
            }),
            None => Err(ProbeError::NoHttp { host: host.clone() }),
        }
    }

    fn next_message(&mut self) -> io::Result<Spoken> {
        loop {
            let mut input = self.rest.as_slice();
            let found = match self.reader.next(&mut input) {
                Ok(Some(Frame::Message(message))) => Some(Spoken::Message(message.to_vec())),
                Ok(Some(Frame::Close(code))) => Some(Spoken::Closed(code)),
                Ok(_) => None,
                Err(error) => return Err(io::Error::other(error)),
            };
            self.rest = input.to_vec();
            if let Some(found) = found {
                return Ok(found);
            }
            if self.rest.is_empty() {
                let mut piece = [0; 4096];
                let bytes = self.stream.read(&mut piece)?;
                if bytes == 0 {
                    return Ok(Spoken::Closed(1006));
                }
                self.rest.extend_from_slice(&piece[..bytes]);
            }
        }
    }
}

/// Plain bytes of either kind of connection.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// How servers are spoken to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manner {
    pub(crate) encoding: Encoding,
    /// Whom to believe over TLS; none when nobody speaks it.
    pub(crate) trust: Option<Arc<ClientConfig>>,
}

fn unreachable(endpoint: &Endpoint, source: io::Error) -> ProbeError {
    let host = endpoint.host.clone();
    // This is how rustls says what is wrong with a certificate.
    match source.kind() {
        io::ErrorKind::InvalidData if endpoint.tls => ProbeError::Tls { host, source },
        _ => ProbeError::Unreachable { host, source },
    }
}

fn connect(endpoint: &Endpoint, manner: &Manner) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect_timeout(&endpoint.address, PROBE_TIMEOUT)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
    stream.set_write_timeout(Some(PROBE_TIMEOUT))?;
    Ok(match &manner.trust {
        Some(trust) if endpoint.tls => {
            let name =
                ServerName::try_from(endpoint.name().to_owned()).map_err(io::Error::other)?;
            let session = ClientConnection::new(trust.clone(), name).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(session, stream))
        }
        _ => Box::new(stream),
    })
}

/// Fetches guest tokens, no more than so many a second: one connection, one request after the other.
///
/// # Errors
///
/// The server is not there, or gives none out.
pub(crate) fn guests(
    http: &Endpoint,
    manner: &Manner,
    count: u32,
    per_second: u32,
) -> Result<Vec<String>, ProbeError> {
    let unreachable = |source| unreachable(http, source);
    let mut stream = BufReader::new(connect(http, manner).map_err(unreachable)?);
    let pause = Duration::from_secs(1) / per_second.max(1);
    let mut tokens = Vec::new();
    for index in 0..count.clamp(1, GUESTS_MAX) {
        if index > 0 {
            std::thread::sleep(pause);
        }
        let body = format!("{{\"name\":\"Load fan {index}\"}}");
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            fanwave_wire::path::GUESTS,
            http.host,
            body.len()
        );
        stream
            .get_mut()
            .write_all(request.as_bytes())
            .map_err(unreachable)?;
        let (status, answer) = read_answer(&mut stream).map_err(unreachable)?;
        let guest = serde_json::from_slice::<Guest>(&answer);
        match (status, guest) {
            (200..=299, Ok(guest)) => tokens.push(guest.token),
            (status, _) => {
                let answer = format!("HTTP status {status}");
                return Err(ProbeError::NoGuests { answer });
            }
        }
    }
    Ok(tokens)
}

#[derive(Deserialize)]
struct Guest {
    token: String,
}

/// Status and body of an answer that says its length.
fn read_answer(stream: &mut impl BufRead) -> io::Result<(u16, Vec<u8>)> {
    let mut status = 0;
    let mut length = 0;
    loop {
        let mut line = Vec::new();
        stream
            .by_ref()
            .take(UPGRADE_BYTES_MAX as u64)
            .read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(&line).to_ascii_lowercase();
        if let Some(found) = protocol::http_status(line.to_ascii_uppercase().as_bytes()) {
            status = found;
        } else if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        } else if line.trim().is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body)?;
    Ok((status, body))
}
