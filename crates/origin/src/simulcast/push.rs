//! The task of one platform: connects, sends, and begins anew.
//!
//! 1. It waits for the first keyframe of a show. Only then is the platform asked: one that nothing is sent to would let go.
//! 2. One push is one connection, from its handshake to its farewell. What [`Target`] hands out is sent as fast as the
//!    platform takes it; what it says meanwhile is read.
//! 3. When the show ends, what waits is still sent, and the platform is told that it is over. The same when the server stops.
//! 4. When the push fails, nothing is kept until it is tried again.

use std::{io, sync::Arc};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{
    client::{Client, ClientError},
    outbox::{Message, Next},
    target::{PushTrouble, Target},
};
use crate::{
    backoff::Backoff,
    channel::{ChannelStatus, PublisherStatus},
    limits::{
        READ_BYTES, SIMULCAST_BACKOFF_MAX, SIMULCAST_CONNECT_DEADLINE, SIMULCAST_FAREWELL,
        SIMULCAST_STALL, SIMULCAST_START_DEADLINE, SIMULCAST_STEADY,
    },
    shared::stopped,
};

/// Why a push failed. None of these holds the key, or the address's path.
#[derive(Debug, Error)]
enum Failed {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("no connection within {SIMULCAST_CONNECT_DEADLINE:?}")]
    ConnectSlow,
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    #[error(transparent)]
    Rtmp(#[from] ClientError),
    #[error("it took no stream within {SIMULCAST_START_DEADLINE:?}")]
    Silent,
    #[error("it hung up before it took the stream")]
    HungUpEarly,
    #[error("it hung up")]
    HungUp,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("it took nothing for {SIMULCAST_STALL:?}")]
    Stalled,
}

impl Failed {
    fn trouble(&self) -> PushTrouble {
        match self {
            Self::Connect(_) | Self::ConnectSlow => PushTrouble::Unreachable,
            Self::Tls(_) => PushTrouble::Tls,
            Self::Silent => PushTrouble::Silent,
            // Many platforms say no more than this to a key that they do not know.
            Self::HungUpEarly | Self::Rtmp(ClientError::Refused(_)) => PushTrouble::Refused,
            Self::Rtmp(ClientError::Protocol(_)) => PushTrouble::Protocol,
            Self::HungUp | Self::Rtmp(ClientError::Ended(_)) => PushTrouble::Ended,
            Self::Broken(_) => PushTrouble::Broken,
            Self::Stalled => PushTrouble::Stalled,
        }
    }
}

/// How a push ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The show has ended, or the server stops.
    Show,
    /// Another follows at once.
    Renewed,
    /// The show is of other codecs from here on.
    Unfit,
}

/// Until when a push goes on.
#[derive(Debug, Clone)]
struct OnAir {
    status: watch::Receiver<ChannelStatus>,
    stop: watch::Receiver<bool>,
}

impl OnAir {
    /// Returns once the show is over, or the server stops.
    async fn over(&mut self) {
        let ended = self.status.wait_for(|status| !is_on_air(status));
        tokio::select! {
            // An error means that the channel itself is gone.
            ended = ended => drop(ended),
            () = stopped(&mut self.stop) => {}
        }
    }

    /// Returns once something is on the air where nothing was `before`, or the other way round.
    async fn turned(&mut self, before: bool) {
        let turned = self.status.wait_for(|status| is_on_air(status) != before);
        if turned.await.is_err() {
            // The channel itself is gone, and this task goes with it.
            std::future::pending::<()>().await;
        }
    }

    fn is_on_air(&self) -> bool {
        is_on_air(&self.status.borrow())
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
}

fn is_on_air(status: &ChannelStatus) -> bool {
    status.publisher != PublisherStatus::Absent
}

/// Pushes whatever is shown, until the origin stops.
pub(super) async fn keep(
    target: Arc<Target>,
    status: watch::Receiver<ChannelStatus>,
    stop: watch::Receiver<bool>,
) {
    let mut on_air = OnAir { status, stop };
    let mut stop = on_air.stop.clone();
    let mut backoff = Backoff::new(SIMULCAST_STEADY, SIMULCAST_BACKOFF_MAX);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = wanted(&target, &mut on_air) => {}
        }
        target.connect();
        let began = Instant::now();
        match push(&target, &mut on_air).await {
            Ok(Over::Show) if on_air.is_stopping() => return,
            Ok(Over::Show) => target.rest(),
            Ok(Over::Renewed) => target.outbox().renew(),
            Ok(Over::Unfit) => {}
            Err(failed) => {
                target.outbox().close();
                let random = getrandom::u64().unwrap_or_default();
                let wait = backoff.failed(began.elapsed(), random);
                tell(&target, &failed);
                target.fail(failed.trouble(), Some(wait));
                tokio::select! {
                    () = stopped(&mut stop) => return,
                    () = sleep(wait) => target.outbox().open(),
                }
            }
        }
    }
}

