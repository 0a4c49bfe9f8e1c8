//! The demo's fans: each one a WebSocket client of its own, talked to by one director.
//!
//! The director decides when something is said and by whom: about one message in two seconds over all, at irregular
//! times, never more. A fan only speaks when it is connected; what it should have said meanwhile is dropped, not queued
//! up: a server that comes back is not greeted with a flood.

use std::{net::SocketAddr, time::Duration};

use fanwave_wire::{
    Lane, Role, RoomId, Sender, UnixMillis, UserId, token::Claims, token::TokenKey,
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use self::client::Client;
use super::{
    backoff::Backoff,
    limits, random,
    script::{self, Persona},
};
use crate::clock;

mod client;
mod guest;

/// The artist's token is signed for so long; a new one is made at each connection.
const ARTIST_TOKEN_TTL: Duration = Duration::from_secs(86_400);

/// Where the fans meet.
#[derive(Debug)]
pub struct Venue {
    /// The server's HTTP port.
    pub http: SocketAddr,
    /// The room.
    pub channel: RoomId,
    /// Signs the artist's token.
    pub token_key: TokenKey,
    /// How many fans.
    pub fans: usize,
}

/// All of them; they leave when this is dropped.
#[derive(Debug)]
pub struct Fans {
    tasks: JoinSet<()>,
}

impl Fans {
    /// Lets them in.
    #[must_use]
    pub fn start(venue: &Venue) -> Self {
        let mut tasks = JoinSet::new();
        let fans = (0..venue.fans).map(|index| {
            let persona = &script::FANS[index % script::FANS.len()];
            let round = index / script::FANS.len();
            let name = if round == 0 {
                persona.name.to_owned()
            } else {
                format!("{} {}", persona.name, round + 1)
            };
            let pass = Pass::Guest { name, token: None };
            invite(&mut tasks, venue, persona, pass)
        });
        let fans: Vec<Seat> = fans.collect();
        let artist = Pass::Artist {
            key: Box::new(venue.token_key.clone()),
        };
        let artist = invite(&mut tasks, venue, &script::ARTIST, artist);
        tasks.spawn(direct(fans, artist));
        Self { tasks }
    }

    /// They leave at once.
    pub fn stop(mut self) {
        self.tasks.abort_all();
    }
}

/// A fan as the director sees it.
struct Seat {
    persona: &'static Persona,
    /// The next of the persona's lines.
    next: usize,
    lines: mpsc::Sender<&'static str>,
}

impl Seat {
    fn speak(&mut self) {
        let line = self.persona.lines[self.next % self.persona.lines.len()];
        self.next += 1;
        // Full: the fan is not connected; closed: it has left. Either way the line is not said.
        let _ = self.lines.try_send(line);
    }
}

/// What lets somebody in.
enum Pass {
    /// A token from the API; the last one keeps the identity.
    Guest { name: String, token: Option<String> },
    /// A token that the operator signs.
    Artist { key: Box<TokenKey> },
}

fn invite(tasks: &mut JoinSet<()>, venue: &Venue, persona: &'static Persona, pass: Pass) -> Seat {
    let (lines, heard) = mpsc::channel(limits::LINES_WAITING_MAX);
    let lane = match pass {
        Pass::Guest { .. } => Lane::Chat,
        Pass::Artist { .. } => Lane::Room,
    };
    let channel = fanwave_wire::Channel {
        lane,
        room: venue.channel.clone(),
    };
    tasks.spawn(attend(venue.http, channel, pass, heard));
    Seat {
        persona,
        next: random::below(persona.lines.len()),
        lines,
    }
}

/// Says who speaks when, for ever.
async fn direct(mut fans: Vec<Seat>, mut artist: Seat) {
    artist.next = 0;
    let mut last = usize::MAX;
    let mut until_greeting = 2;
    loop {
        tokio::time::sleep(random::between(limits::PAUSE_MIN, limits::PAUSE_MAX)).await;
        if until_greeting == 0 {
            artist.speak();
            until_greeting = limits::LINES_PER_GREETING;
            continue;
        }
        until_greeting -= 1;
        let mut pick = random::below(fans.len());
        // Nobody speaks twice in a row while there is somebody else.
        if pick == last && fans.len() > 1 {
            pick = (pick + 1) % fans.len();
        }
        last = pick;
        if let Some(fan) = fans.get_mut(pick) {
            fan.speak();
        }
    }
}

/// One fan: connected, and connected again after every failure.
async fn attend(
    http: SocketAddr,
    channel: fanwave_wire::Channel,
    mut pass: Pass,
    mut lines: mpsc::Receiver<&'static str>,
) {
    let mut backoff = Backoff::default();
    loop {
        let started = Instant::now();
        if let Err(error) = visit(http, &channel, &mut pass, &mut lines).await {
            tracing::debug!(%channel, %error, "a demo fan lost its connection");
        }
        tokio::time::sleep(backoff.after(started.elapsed())).await;
        // What waited meanwhile is no longer worth saying.
        while lines.try_recv().is_ok() {}
    }
}

/// One connection's life; always ends with an error.
async fn visit(
    http: SocketAddr,
    channel: &fanwave_wire::Channel,
    pass: &mut Pass,
    lines: &mut mpsc::Receiver<&'static str>,
) -> Result<(), anyhow::Error> {
    let token = match pass {
        Pass::Guest { name, token } => {
            let fresh = guest::token(http, name, token.as_deref()).await?;
            token.insert(fresh).clone()
        }
        Pass::Artist { key } => artist_token(key)?,
    };
    let mut client = Client::connect(http, &token, channel).await?;
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => client.send(channel, line).await?,
                None => return Ok(()),
            },
            read = client.read() => read?,
        }
    }
}

fn artist_token(key: &TokenKey) -> Result<String, anyhow::Error> {
    let now = clock::now();
    let ttl = u64::try_from(ARTIST_TOKEN_TTL.as_millis()).unwrap_or(u64::MAX);
    let sender = Sender {
        user: UserId("demo-artist".into()),
        name: script::ARTIST.name.into(),
        role: Role::Artist,
        badge: None,
    };
    Ok(key.issue(&Claims::new(
        sender,
        now,
        UnixMillis(now.0.saturating_add(ttl)),
    )?))
}
