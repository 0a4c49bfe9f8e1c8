//! A client of HTTP/1.1 and HTTP/2 that takes the time of everything.
//!
//! A [`Line`] is one connection that is kept, as a player keeps one; a request that was given up ends it.

use std::{io::Read, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, Version,
    body::Incoming,
    client::conn::{http1, http2},
    header::{ACCEPT, ACCEPT_ENCODING, HOST, LOCATION, ORIGIN, RANGE, USER_AGENT},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::dial::Dial;
use crate::{
    address::Address,
    check::delivery,
    limits::{CONNECT_TIME_MAX, MEDIA_BYTES_MAX, PLAYLIST_BYTES_MAX, REDIRECTS_MAX},
    observation::{Answer, Http, Outcome},
};

/// What all requests of a run have in common.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) start: Instant,
}

impl Client {
    /// Time since the start of the run.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) address: Address,
    pub(crate) is_media: bool,
    /// First and last byte.
    pub(crate) range: Option<(u64, u64)>,
    /// How long to wait for the whole answer.
    pub(crate) patience: Duration,
}

enum Sender {
    One(http1::SendRequest<Empty<Bytes>>),
    Two(http2::SendRequest<Empty<Bytes>>),
}

/// A connection that is open.
struct Open {
    is_https: bool,
    authority: String,
    sender: Sender,
    task: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// See the module.
pub(crate) struct Line {
    client: Arc<Client>,
    open: Option<Open>,
}

impl Line {
    pub(crate) const fn new(client: Arc<Client>) -> Self {
        Self { client, open: None }
    }

    /// Asks, follows redirects, and waits for the whole answer.
    pub(crate) async fn get(&mut self, ask: &Ask) -> Outcome {
        let began = self.client.now();
        let result = timeout(ask.patience, self.follow(ask)).await;
        match result {
            Ok(Ok(answer)) => Outcome::Answered(Box::new(answer)),
            Ok(Err(why)) => {
                self.open = None;
                Outcome::Broken(why)
            }
            Err(_) => {
                self.open = None;
                Outcome::Silent(self.client.now().saturating_sub(began))
            }
        }
    }

    async fn follow(&mut self, ask: &Ask) -> Result<Answer, String> {
        let mut ask = ask.clone();
        let mut redirected = None;
        for _ in 0..=REDIRECTS_MAX {
            let answer = match self.once(&ask).await {
                // The server may have closed a kept connection in the meantime, which is its right: a new one tells.
                Err(_) if self.open.take().is_some() => self.once(&ask).await?,
                other => other?,
            };
            let target = answer
                .header(LOCATION.as_str())
                .and_then(|to| ask.address.resolve(to));
            match target.filter(|_| (300..400).contains(&answer.status) && answer.status != 304) {
                Some(to) => {
                    redirected = redirected.or(Some(to.to_string()));
                    ask.address = to;
                }
                None => {
                    return Ok(Answer {
                        redirected,
                        ..answer
                    });
                }
            }
        }
        Err(format!("more than {REDIRECTS_MAX} redirects"))
    }

    async fn once(&mut self, ask: &Ask) -> Result<Answer, String> {
        let client = self.client.clone();
        let mut open = match self.open.take() {
            Some(open) if open.fits(&ask.address) => open,
            _ => Open::new(&client, &ask.address).await?,
        };
        let is_new = |error: hyper::Error| format!("no answer: {error}");
        let sent = client.now();
        let response = match &mut open.sender {
            Sender::One(sender) => {
                let request = request(ask, false)?;
                sender.ready().await.map_err(is_new)?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                let request = request(ask, true)?;
                sender.ready().await.map_err(is_new)?;
                sender.send_request(request).await
            }
        };
        let head = client.now();
        let answer = read(response.map_err(is_new)?, ask, &client, (sent, head)).await?;
        self.open = Some(open);
        Ok(answer)
    }
}

impl Open {
    async fn new(client: &Client, address: &Address) -> Result<Self, String> {
        let wire = timeout(CONNECT_TIME_MAX, client.dial.dial(address)).await;
        let wire = wire.map_err(|_| {
            format!(
                "no connection to {} within {CONNECT_TIME_MAX:?}",
                address.authority
            )
        })??;
        let io = TokioIo::new(wire.stream);
        let told = |error: hyper::Error| format!("no HTTP: {error}");
        let (sender, task) = if wire.is_h2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
                .await
                .map_err(told)?;
            // How a connection ends is told by the requests on it.
            let task = tokio::spawn(async move { drop(connection.await) });
            (Sender::Two(sender), task.abort_handle())
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(told)?;
            let task = tokio::spawn(async move { drop(connection.await) });
            (Sender::One(sender), task.abort_handle())
        };
        Ok(Self {
            is_https: address.is_https,
            authority: address.authority.clone(),
            sender,
            task,
        })
    }

