//! From a room to the engine, and the engine's answer back to whoever asked.

use std::sync::Arc;

use fanwave_bus::{Ack, EngineError};
use fanwave_room::machine::{Answer, Publish, Ticket};

use super::{Desk, Outcome, in_time, room::DeskRoom};

impl Desk {
    /// Hands the engine what a room has let in, and tells whoever asked for it.
    pub(super) async fn publish(self: Arc<Self>, room: &Arc<DeskRoom>, publish: Publish) {
        let Publish {
            ticket,
            lane,
            draft,
            then,
            answer,
        } = publish;
        let owed = Owed { room, ticket };
        let id = draft.id.clone();
        let channel = room.channel(lane);
        let mut stored: Result<Ack, EngineError> =
            in_time(self.engine.publish(&channel, draft)).await;
        if let (Ok(_), Some((lane, draft))) = (&stored, then) {
            // A failure is told as that of the whole: asked again, the first half is a duplicate and the second is tried
            // anew.
            let channel = room.channel(lane);
            if let Err(error) = in_time(self.engine.publish(&channel, draft)).await {
                stored = Err(error);
            }
        }
        let outcome = match (stored, answer) {
            (Ok(ack), Answer::Stored) => Outcome::Stored { id, ack },
            (Ok(_), Answer::Waits) => Outcome::Done,
            (Err(error), _) => {
                // The engine tells the operator once; a line for every fan's message would fill the disk that is full.
                tracing::debug!(%error, "a message was not stored");
                Outcome::Failed(error)
            }
        };
        owed.pay(outcome);
    }
}

/// An answer that will be given: by [`Owed::pay`], or as a failure when the engine breaks down under the call.
struct Owed<'a> {
    room: &'a DeskRoom,
    ticket: Option<Ticket>,
}

impl Owed<'_> {
    fn pay(mut self, outcome: Outcome) {
        let ticket = self.ticket.take();
        self.answer(ticket, outcome);
    }

    fn answer(&self, ticket: Option<Ticket>, outcome: Outcome) {
        if let (Some(ticket), Some(open)) = (ticket, self.room.lock().open_mut()) {
            open.answer(ticket, outcome);
        }
        self.room.wake.notify_one();
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        let ticket = self.ticket.take();
        self.answer(ticket, Outcome::Failed(EngineError::Stopping));
    }
}
