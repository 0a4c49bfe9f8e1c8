//! An echo server on the gateway's own handshake, frame codec and reactor: what a judge of RFC 6455 speaks to.
//!
//! `cargo run --example echo -- 127.0.0.1:9001`, then point the judge at `ws://127.0.0.1:9001/connection/websocket`.
//! Nothing differs from the server that fans connect to but what is made of a whole message.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use fanwave_bus::{Ack, BoxFuture, Engine, EngineError, History, HistoryQuery, Sink, Snapshot};
use fanwave_gateway::{Dialect, Gateway, GatewayConfig};
use fanwave_wire::{Channel, Draft, Offset, token::TokenKey};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let addr: SocketAddr = std::env::args()
        .nth(1)
        .ok_or("usage: echo ADDRESS:PORT")?
        .parse()?;
    let config = GatewayConfig {
        dialect: Dialect::Echo,
        // Nobody connects in the sense of the client protocol, and a judge pings as often as it likes.
        connect_timeout: Duration::from_secs(3_600),
        commands_per_second: u16::MAX.try_into()?,
        // The largest message of the Autobahn cases.
        message_bytes_max: 16 * 1024 * 1024,
        ..GatewayConfig::default()
    };
    let key = TokenKey::new(&[0; 32])?;
    let gateway = Gateway::start(config, Arc::new(NoEngine), key, &mut Registry::default())?;
    let listener = TcpListener::bind(addr).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(gateway.router());
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            // What goes wrong here is the peer's to see.
            drop(
                http.serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await,
            );
        });
    }
}

/// There is no room to say anything in.
struct NoEngine;

impl NoEngine {
    fn refuse<T: Send>() -> BoxFuture<'static, Result<T, EngineError>> {
        Box::pin(async { Err(EngineError::Stopping) })
    }
}

impl Engine for NoEngine {
    fn attach(&self, _: Arc<dyn Sink>) {}

    fn subscribe<'a>(&'a self, _: &'a Channel) -> BoxFuture<'a, Result<Snapshot, EngineError>> {
        Self::refuse()
    }

    fn unsubscribe<'a>(&'a self, _: &'a Channel) -> BoxFuture<'a, Result<(), EngineError>> {
        Self::refuse()
    }

    fn publish<'a>(&'a self, _: &'a Channel, _: Draft) -> BoxFuture<'a, Result<Ack, EngineError>> {
        Self::refuse()
    }

    fn events<'a>(
        &'a self,
        _: &'a Channel,
        _: Offset,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Self::refuse()
    }

    fn history<'a>(
        &'a self,
        _: &'a Channel,
        _: HistoryQuery,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Self::refuse()
    }
}
