//! HTTP to a bucket: `hyper`'s client over TCP or `rustls`, for `object_store`, which signs, retries and understands.
//!
//! Every wait is bounded. What a bucket says when it refuses may repeat what was signed: nothing of it goes on but S3's code.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Response, StatusCode, Uri,
    body::{Body, Frame, Incoming, SizeHint},
    header::CONTENT_LENGTH,
    http::uri::Scheme,
};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
        HttpResponse, HttpResponseBody, HttpService,
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tower::Service;

use super::OpenError;
use crate::{
    limits::{CHUNK_BYTES, CONNECT_DEADLINE, IDLE_CONNECTIONS_MAX, REFUSAL_BYTES_MAX, SILENCE_MAX},
    spool::BucketError,
};

/// Longest word of S3's for a refusal.
const CODE_CHARS_MAX: usize = 64;

/// How long a connection is kept that nothing is asked over.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Makes the client.
#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    pub(super) fn new(authorities: Option<&[u8]>) -> Result<Self, OpenError> {
        let unusable = |error: &dyn std::error::Error| OpenError::Authorities(error.to_string());
        let mut roots = RootCertStore::empty();
        match authorities {
            None => {
                let machine = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(machine.certs);
            }
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|error| unusable(&error))?;
                    roots.add(certificate).map_err(|error| unusable(&error))?;
                }
                if roots.is_empty() {
                    return Err(OpenError::Authorities("there are none".to_owned()));
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
        })
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_buf_size(CHUNK_BYTES)
            .build(Door(self.tls.clone()));
        Ok(HttpClient::new(Courier(client)))
    }
}

/// Connects.
#[derive(Clone)]
struct Door(TlsConnector);

impl Service<Uri> for Door {
    type Response = TokioIo<Line>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = self.0.clone();
        Box::pin(async move {
            let connected = timeout(CONNECT_DEADLINE, dial(uri, tls)).await;
            Ok(TokioIo::new(
                connected.map_err(|_| io::ErrorKind::TimedOut)??,
            ))
        })
    }
}

async fn dial(uri: Uri, tls: TlsConnector) -> io::Result<Line> {
    let nowhere = || io::Error::from(io::ErrorKind::InvalidInput);
    let host = uri.host().ok_or_else(nowhere)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    // Names below localhost are this machine's (RFC 6761, section 6.3), which not every resolver knows.
    let name = if host.ends_with(".localhost") {
        "localhost"
    } else {
        host
    };
    let socket = TcpStream::connect((name, port)).await?;
    socket.set_nodelay(true)?;
    if !is_tls {
        return Ok(Line(Box::pin(socket)));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|_| nowhere())?;
    Ok(Line(Box::pin(tls.connect(name, socket).await?)))
}

trait Both: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Both for T {}

/// A connection, encrypted or not.
struct Line(Pin<Box<dyn Both>>);

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Carries a request there and its answer back.
struct Courier(Client<Door, HttpRequestBody>);

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Courier")
    }
}

#[async_trait]
impl HttpService for Courier {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = timeout(SILENCE_MAX, self.0.request(request)).await;
        let response = answer
            .map_err(|_| late())?
            .map_err(|error| HttpError::new(kind(&error), reason(&error)))?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response.map(|body| HttpResponseBody::new(Steady::new(body))));
        }
        let (mut parts, body) = response.into_parts();
        let body = timeout(SILENCE_MAX, Limited::new(body, REFUSAL_BYTES_MAX).collect()).await;
        let body = body.map_err(|_| late())?;
        let code = body.map_or_else(|_| String::new(), |body| word_of(&body.to_bytes()));
        if is_refusal(status, &code) {
            let told = BucketError::Refused {
                status: status.as_u16(),
                code,
            };
            return Err(HttpError::new(HttpErrorKind::Unknown, told));
        }
        parts.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(parts, HttpResponseBody::from(code)))
    }
}

/// Whether another attempt would be refused, too, and for another reason than that a file is missing.
fn is_refusal(status: StatusCode, code: &str) -> bool {
    match status {
        // An answer without a body, to a question for a file's size, has no word.
        StatusCode::NOT_FOUND => !matches!(code, "" | "NoSuchKey"),
        StatusCode::CONFLICT
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::RANGE_NOT_SATISFIABLE
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS => false,
        status => status.is_client_error() || status.is_redirection(),
    }
}

/// S3's word for why, of an answer in XML.
fn word_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let inner = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let word = inner.map_or("", |(word, _)| word);
    let is_word = word.len() <= CODE_CHARS_MAX && word.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_word {
        word.to_owned()
    } else {
        String::new()
    }
}

/// A body of which each piece has to come in time.
struct Steady {
    body: Incoming,
    silence: Pin<Box<Sleep>>,
}

impl Steady {
    fn new(body: Incoming) -> Self {
        Self {
            body,
            silence: Box::pin(sleep(SILENCE_MAX)),
        }
    }
}

impl Body for Steady {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.silence.as_mut().reset(Instant::now() + SILENCE_MAX);
                let broken = |error| HttpError::new(HttpErrorKind::Interrupted, reason(&error));
                Poll::Ready(frame.map(|frame| frame.map_err(broken)))
            }
            Poll::Pending => self.silence.as_mut().poll(cx).map(|()| Some(Err(late()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn late() -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, BucketError::Late(SILENCE_MAX))
}

/// What a bucket's address could not be connected to for, or what else broke.
fn reason(error: &(dyn std::error::Error + 'static)) -> BucketError {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    BucketError::Unreachable(last.to_string())
}

fn kind(error: &hyper_util::client::legacy::Error) -> HttpErrorKind {
    if error.is_connect() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Interrupted
    }
}
