//! Who speaks in the room: a line to a peer that broadcasts it, or a `publish` of the Centrifuge protocol.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use memchr::memmem;

use super::dialect::Dialect;
use crate::frames::{self, Frames};

/// How long the opening conversation may take.
const OPENING: Duration = Duration::from_secs(10);

/// The connection that messages are published through.
#[derive(Debug)]
pub(super) struct Publisher {
    stream: TcpStream,
    channel: Option<String>,
    command: u64,
    unsent: Vec<u8>,
    frames: Frames,
    refused: u64,
}

impl Publisher {
    /// Publishes by lines.
    pub(super) fn lines(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot reach the control port")?;
        Self::new(stream, None)
    }

    /// Publishes by the protocol, with a token that allows it.
    pub(super) fn centrifuge(
        address: SocketAddr,
        path: &str,
        token: &str,
        channel: &str,
    ) -> Result<Self> {
        let mut stream = TcpStream::connect(address).context("cannot reach the server")?;
        stream.set_read_timeout(Some(OPENING))?;
        let upgrade = Dialect::Centrifuge
            .upgrade(path, &address.to_string())
            .unwrap_or_default();
        stream.write_all(&upgrade)?;
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            stream
                .read_exact(&mut byte)
                .context("the publisher's upgrade was not answered")?;
            answer.push(byte[0]);
        }
        if !answer.starts_with(b"HTTP/1.1 101") {
            bail!(
                "the publisher was refused: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        let mut hello = Vec::new();
        frames::append_text(
            format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#).as_bytes(),
            &mut hello,
        );
        stream.write_all(&hello)?;
        let mut reply = [0; 4096];
        let read = stream
            .read(&mut reply)
            .context("the publisher's connect was not answered")?;
        if memmem::find(&reply[..read], b"\"connect\"").is_none() {
            bail!(
                "the publisher may not connect: {}",
                String::from_utf8_lossy(&reply[..read])
            );
        }
        Self::new(stream, Some(channel.to_owned()))
    }

    fn new(stream: TcpStream, channel: Option<String>) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            channel,
            command: 1,
            unsent: Vec::new(),
            frames: Frames::default(),
            refused: 0,
        })
    }

    /// Says a message in the room; it leaves now if the socket takes it.
    pub(super) fn say(&mut self, text: &str) -> Result<()> {
        match &self.channel {
            None => {
                self.unsent.extend_from_slice(text.as_bytes());
                self.unsent.push(b'\n');
            }
            Some(channel) => {
                self.command += 1;
                let id = self.command;
                let command = format!(
                    r#"{{"id":{id},"publish":{{"channel":"{channel}","data":{{"text":"{text}"}}}}}}"#
                );
                frames::append_text(command.as_bytes(), &mut self.unsent);
            }
        }
        self.turn()
    }

    /// How many messages the server has not taken since the last call.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// Sends what waits and reads what has come: acknowledgements, refusals and pings.
    pub(super) fn turn(&mut self) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = match self.stream.read(&mut buffer) {
                Ok(0) => bail!("the server closed the publisher's connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the publisher's connection broke"),
            };
            let (refused, unsent) = (&mut self.refused, &mut self.unsent);
            let fed = self
                .frames
                .feed(&buffer[..read], |kind, payload| match kind {
                    frames::Kind::Ping => frames::append_pong(payload, unsent),
                    frames::Kind::Data if payload == b"{}" => frames::append_text(b"{}", unsent),
                    _ => {
                        *refused += u64::try_from(memmem::find_iter(payload, b"\"error\":").count())
                            .unwrap_or(0)
                    }
                });
            if fed.is_err() {
                bail!("the server sent the publisher what is no frame");
            }
        }
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the publisher's connection broke"),
            }
        }
        Ok(())
    }
}
