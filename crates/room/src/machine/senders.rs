//! What a node remembers of the people who write in a room: how fast they have been, and who ranks above a fan.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use fanwave_wire::{Offset, Publication, Role, Sender, UnixMillis, UserId};

use crate::{
    admit::{Gate, Rules},
    limits::{RANKED_MESSAGES_MAX, RANKS_MAX, SENDERS_MAX},
    moderation::Refusal,
};

/// After a fruitless search for rested senders, the next one waits so long: each looks at all of them.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// How fast each sender has been. The allowance is the user's, not the connection's: two tabs share one.
///
/// Only those who lately sent are remembered; one whose allowance is whole again is as good as forgotten. When nobody
/// is, somebody new waits.
#[derive(Debug, Default)]
pub(super) struct Senders {
    paces: BTreeMap<UserId, Pace>,
    search_again_at: UnixMillis,
}

/// How fast one sender has been.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    pub(super) gate: Gate,
    said_at: Option<UnixMillis>,
}

impl Pace {
    /// Whether the slow mode lets this sender write now.
    pub(super) fn judge_slow(self, now: UnixMillis, slow: Duration) -> Result<(), Refusal> {
        match self.slow_left(now, slow) {
            Duration::ZERO => Ok(()),
            retry_after => Err(Refusal::TooFast { retry_after }),
        }
    }

    /// Takes note that the sender has said something.
    pub(super) fn said(&mut self, now: UnixMillis) {
        self.said_at = Some(now);
    }

    fn slow_left(self, now: UnixMillis, slow: Duration) -> Duration {
        // A clock that was set back makes nobody wait longer than the mode says.
        let since = self
            .said_at
            .map(|at| Duration::from_millis(now.0.saturating_sub(at.0)));
        since.map_or(Duration::ZERO, |since| slow.saturating_sub(since))
    }
}

impl Senders {
    /// What is known of a sender; somebody new starts rested, if there is room to remember them.
    pub(super) fn pace(
        &mut self,
        now: UnixMillis,
        rules: &Rules,
        slow: Duration,
        user: &UserId,
    ) -> Result<Pace, Refusal> {
        if let Some(pace) = self.paces.get(user) {
            return Ok(*pace);
        }
        if self.paces.len() >= SENDERS_MAX {
            self.forget_rested(now, rules, slow);
        }
        if self.paces.len() >= SENDERS_MAX {
            return Err(Refusal::Busy {
                retry_after: SEARCH_PAUSE,
            });
        }
        Ok(Pace::default())
    }

    /// Remembers a sender's pace.
    pub(super) fn remember(&mut self, user: &UserId, pace: Pace) {
        self.paces.insert(user.clone(), pace);
    }

    /// Forgets whose allowance is whole and, if that makes no room, also who only waits for the slow mode: it may last
    /// an hour, and a room must not be closed to newcomers for so long.
    fn forget_rested(&mut self, now: UnixMillis, rules: &Rules, slow: Duration) {
        if now < self.search_again_at {
            return;
        }
        self.search_again_at = UnixMillis(now.0.saturating_add(1_000));
        self.paces.retain(|_, pace| {
            !pace.gate.is_rested(now, rules) || pace.slow_left(now, slow) > Duration::ZERO
        });
        if self.paces.len() >= SENDERS_MAX {
            self.paces
                .retain(|_, pace| !pace.gate.is_rested(now, rules));
        }
    }
}

/// Who is known to rank above a fan, and which messages of the chat lane are theirs: a moderator who acts upon their
/// equals is told at once. Whom it misses it misses harmlessly, for penalties do not bind upwards.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    roles: BTreeMap<UserId, Role>,
    /// Oldest first.
    messages: VecDeque<(Offset, UserId, Role)>,
}

impl Ranks {
    /// Learns from whoever has a signed role here.
    pub(super) fn learn(&mut self, sender: &Sender) {
        if !sender.role.may_moderate() {
            // Somebody who has lost a rank no longer has its protection.
            self.roles.remove(&sender.user);
        } else if self.roles.len() < RANKS_MAX || self.roles.contains_key(&sender.user) {
            self.roles.insert(sender.user.clone(), sender.role);
        }
    }

    /// Learns from a message of the chat lane.
    pub(super) fn learn_message(&mut self, publication: &Arc<Publication>) {
        let sender = &publication.draft.sender;
        self.learn(sender);
        if sender.role.may_moderate() {
            if self.messages.len() == RANKED_MESSAGES_MAX {
                self.messages.pop_front();
            }
            self.messages
                .push_back((publication.offset, sender.user.clone(), sender.role));
        }
    }

    /// The role of a user, as far as it is known.
    pub(super) fn of_user(&self, user: &UserId) -> Role {
        self.roles.get(user).copied().unwrap_or_default()
    }

    /// The author of a message and their role, if they are known to rank above a fan.
    pub(super) fn author(&self, offset: Offset) -> Option<(&UserId, Role)> {
        let place = self
            .messages
            .binary_search_by_key(&offset, |(offset, _, _)| *offset)
            .ok()?;
        let (_, user, role) = self.messages.get(place)?;
        Some((user, *role))
    }
}
