//! The engine has delivered something: the rules learn from it, and the fans are shown it.

use std::sync::Arc;

use fanwave_wire::{
    ClientMessageId, Event, Lane, Notice, Publication, UnixMillis,
    limits::CLIENT_MESSAGE_ID_BYTES_MAX,
};

use super::{
    Output, Reach, Room,
    order::Taken,
    say::{event_draft, stored},
};
use crate::{
    governor,
    limits::{DOOMED_MAX, EARLY_VOTES_MAX},
    moderation::Effect,
    polls,
    reactions::Aggregate,
    recent::deletes,
};

impl Room {
    pub(super) fn handle_published(
        &mut self,
        now: UnixMillis,
        lane: Lane,
        publication: Arc<Publication>,
    ) {
        match lane {
            Lane::Chat => self.take_chat(now, publication),
            Lane::Room | Lane::Staff => {
                let effect = self.fold(now, lane, &publication);
                self.outputs.push_back(Output::Show {
                    lane,
                    publication: Arc::clone(&publication),
                    to: Reach::Everyone,
                });
                self.carry_out(effect, &publication);
            }
            Lane::Vote => self.take_vote(now, publication),
        }
    }

    /// What a publication changes in the rules: the same whether it has just come, or is replayed.
    pub(super) fn fold(
        &mut self,
        now: UnixMillis,
        lane: Lane,
        publication: &Arc<Publication>,
    ) -> Effect {
        match lane {
            Lane::Chat => return Effect::None,
            Lane::Room => self.fold_poll(now, publication),
            Lane::Vote => {
                self.polls.fold(now, publication);
                return Effect::None;
            }
            Lane::Staff => {}
        }
        self.ranks.learn(&publication.draft.sender);
        let effect = self.policy.fold(lane, publication);
        if effect == Effect::Words {
            self.words_are_stale = true;
        }
        effect
    }

    /// A vote counts in an open poll. One may come before its poll, for lanes are ordered each by itself: somebody on
    /// another node has seen the poll sooner.
    fn take_vote(&mut self, now: UnixMillis, vote: Arc<Publication>) {
        if self.polls.counts(&vote.draft.id).is_some() {
            self.polls.fold(now, &vote);
            return;
        }
        if self.early_votes.len() == EARLY_VOTES_MAX {
            self.early_votes.pop_front();
        }
        self.early_votes.push_back(vote);
    }

    fn fold_poll(&mut self, now: UnixMillis, publication: &Arc<Publication>) {
        self.polls.fold(now, publication);
        match publication.draft.body.as_event() {
            Some(Event::PollOpened { poll, .. }) => {
                self.opened.insert(poll.clone(), Arc::clone(publication));
                for vote in &self.early_votes {
                    if vote.draft.id == *poll {
                        self.polls.fold(now, vote);
                    }
                }
                self.early_votes.retain(|vote| vote.draft.id != *poll);
            }
            Some(Event::PollClosed { .. }) => {}
            _ => return,
        }
        let polls = &self.polls;
        self.opened.retain(|poll, _| polls.counts(poll).is_some());
    }

    /// A message of the chat lane goes through the governor, unless its deletion has come before it: lanes are ordered
    /// each by itself.
    fn take_chat(&mut self, now: UnixMillis, publication: Arc<Publication>) {
        self.chat_head = self.chat_head.max(publication.offset);
        self.ranks.learn_message(&publication);
        if self.doomed.iter().any(|event| deletes(event, &publication)) {
            return;
        }
        self.governor.handle(now, publication);
        self.drain_governor();
    }

    fn carry_out(&mut self, effect: Effect, publication: &Publication) {
        match effect {
            Effect::None | Effect::Words => {}
            Effect::Eject { user, below } => self.outputs.push_back(Output::Eject { user, below }),
            Effect::Erase => {
                if let Some(event) = publication.draft.body.as_event() {
                    self.erase(event);
                }
            }
        }
    }

    /// What is deleted leaves the governor, the shell's windows, and the future.
    fn erase(&mut self, event: &Event) {
        self.governor.erase(event);
        self.ready.erase(event);
        // What waited behind it need not wait any longer.
        self.drain_governor();
        let ends = match event {
            Event::Deleted { offset } => *offset,
            Event::Cleared { through, .. } => *through,
            _ => return,
        };
        if ends > self.chat_head {
            if self.doomed.len() == DOOMED_MAX {
                self.doomed.pop_front();
            }
            self.doomed.push_back(event.clone());
        }
        self.outputs.push_back(Output::Erase(event.clone()));
    }

    /// Shows what the governor lets go, in order, and then tells how much it does not.
    pub(super) fn drain_governor(&mut self) {
        let mut more = Vec::new();
        while let Some(output) = self.governor.poll_output() {
            match output {
                governor::Output::Show { publication, to } => {
                    let language = governor::language_of(&publication);
                    if self.ready.take(publication, to) == Taken::TooLate {
                        more.push(Notice::More { language, count: 1 });
                    }
                }
                governor::Output::More { language, count } => {
                    more.push(Notice::More { language, count });
                }
            }
        }
        let oldest_waiting = self.governor.oldest_waiting();
        while let Some((publication, to)) = self.ready.next(oldest_waiting) {
            self.outputs.push_back(Output::Show {
                lane: Lane::Chat,
                publication,
                to,
            });
        }
        self.outputs.extend(more.into_iter().map(Output::Notice));
    }

    pub(super) fn drain_reactions(&mut self) {
        while let Some(Aggregate { all, own }) = self.reactions.poll_output() {
            self.outputs
                .push_back(Output::Notice(Notice::Reactions { counts: all }));
            if !own.is_empty() {
                self.outputs.push_back(Output::Tapped { taps: own });
            }
        }
    }

    pub(super) fn drain_polls(&mut self) {
        while let Some(output) = self.polls.poll_output() {
            match output {
                polls::Output::Tally { poll, counts } => {
                    self.outputs
                        .push_back(Output::Notice(Notice::Tally { poll, counts }));
                }
                polls::Output::Close { poll, counts } => self.close_over(poll, counts),
            }
        }
    }

    /// Closes a poll whose time is over, in the name of whoever opened it. Every node does, under one id, so that the log
    /// takes the first.
    fn close_over(&mut self, poll: ClientMessageId, counts: Vec<u64>) {
        let Some(opened) = self.opened.get(&poll) else {
            return;
        };
        let id = closing_id(&poll);
        let sender = opened.draft.sender.clone();
        let closed = event_draft(id, sender, Event::PollClosed { poll, counts });
        self.outputs
            .push_back(Output::Publish(Box::new(stored(Lane::Room, closed))));
    }
}

/// What a poll's closing is called; no longer than a client may call a message.
fn closing_id(poll: &ClientMessageId) -> ClientMessageId {
    const MARK: &str = "end:";
    let end = poll
        .0
        .floor_char_boundary(CLIENT_MESSAGE_ID_BYTES_MAX - MARK.len());
    ClientMessageId(format!("{MARK}{}", &poll.0[..end]).into())
}