/// Returns when there is something to push, and says meanwhile that there is not.
async fn wanted(target: &Target, on_air: &mut OnAir) {
    loop {
        {
            let outbox = target.outbox();
            if outbox.is_wanted() {
                return;
            }
            let is_unfit = outbox.is_unfit();
            drop(outbox);
            if is_unfit {
                target.fail(PushTrouble::Codec, None);
            }
        }
        let before = on_air.is_on_air();
        if !before {
            target.rest();
        }
        tokio::select! {
            () = target.woken() => {}
            () = on_air.turned(before) => {}
        }
    }
}

fn tell(target: &Target, why: &Failed) {
    let (channel, name) = (&target.config.channel, &target.config.name);
    let host = target.config.address.host();
    let todo = why.trouble();
    tracing::warn!(%channel, platform = %name, host = %host, %why, %todo, "a push to another platform failed");
}

/// What bytes go over.
trait Line: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Line for S {}

/// One push, from its connection to its end.
async fn push(target: &Target, on_air: &mut OnAir) -> Result<Over, Failed> {
    let line = tokio::select! {
        () = on_air.over() => return Ok(Over::Show),
        line = timeout(SIMULCAST_CONNECT_DEADLINE, connect(target)) => {
            line.map_err(|_| Failed::ConnectSlow)??
        }
    };
    let config = &target.config;
    // The handshake's random bytes prove nothing; without a random source they are all the same.
    let seed = getrandom::u64().unwrap_or_default();
    let session = Session {
        target,
        client: Client::new(&config.address, &config.key, seed),
        unsent: Unsent::default(),
        is_live: false,
    };
    session.run(line, on_air).await
}

async fn connect(target: &Target) -> Result<Box<dyn Line>, Failed> {
    let address = &target.config.address;
    let host = &**address.host();
    let socket = TcpStream::connect((host, address.port())).await;
    let socket = socket.map_err(Failed::Connect)?;
    socket.set_nodelay(true).map_err(Failed::Connect)?;
    if !address.is_secure() {
        return Ok(Box::new(socket));
    }
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| Failed::Tls(io::Error::other(error)))?;
    let tls = TlsConnector::from(Arc::clone(&target.config.tls));
    let line = tls.connect(name, socket).await.map_err(Failed::Tls)?;
    Ok(Box::new(line))
}

/// Bytes on their way into the socket: one message at a time.
#[derive(Debug)]
struct Unsent {
    bytes: Vec<u8>,
    written: usize,
    /// Whether the line has passed on what was written.
    is_flushed: bool,
    /// When the line last took some, or was given the first.
    moved: Instant,
}

impl Default for Unsent {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            written: 0,
            is_flushed: true,
            moved: Instant::now(),
        }
    }
}

impl Unsent {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    fn put(&mut self, bytes: Vec<u8>) {
        (self.bytes, self.written) = (bytes, 0);
        self.moved = Instant::now();
    }

    fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        self.is_flushed = false;
        self.moved = Instant::now();
    }
}

/// What became of what waits to be written.
#[derive(Debug, Clone, Copy)]
enum Moved {
    /// So many bytes of it were taken.
    Written(usize),
    /// All that was taken has been passed on.
    Flushed,
}

/// Writes some of it, or has it passed on. Nothing is lost when this is given up.
async fn advance(writer: &mut (impl AsyncWrite + Unpin), unsent: &Unsent) -> io::Result<Moved> {
    match unsent.rest() {
        [] => writer.flush().await.map(|()| Moved::Flushed),
        rest => match writer.write(rest).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            bytes => Ok(Moved::Written(bytes)),
        },
    }
}

