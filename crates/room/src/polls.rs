//! Polls: what is open, who has voted, how it stands.
//!
//! The state is a fold of the room's events and nothing else: [`Event::PollOpened`] and [`Event::PollClosed`] of the
//! `room` lane, [`Event::Voted`] of the `vote` lane. So a node that opens the room replays them ([`Polls::fold`], first
//! the `room` lane, then the `vote` lane) and stands where the others stand. One vote per fan holds twice: here, before
//! a vote is sent to the log, and in the log itself, where a vote's id is the poll's and a fan's ids are unique.
//!
//! 1. [`Polls::judge`] says whether a vote may be cast; the caller publishes it.
//! 2. When it comes back from the log, [`Polls::fold`] counts it; per tick in which something has changed, every open
//!    poll that did leaves as one [`Output::Tally`].
//! 3. At a poll's end no vote is valid any more. A moment later, for those on their way, [`Output::Close`] asks the
//!    caller to publish [`Event::PollClosed`] with the counts. It closes nothing by itself, and asks again if the event
//!    does not come. All nodes ask; the caller gives the event an id made of the poll's, so that the log takes one.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use fanwave_wire::{ClientMessageId, Event, Offset, Publication, UnixMillis, UserId};

use crate::limits::{POLL_CLOSE_WAIT, POLL_SETTLE, POLLS_OPEN_MAX, TALLY_TICK, VOTERS_MAX};

/// Whether a fan may vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ballot {
    /// The vote may be cast.
    Valid,
    /// There is no such poll, or it is closed.
    NotOpen,
    /// The poll's time is over.
    Over,
    /// The poll has no such choice.
    NoSuchChoice,
    /// The fan has voted.
    HasVoted,
    /// [`VOTERS_MAX`] fans have voted.
    Full,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Tell the room how a poll stands.
    Tally {
        /// Which.
        poll: ClientMessageId,
        /// Votes per choice.
        counts: Vec<u64>,
    },
    /// A poll's time is over: publish [`Event::PollClosed`].
    Close {
        /// Which.
        poll: ClientMessageId,
        /// Votes per choice.
        counts: Vec<u64>,
    },
}

/// The polls of one room that are open; see the module.
#[derive(Debug, Default)]
pub struct Polls {
    open: BTreeMap<ClientMessageId, Poll>,
    /// When changed tallies are told; set while there may be one.
    told_at: Option<UnixMillis>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Poll {
    /// Where it was opened.
    offset: Offset,
    /// After which no vote is valid.
    until: Option<UnixMillis>,
    /// When to ask for its closing.
    closes_at: Option<UnixMillis>,
    counts: Vec<u64>,
    voters: BTreeSet<UserId>,
    /// Whether votes have come since its tally was told.
    is_changed: bool,
}

impl Polls {
    /// No poll is open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of an event of the `room` or the `vote` lane; all others are none of its business.
    pub fn fold(&mut self, now: UnixMillis, publication: &Publication) {
        let draft = &publication.draft;
        match draft.body.as_event() {
            Some(Event::PollOpened {
                poll,
                choices,
                until,
                ..
            }) => {
                let opened = Poll::opened(publication.offset, choices.len(), *until);
                self.open(poll, opened);
            }
            Some(Event::PollClosed { poll, .. }) => {
                self.open.remove(poll);
            }
            Some(Event::Voted { choice }) => {
                self.count(now, &draft.id, *choice, &draft.sender.user);
            }
            _ => {}
        }
    }

    /// Whether a vote may be cast. The vote counts when it comes back from the log, see [`Polls::fold`].
    #[must_use]
    pub fn judge(
        &self,
        now: UnixMillis,
        poll: &ClientMessageId,
        choice: u8,
        user: &UserId,
    ) -> Ballot {
        let Some(poll) = self.open.get(poll) else {
            return Ballot::NotOpen;
        };
        if poll.until.is_some_and(|until| until <= now) {
            Ballot::Over
        } else if usize::from(choice) >= poll.counts.len() {
            Ballot::NoSuchChoice
        } else if poll.voters.contains(user) {
            Ballot::HasVoted
        } else if poll.voters.len() >= VOTERS_MAX {
            Ballot::Full
        } else {
            Ballot::Valid
        }
    }

    /// How an open poll stands: votes per choice. `None` when it is not open.
    #[must_use]
    pub fn counts(&self, poll: &ClientMessageId) -> Option<&[u64]> {
        self.open.get(poll).map(|poll| poll.counts.as_slice())
    }

    /// All polls that are open, and how they stand.
    pub fn open_polls(&self) -> impl Iterator<Item = (&ClientMessageId, &[u64])> {
        self.open
            .iter()
            .map(|(poll, state)| (poll, state.counts.as_slice()))
    }

    /// Tells tallies and asks for closings, where it is time.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        if self.told_at.is_some_and(|at| at <= now) {
            self.told_at = None;
            for (poll, state) in &mut self.open {
                if std::mem::take(&mut state.is_changed) {
                    let (poll, counts) = (poll.clone(), state.counts.clone());
                    self.outputs.push_back(Output::Tally { poll, counts });
                }
            }
        }
        for (poll, state) in &mut self.open {
            if state.closes_at.is_some_and(|at| at <= now) {
                state.closes_at = Some(later(now, POLL_CLOSE_WAIT));
                let (poll, counts) = (poll.clone(), state.counts.clone());
                self.outputs.push_back(Output::Close { poll, counts });
            }
        }
    }

    /// The next thing to be done, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        let closings = self.open.values().filter_map(|poll| poll.closes_at);
        closings.chain(self.told_at).min()
    }

    /// Opens a poll, unless it is open; of too many, the one that was opened first is forgotten, on every node alike.
    fn open(&mut self, poll: &ClientMessageId, opened: Poll) {
        if self.open.contains_key(poll) {
            return;
        }
        if self.open.len() >= POLLS_OPEN_MAX {
            let oldest = self.open.iter().min_by_key(|(_, poll)| poll.offset);
            if let Some(oldest) = oldest.map(|(poll, _)| poll.clone()) {
                self.open.remove(&oldest);
            }
        }
        self.open.insert(poll.clone(), opened);
    }

    /// Counts a vote that the log holds.
    fn count(&mut self, now: UnixMillis, poll: &ClientMessageId, choice: u8, user: &UserId) {
        let Some(poll) = self.open.get_mut(poll) else {
            return; // It came when the poll was closed: the counts had been published.
        };
        let is_full = poll.voters.len() >= VOTERS_MAX;
        let Some(count) = poll.counts.get_mut(usize::from(choice)) else {
            return;
        };
        if is_full || !poll.voters.insert(user.clone()) {
            return;
        }
        *count += 1;
        poll.is_changed = true;
        if self.told_at.is_none() {
            self.told_at = Some(later(now, TALLY_TICK));
        }
    }
}

impl Poll {
    fn opened(offset: Offset, choices: usize, until: Option<UnixMillis>) -> Self {
        Self {
            offset,
            until,
            closes_at: until.map(|until| later(until, POLL_SETTLE)),
            counts: vec![0; choices],
            voters: BTreeSet::new(),
            is_changed: false,
        }
    }
}

/// The time `span` after `now`.
fn later(now: UnixMillis, span: Duration) -> UnixMillis {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(now.0.saturating_add(span))
}

#[cfg(test)]
mod tests;
