//! One request over HTTP or HTTPS, for the few times that this program is a client: keys of other issuers, servers it is
//! asked about, whoever decides about publishers.
//!
//! An answer is read whole, up to a bound. Redirects are not followed: what is wanted is at the address that was given.
//! Addresses and tokens may be secrets, and are in no error.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, StatusCode, Uri,
    client::conn::http1,
    header::{
        ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT,
    },
    http::uri::Scheme,
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, crypto::aws_lc_rs::default_provider, pki_types::ServerName,
    },
};

use crate::outgoing::{Forbidden, Outgoing};

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection, or it broke.
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    /// The machine has no certificates of authorities, or they cannot be used.
    #[error("cannot speak TLS: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// The host's name cannot be in a certificate.
    #[error("host has no name that a certificate could have")]
    HostName,
    /// The other side does not speak HTTP.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// The request cannot be made of this address.
    #[error("address makes no request")]
    Address,
    /// The answer is too long, or broke off.
    #[error("answer is too long or broke off")]
    Body,
    /// Somebody who is not the operator has set the address, and it is none that they may have called.
    #[error(
        "this address is not called, as it is {0}: name a public one, or allow its network in outgoing.allow"
    )]
    Forbidden(#[from] Forbidden),
}

/// What the other side says.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Where it points to instead.
    pub location: Option<String>,
    /// All of its body.
    pub body: Bytes,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Where.
    pub url: &'a Uri,
    /// The token to show, if any.
    pub token: Option<&'a str>,
    /// Longest body that is read.
    pub bytes_max: usize,
    /// What the connection goes through, where the operator has not set the address.
    pub outgoing: Option<&'a Outgoing>,
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

/// What is posted.
#[derive(Clone)]
pub struct Posted {
    /// What the body is.
    pub content_type: &'static str,
    /// A header of its own; it is kept out of every log.
    pub header: Option<(HeaderName, String)>,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posted")
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// Asks once. Does not end by itself where the other side says nothing: whoever calls has a deadline.
///
/// # Errors
///
/// See [`FetchError`]; an answer with any status is none.
pub async fn get(question: Question<'_>) -> Result<Answer, FetchError> {
    exchange(question, None).await
}

/// Posts once. Does not end by itself where the other side says nothing: whoever calls has a deadline.
///
/// # Errors
///
/// See [`FetchError`]; an answer with any status is none.
pub async fn post(question: Question<'_>, posted: Posted) -> Result<Answer, FetchError> {
    exchange(question, Some(posted)).await
}

async fn exchange(question: Question<'_>, posted: Option<Posted>) -> Result<Answer, FetchError> {
    let url = question.url;
    let host = url.host().ok_or(FetchError::Address)?;
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_https = url.scheme() == Some(&Scheme::HTTPS);
    let port = url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let socket = match question.outgoing {
        Some(outgoing) => outgoing.connect(host, port).await?,
        None => TcpStream::connect((host, port)).await?,
    };
    if is_https {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchError::HostName)?;
        let stream = TlsConnector::from(tls()?).connect(name, socket).await?;
        request(TokioIo::new(stream), question, posted).await
    } else {
        request(TokioIo::new(socket), question, posted).await
    }
}

/// How long the authorities of the machine are believed that were read. They change rarely, and some addresses are called often.
const AUTHORITIES_LIFE: Duration = Duration::from_secs(60);

/// The authorities that the machine trusts, and sessions of TLS that can go on.
fn tls() -> Result<Arc<ClientConfig>, FetchError> {
    static READ: Mutex<Option<(Instant, Arc<ClientConfig>)>> = Mutex::new(None);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, config)) = &*read
        && at.elapsed() < AUTHORITIES_LIFE
    {
        return Ok(Arc::clone(config));
    }
    let config = read_authorities()?;
    *read = Some((Instant::now(), Arc::clone(&config)));
    Ok(config)
}

fn read_authorities() -> Result<Arc<ClientConfig>, FetchError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

async fn request<S>(
    stream: S,
    question: Question<'_>,
    posted: Option<Posted>,
) -> Result<Answer, FetchError>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let url = question.url;
    let authority = url.authority().ok_or(FetchError::Address)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let method = if posted.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, authority.as_str())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("fanwave/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = question.token {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|_| FetchError::Address)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let mut body = Bytes::new();
    if let Some(posted) = posted {
        request = request.header(CONTENT_TYPE, posted.content_type);
        if let Some((name, value)) = posted.header {
            let mut value = HeaderValue::try_from(value).map_err(|_| FetchError::Address)?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        body = posted.body;
    }
    let request = request.body(Full::new(body));
    let request = request.map_err(|_| FetchError::Address)?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    // The connection does its work beside us and ends with the answer, or with us.
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let location = response.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let location = location.map(str::to_owned);
        let body = Limited::new(response.into_body(), question.bytes_max);
        let body = body.collect().await.map_err(|_| FetchError::Body)?;
        let body = body.to_bytes();
        Ok(Answer {
            status,
            location,
            body,
        })
    };
    tokio::pin!(answer);
    tokio::select! {
        biased;
        result = &mut answer => result,
        // All that the other side had to say has been read: the answer is complete or broke off.
        _ = connection => answer.await,
    }
}
