//! The rooms as the API needs them: whoever has the sockets implements [`Rooms`]. What they refuse is told as a problem.

use std::time::Duration;

use axum::http::StatusCode;
use fanwave_bus::{Ack, BoxFuture, EngineError};
use fanwave_room::{
    machine::{Act, Refusal, Say, Standing},
    moderation::Policy,
    presence::{Page, Stats},
};
use fanwave_wire::{Channel, ClientMessageId, Offset, RoomId, Sender, UnixMillis, UserId};

use crate::Problem;

/// The rooms of this platform, as one of its servers knows them.
pub trait Rooms: Send + Sync + 'static {
    /// Has a room judge a message, and waits until the log holds it.
    fn say<'a>(&'a self, room: &'a RoomId, say: Say) -> BoxFuture<'a, Result<Taken, RoomError>>;

    /// Has a room judge an act, and waits until the log holds it.
    fn act<'a>(&'a self, room: &'a RoomId, act: Act) -> BoxFuture<'a, Result<Taken, RoomError>>;

    /// A room's rules as they stand, and what somebody who comes now is told first.
    fn rules<'a>(
        &'a self,
        room: &'a RoomId,
    ) -> BoxFuture<'a, Result<(Policy, Standing), EngineError>>;

    /// Waits until the room knows everything of a lane up to an offset that the log has.
    fn catch_up<'a>(
        &'a self,
        channel: &'a Channel,
        offset: Offset,
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Has every server close a user's connections.
    fn dismiss(&self, dismissal: Dismissal) -> BoxFuture<'_, Result<Ack, EngineError>>;

    /// How many follow a channel. Must not block.
    fn followers(&self, channel: &Channel) -> Followers;

    /// Some of those who follow a channel on this server, in the order of the user ids. Must not block.
    fn followers_page(&self, channel: &Channel, after: Option<&UserId>, limit: usize) -> Page;
}

/// What became of something that a room let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The log holds it.
    Stored {
        /// Under which id.
        id: ClientMessageId,
        /// Where.
        ack: Ack,
    },
    /// It waits for a moderator, or there is nothing to tell.
    Waits,
}

/// Why something did not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomError {
    /// The room does not let it in.
    Refused(Refusal),
    /// It is not known to be in the log; asking again is safe under the same id.
    Failed(EngineError),
}

/// Who is to be sent away, and by whom.
#[derive(Debug, Clone)]
pub struct Dismissal {
    /// Names it.
    pub id: ClientMessageId,
    /// Who wants it.
    pub by: Sender,
    /// Who goes.
    pub user: UserId,
    /// They may come back by themselves.
    pub comes_back: bool,
    /// Then with a token that is made after this: older ones are refused for so long. `None`: with any that is good.
    pub revokes: Option<Duration>,
}

/// How many follow a channel.
#[derive(Debug, Clone, Copy, Default)]
pub struct Followers {
    /// Exactly, on this server.
    pub here: Stats,
    /// On all servers: the others as of a second ago, and a user who is on two of them twice.
    pub everywhere: Stats,
}

impl RoomError {
    /// It in the words of the API.
    pub(crate) fn problem(&self, now: UnixMillis) -> Problem {
        match self {
            Self::Refused(refusal) => refused(*refusal, now),
            Self::Failed(error) => failed(error),
        }
    }
}

/// The log's own reason is for the operator; a stranger learns what to do.
pub(crate) fn failed(error: &EngineError) -> Problem {
    tracing::warn!(%error, "a room could not do what the API asked");
    let words =
        "the room cannot take it right now: ask again, under the same id where there is one";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "room_unavailable", words)
}

fn refused(refusal: Refusal, now: UnixMillis) -> Problem {
    let (status, code) = match refusal {
        Refusal::NotAllowed => (StatusCode::FORBIDDEN, "not_allowed"),
        Refusal::Outranked => (StatusCode::FORBIDDEN, "outranked"),
        Refusal::Banned { .. } => (StatusCode::FORBIDDEN, "banned"),
        Refusal::Muted { .. } => (StatusCode::FORBIDDEN, "muted"),
        Refusal::MembersOnly => (StatusCode::FORBIDDEN, "members_only"),
        Refusal::FollowersOnly { .. } => (StatusCode::FORBIDDEN, "followers_only"),
        Refusal::EmojiOnly => (StatusCode::FORBIDDEN, "emoji_only"),
        Refusal::Links => (StatusCode::FORBIDDEN, "links"),
        Refusal::Word => (StatusCode::FORBIDDEN, "word"),
        Refusal::Empty => (StatusCode::UNPROCESSABLE_ENTITY, "empty"),
        Refusal::TooLong { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too_long"),
        Refusal::TooFast { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_fast"),
        Refusal::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "room_busy"),
        Refusal::HasVoted => (StatusCode::CONFLICT, "has_voted"),
        Refusal::NotFound => (StatusCode::NOT_FOUND, "not_there"),
        // A refusal that is newer than this list.
        _ => (StatusCode::FORBIDDEN, "refused"),
    };
    let wait = refusal.retry_after(now);
    let words = match wait {
        Some(wait) => format!("{refusal}, try again in {} ms", wait.as_millis().max(1)),
        None => refusal.to_string(),
    };
    Problem::new(status, code, words)
}
