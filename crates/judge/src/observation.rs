//! What the shell saw at a server, as plain data: the checkers look at nothing else.

use std::time::Duration;

use bytes::Bytes;

/// The versions of HTTP that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Http {
    /// HTTP/1.0.
    V1_0,
    /// HTTP/1.1.
    V1_1,
    /// HTTP/2.
    V2,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The multivariant playlist.
    Multivariant,
    /// A media playlist, without directives that block.
    Plain,
    /// A media playlist with `_HLS_msn`.
    Blocking,
    /// An init section, a part or a segment.
    Media,
}

/// One answer, whole. Times are since the start of the run.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The URL that was asked.
    pub url: String,
    /// Whether over TLS.
    pub is_https: bool,
    /// The version of HTTP.
    pub http: Http,
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, without content encoding.
    pub body: Bytes,
    /// Whether the body was sent with gzip.
    pub was_compressed: bool,
    /// What was wrong with the body's encoding.
    pub bad_encoding: Option<String>,
    /// Where a redirect led, the first where there were more.
    pub redirected: Option<String>,
    /// When the request was sent.
    pub sent: Duration,
    /// When its head was there.
    pub head: Duration,
    /// When the first byte of the body was there.
    pub first: Duration,
    /// When it was there whole.
    pub done: Duration,
}

impl Answer {
    /// The value of a header, the first where there are more.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// How long it took from the request to the last byte.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.done.saturating_sub(self.sent)
    }
}

/// How a request ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// With an answer.
    Answered(Box<Answer>),
    /// With none, after so long.
    Silent(Duration),
    /// The connection broke, or could not be made.
    Broken(String),
}

impl Outcome {
    /// The answer.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::Silent(_) | Self::Broken(_) => None,
        }
    }
}
