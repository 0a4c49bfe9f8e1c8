//! A client of the Centrifuge protocol (JSON over WebSocket), as small as a demo fan needs it.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use fanwave_wire::{Channel, path};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::demo::limits;

/// One connected fan.
pub(super) struct Client {
    socket: WebSocketStream<TcpStream>,
    /// The id of the next command.
    next_id: u32,
    /// When something came last.
    heard_at: Instant,
}

impl Client {
    /// Opens the socket, says who it is, and joins the channel.
    pub(super) async fn connect(
        http: SocketAddr,
        token: &str,
        channel: &Channel,
    ) -> Result<Self, anyhow::Error> {
        timeout(limits::STEP_WAIT, Self::open(http, token, channel))
            .await
            .context("the server did not answer")?
    }

    async fn open(http: SocketAddr, token: &str, channel: &Channel) -> Result<Self, anyhow::Error> {
        let stream = TcpStream::connect(http).await?;
        let (socket, _) = client_async(format!("ws://{http}{}", path::WEBSOCKET), stream).await?;
        let mut client = Self {
            socket,
            next_id: 1,
            heard_at: Instant::now(),
        };
        client
            .command("connect", json!({"token": token, "name": "demo"}))
            .await?;
        client.read().await?;
        client
            .command("subscribe", json!({"channel": channel.to_string()}))
            .await?;
        Ok(client)
    }

    /// Says something. The answer is read by [`Client::read`].
    pub(super) async fn send(
        &mut self,
        channel: &Channel,
        text: &str,
    ) -> Result<(), anyhow::Error> {
        let id = format!("demo-{:016x}", getrandom::u64()?);
        let data = json!({"channel": channel.to_string(), "id": id, "text": text});
        self.command("rpc", json!({"method": "send", "data": data}))
            .await
    }

    /// Reads one frame, and answers the server's pings. May be dropped while it waits.
    pub(super) async fn read(&mut self) -> Result<(), anyhow::Error> {
        let silence_ends = self.heard_at + limits::SILENCE_MAX;
        let next = timeout_at(silence_ends, self.socket.next())
            .await
            .context("nothing came for too long")?;
        let Some(message) = next else {
            bail!("the server closed the connection")
        };
        self.heard_at = Instant::now();
        let Message::Text(text) = message? else {
            return Ok(());
        };
        for line in text.lines() {
            let reply: Value = serde_json::from_str(line)?;
            // The empty object is the protocol's ping, and its answer.
            if reply.as_object().is_some_and(serde_json::Map::is_empty) {
                self.socket.send(Message::text("{}")).await?;
            } else if let Some(error) = reply.get("error") {
                refused(error)?;
            }
        }
        Ok(())
    }

    async fn command(&mut self, method: &str, request: Value) -> Result<(), anyhow::Error> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        let frame = json!({"id": id, method: request}).to_string();
        timeout(limits::STEP_WAIT, self.socket.send(Message::text(frame)))
            .await
            .context("the server does not read")??;
        Ok(())
    }
}

/// An error that the protocol calls temporary (a full disk, a busy engine) costs one line; any other ends the visit.
fn refused(error: &Value) -> Result<(), anyhow::Error> {
    if error.get("temporary").and_then(Value::as_bool) == Some(true) {
        return Ok(());
    }
    bail!("the server refused a command: {error}")
}
