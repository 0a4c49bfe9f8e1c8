//! What a fan does besides talking: taps and votes.

use std::collections::BTreeMap;

use fanwave_wire::{ClientMessageId, Event, Lane, ReactionKind, Sender, UnixMillis};

use super::{
    Publish, Room,
    say::{event_draft, stored},
};
use crate::{limits::VOTE_RETRY, moderation::Refusal, polls::Ballot, reactions::Outcome};

impl Room {
    /// Counts taps. What is beyond a fan's allowance is lost without a word, as is a batch that came before.
    pub(super) fn judge_taps(
        &mut self,
        now: UnixMillis,
        sender: &Sender,
        batch: &ClientMessageId,
        taps: &BTreeMap<ReactionKind, u32>,
    ) -> Result<(), Refusal> {
        self.policy.judge_presence(now, &sender.user, sender.role)?;
        match self.reactions.take(now, &sender.user, batch, taps) {
            Outcome::Counted { .. } | Outcome::Capped { .. } | Outcome::Duplicate => Ok(()),
            Outcome::UnknownKind => Err(Refusal::NotFound),
        }
    }

    /// A vote is called as its poll is: so the log takes one of each fan, whichever node it comes from.
    pub(super) fn judge_vote(
        &self,
        now: UnixMillis,
        sender: Sender,
        poll: ClientMessageId,
        choice: u8,
    ) -> Result<Publish, Refusal> {
        self.policy.judge_presence(now, &sender.user, sender.role)?;
        match self.polls.judge(now, &poll, choice, &sender.user) {
            Ballot::Valid => Ok(stored(
                Lane::Vote,
                event_draft(poll, sender, Event::Voted { choice }),
            )),
            Ballot::NotOpen | Ballot::Over | Ballot::NoSuchChoice => Err(Refusal::NotFound),
            Ballot::HasVoted => Err(Refusal::HasVoted),
            Ballot::Full => Err(Refusal::Busy {
                retry_after: VOTE_RETRY,
            }),
        }
    }
}
