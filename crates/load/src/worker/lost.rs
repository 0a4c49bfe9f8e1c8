//! Why connections end, or never come about: in words for the report, and as the close code that they count as.

use std::io;

use crate::frames::FrameError;

/// Why a connection is no more, or never was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// The system's own reason.
    Io(io::ErrorKind),
    /// There was no local port left to connect from.
    NoPorts,
    /// The server answered the upgrade with another status.
    Status(u16),
    /// The answer to the upgrade was no HTTP.
    NoHttp,
    /// The server breaks the framing.
    Frames,
    /// TLS came to nothing: the certificate is not trusted, or the like.
    Tls(Box<str>),
    /// The server closed with this code; 1006 when it did so without a word.
    Closed(u16),
    /// Nobody answered in time.
    TimedOut,
    /// The server's pings stayed away.
    Silent,
    /// A command that everything depends on was refused with this error code.
    Refused(u32),
}

/// "1006 is a reserved value": the connection ended without a close frame.
const ABNORMAL: u16 = 1006;

/// The server ended the connection without a word.
pub(super) const ENDED: Lost = Lost::Closed(ABNORMAL);

impl Lost {
    /// In words, for the report.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Io(kind) => kind.to_string(),
            Self::NoPorts => "no local port left".to_owned(),
            Self::Status(status) => format!("HTTP status {status}"),
            Self::NoHttp => "not an HTTP answer".to_owned(),
            Self::Frames => "broken WebSocket framing".to_owned(),
            Self::Tls(reason) => format!("TLS: {reason}"),
            Self::Closed(code) => format!("closed with {code}"),
            Self::TimedOut => "no answer in time".to_owned(),
            Self::Silent => "no ping in time".to_owned(),
            Self::Refused(code) => format!("refused with error {code}"),
        }
    }
}

impl Lost {
    /// The close code that it counts as: a connection that was there and just ended has one, too.
    pub(super) const fn close_code(&self, was_live: bool) -> Option<u16> {
        match self {
            Self::Closed(code) => Some(*code),
            _ if was_live => Some(ABNORMAL),
            _ => None,
        }
    }

    /// A server that closes while we still write resets: on a connection that was there, an end without a word.
    pub(super) fn after(self, was_open: bool) -> Self {
        match self {
            Self::Io(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) if was_open => {
                ENDED
            }
            other => other,
        }
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Self::NoPorts,
            kind => Self::Io(kind),
        }
    }
}

impl From<rustls::Error> for Lost {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error.to_string().into())
    }
}

impl From<FrameError> for Lost {
    fn from(_: FrameError) -> Self {
        Self::Frames
    }
}
