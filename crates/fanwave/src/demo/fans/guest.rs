//! A guest token from the server's own API, over HTTP as a browser would.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use fanwave_wire::path;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, body::Bytes, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, time::timeout};

use crate::demo::limits;

#[derive(Deserialize)]
struct Guest {
    token: String,
}

/// Asks for a token; the previous one keeps the identity.
pub(super) async fn token(
    http: SocketAddr,
    name: &str,
    previous: Option<&str>,
) -> Result<String, anyhow::Error> {
    timeout(limits::STEP_WAIT, ask(http, name, previous))
        .await
        .context("the API did not answer")?
}

async fn ask(
    http: SocketAddr,
    name: &str,
    previous: Option<&str>,
) -> Result<String, anyhow::Error> {
    let stream = TcpStream::connect(http).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let body = serde_json::json!({"name": name, "token": previous}).to_string();
    let request = Request::post(path::GUESTS)
        .header(header::HOST, http.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        if !status.is_success() {
            bail!("the API answered {status}");
        }
        let body = Limited::new(response.into_body(), limits::ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        Ok(serde_json::from_slice::<Guest>(&body)?.token)
    };
    // The connection has to be driven beside the exchange, and lives no longer than it.
    tokio::select! {
        answer = exchange => answer,
        ended = connection => {
            ended?;
            bail!("the connection ended before the answer")
        }
    }
}
