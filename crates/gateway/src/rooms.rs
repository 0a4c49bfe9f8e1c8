//! What the rest of the process asks of rooms, without a socket: the same questions as a fan's, judged by the same room.
//!
//! A question takes one of the places that the node has for calls of the engine; where there is none left, it is refused as
//! busy.

use std::sync::Arc;

use fanwave_bus::{Ack, EngineError};
use fanwave_room::{
    machine::{Act, Say, Standing},
    moderation::Policy,
    presence::{Page, Stats},
};
use fanwave_wire::{Channel, ClientMessageId, Offset, RoomId, Sender, UserId};
use tokio::sync::OwnedSemaphorePermit;

use crate::{Gateway, Outcome, desk::Request, dismissal::Return};

/// Who follows a channel.
#[derive(Debug, Clone, Default)]
pub struct Followers {
    /// Exactly, on this node.
    pub here: Stats,
    /// On all nodes: the others as of a second ago, and a user who is on two of them twice.
    pub everywhere: Stats,
}

impl Gateway {
    /// Has a room judge a message, and waits until the log holds it.
    pub async fn say(&self, room: &RoomId, say: Say) -> Outcome {
        self.ask(room, Request::Say(Box::new(say))).await
    }

    /// Has a room judge an act, and waits until the log holds it.
    pub async fn act(&self, room: &RoomId, act: Act) -> Outcome {
        self.ask(room, Request::Act(Box::new(act))).await
    }

    async fn ask(&self, room: &RoomId, request: Request) -> Outcome {
        match self.place() {
            Ok(_place) => self.desk.ask(room, request).await,
            Err(error) => Outcome::Failed(error),
        }
    }

    /// A room's rules as they stand, and what somebody who comes now is told first.
    ///
    /// # Errors
    ///
    /// The room cannot be opened now.
    pub async fn rules(&self, room: &RoomId) -> Result<(Policy, Standing), EngineError> {
        let _place = self.place()?;
        let look = |room: &fanwave_room::machine::Room| (room.policy().clone(), room.standing());
        self.desk.look(room, look).await
    }

    /// Waits until this node's room knows everything of a lane up to an offset that the log has.
    ///
    /// # Errors
    ///
    /// The room cannot be opened, or does not hear of it in time.
    pub async fn catch_up(&self, channel: &Channel, offset: Offset) -> Result<(), EngineError> {
        let _place = self.place()?;
        self.desk.catch_up(channel, offset).await
    }

    /// Has all nodes close a user's connections, whatever they follow. Where the user is not to come back by themselves, a
    /// client library does not try.
    ///
    /// # Errors
    ///
    /// It is not known to be in the log.
    pub async fn dismiss(
        &self,
        id: ClientMessageId,
        by: Sender,
        (user, back): (UserId, Return),
    ) -> Result<Ack, EngineError> {
        let _place = self.place()?;
        self.desk.dismiss_everywhere(id, by, (user, back)).await
    }

    /// How many follow a channel.
    #[must_use]
    pub fn followers(&self, channel: &Channel) -> Followers {
        let (here, everywhere) = self.neighbours.stats(channel);
        Followers { here, everywhere }
    }

    /// Some of those who follow a channel on this node, in the order of the user ids.
    #[must_use]
    pub fn followers_page(&self, channel: &Channel, after: Option<&UserId>, limit: usize) -> Page {
        self.neighbours.page(channel, after, limit)
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        let place = Arc::clone(&self.calls).try_acquire_owned();
        place.map_err(|_| EngineError::Busy)
    }
}