struct Session<'a> {
    target: &'a Target,
    client: Client,
    unsent: Unsent,
    is_live: bool,
}

impl Session<'_> {
    async fn run(mut self, line: Box<dyn Line>, on_air: &mut OnAir) -> Result<Over, Failed> {
        let (mut reader, mut writer) = split(line);
        let mut buffer = vec![0; READ_BYTES];
        let started = Instant::now();
        let mut ending = None;
        loop {
            if let Some(over) = self.fill(ending.is_some()) {
                self.client.finish();
                self.farewell(&mut writer).await;
                return Ok(over);
            }
            let is_idle = self.unsent.rest().is_empty();
            let deadline = match ending {
                Some(until) => until,
                None if !self.is_live => started + SIMULCAST_START_DEADLINE,
                None => self.unsent.moved + SIMULCAST_STALL,
            };
            let has_deadline = ending.is_some() || !self.is_live || !is_idle;
            tokio::select! {
                read = reader.read(&mut buffer) => self.hear(read, &buffer)?,
                moved = advance(&mut writer, &self.unsent), if !is_idle || !self.unsent.is_flushed => {
                    self.advanced(moved)?;
                }
                () = self.target.woken(), if is_idle && self.is_live => {}
                () = on_air.over(), if ending.is_none() => {
                    ending = Some(Instant::now() + SIMULCAST_FAREWELL);
                }
                () = sleep_until(deadline), if has_deadline => {
                    return match ending {
                        Some(_) => Ok(Over::Show),
                        None if self.is_live => Err(Failed::Stalled),
                        None => Err(Failed::Silent),
                    };
                }
            }
        }
    }

    /// Takes the next message, where the line has taken the one before; says how the push ends, if it does.
    fn fill(&mut self, is_ending: bool) -> Option<Over> {
        if self.client.is_publishing() && !self.is_live {
            self.is_live = true;
            self.target.go_live();
            let (channel, name) = (&self.target.config.channel, &self.target.config.name);
            tracing::info!(%channel, platform = %name, "pushed on to another platform");
        }
        if !self.unsent.rest().is_empty() {
            return None;
        }
        let said = self.client.take_output();
        if !said.is_empty() {
            self.unsent.put(said);
            return None;
        }
        if !self.is_live {
            return is_ending.then_some(Over::Show);
        }
        match self.target.next(is_ending) {
            Next::Send(message) => {
                self.client.send(&message);
                if let Message::Format { .. } = message {
                    self.target.note_sound();
                }
                self.unsent.put(self.client.take_output());
                None
            }
            Next::Renew => Some(Over::Renewed),
            Next::Unfit => Some(Over::Unfit),
            Next::Wait => is_ending.then_some(Over::Show),
        }
    }

    /// Takes what the platform says; nothing is its end.
    fn hear(&mut self, read: io::Result<usize>, buffer: &[u8]) -> Result<(), Failed> {
        match read {
            Ok(0) | Err(_) if !self.is_live => Err(Failed::HungUpEarly),
            Ok(0) => Err(Failed::HungUp),
            Ok(bytes) => Ok(self.client.feed(buffer.get(..bytes).unwrap_or_default())?),
            Err(error) => Err(Failed::Broken(error)),
        }
    }

    /// The line has taken something.
    fn advanced(&mut self, moved: io::Result<Moved>) -> Result<(), Failed> {
        match moved {
            Ok(Moved::Written(bytes)) => {
                self.target.count(bytes);
                self.unsent.wrote(bytes);
                Ok(())
            }
            Ok(Moved::Flushed) => {
                self.unsent.is_flushed = true;
                Ok(())
            }
            Err(_) if !self.is_live => Err(Failed::HungUpEarly),
            Err(error) => Err(Failed::Broken(error)),
        }
    }

    /// Says goodbye, if the platform takes that soon.
    async fn farewell(&mut self, writer: &mut (impl AsyncWrite + Unpin)) {
        let last = self.client.take_output();
        let said = async {
            writer.write_all(&last).await?;
            writer.shutdown().await
        };
        // It is over, whether or not it is heard.
        if let Ok(Ok(())) = timeout(SIMULCAST_FAREWELL, said).await {
            self.target.count(last.len());
        }
    }
}
