//! Who follows a channel on this node: each reactor knows its own fans alone, so all of them are asked.
//!
//! A question lies in each reactor's inbox until its next turn, and is answered there from what it has at hand. Nothing
//! is kept for it: a fan who is on no list costs no byte.

use fanwave_bus::EngineError;
use fanwave_wire::{Channel, Sender, protocol::ClientInfo};
use tokio::sync::oneshot;

use crate::{limits::PRESENCE_CLIENTS_MAX, reactors::Reactors};

/// The question to one reactor. Bounded by the calls that may be in flight.
#[derive(Debug)]
pub(crate) struct RollCall {
    /// Whose followers.
    pub(crate) channel: Channel,
    /// Where they are told; a reactor that ends tells nobody.
    pub(crate) answer: oneshot::Sender<Vec<Present>>,
}

/// One connection that follows a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Present {
    /// Its id, as other clients know it.
    pub(crate) client: String,
    /// Whose it is, and what is shown of them.
    pub(crate) sender: Sender,
}

impl Present {
    /// It as the protocol has it.
    pub(crate) fn info(&self) -> ClientInfo<'_> {
        ClientInfo {
            user: &self.sender.user.0,
            client: &self.client,
            sender: Some(&self.sender),
        }
    }
}

/// Asks all reactors, and answers their lists as one: a sample where there are more than
/// [`PRESENCE_CLIENTS_MAX`], of which each reactor tells as many at most.
pub(crate) async fn call(
    reactors: &Reactors,
    channel: &Channel,
) -> Result<Vec<Present>, EngineError> {
    let asked: Vec<_> = reactors
        .seats()
        .iter()
        .map(|seat| {
            let (answer, told) = oneshot::channel();
            seat.inbox.call_roll(RollCall {
                channel: channel.clone(),
                answer,
            });
            told
        })
        .collect();
    let mut all = Vec::new();
    for told in asked {
        all.extend(told.await.map_err(|_| EngineError::Stopping)?);
    }
    all.truncate(PRESENCE_CLIENTS_MAX);
    Ok(all)
}