    fn fits(&self, address: &Address) -> bool {
        let is_closed = match &self.sender {
            Sender::One(sender) => sender.is_closed(),
            Sender::Two(sender) => sender.is_closed(),
        };
        self.is_https == address.is_https && self.authority == address.authority && !is_closed
    }
}

fn request(ask: &Ask, is_h2: bool) -> Result<Request<Empty<Bytes>>, String> {
    let uri = if is_h2 {
        ask.address.to_string()
    } else {
        ask.address.target()
    };
    let mut builder = Request::get(uri)
        .header(ACCEPT, "*/*")
        .header(ORIGIN, delivery::ORIGIN)
        .header(
            USER_AGENT,
            concat!("fanwave-judge/", env!("CARGO_PKG_VERSION")),
        );
    if !is_h2 {
        builder = builder.header(HOST, ask.address.authority.as_str());
    }
    if !ask.is_media {
        builder = builder.header(ACCEPT_ENCODING, "gzip");
    }
    if let Some((first, last)) = ask.range {
        builder = builder.header(RANGE, format!("bytes={first}-{last}"));
    }
    builder
        .body(Empty::new())
        .map_err(|error| format!("{} makes no request: {error}", ask.address))
}

async fn read(
    response: Response<Incoming>,
    ask: &Ask,
    client: &Client,
    (sent, head): (Duration, Duration),
) -> Result<Answer, String> {
    let (parts, mut body) = response.into_parts();
    let bytes_max = if ask.is_media {
        MEDIA_BYTES_MAX
    } else {
        PLAYLIST_BYTES_MAX
    };
    let mut bytes = BytesMut::new();
    let mut first = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            format!("the answer broke off after {} bytes: {error}", bytes.len())
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        first.get_or_insert_with(|| client.now());
        bytes.extend_from_slice(&data);
        if bytes.len() > bytes_max {
            return Err(format!("an answer of more than {bytes_max} bytes"));
        }
    }
    let done = client.now();
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let mut answer = Answer {
        url: ask.address.to_string(),
        is_https: ask.address.is_https,
        http: match parts.version {
            Version::HTTP_2 => Http::V2,
            Version::HTTP_11 => Http::V1_1,
            _ => Http::V1_0,
        },
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: bytes.freeze(),
        was_compressed: false,
        bad_encoding: None,
        redirected: None,
        sent,
        head,
        first: first.unwrap_or(done),
        done,
    };
    decode(&mut answer, bytes_max);
    Ok(answer)
}

/// Undoes the content encoding.
fn decode(answer: &mut Answer, bytes_max: usize) {
    let encoding = answer
        .header("content-encoding")
        .unwrap_or("identity")
        .to_owned();
    match encoding.as_str() {
        "gzip" | "x-gzip" => {
            let mut whole = Vec::new();
            let limit = bytes_max as u64 + 1;
            let read = GzDecoder::new(answer.body.as_ref())
                .take(limit)
                .read_to_end(&mut whole);
            match read {
                Ok(_) if whole.len() <= bytes_max => {
                    answer.was_compressed = true;
                    answer.body = whole.into();
                }
                Ok(_) => answer.bad_encoding = Some(format!("gzip of more than {bytes_max} bytes")),
                Err(error) => answer.bad_encoding = Some(format!("gzip that is none: {error}")),
            }
        }
        "identity" => {}
        other => answer.bad_encoding = Some(format!("{other}, which was not asked for")),
    }
}
