//! Who may write what in a room, and when; who may do what to whom.
//!
//! A [`Policy`] is the fold of a room's events and nothing else. Replaying the same publications in the same order gives
//! the same policy, on every node and after every restart; a clock is asked only when a verdict is given, never while
//! folding. Penalties that have run out therefore stay until room is needed or they are pardoned: they just no longer
//! bind anybody.
//!
//! A penalty binds whoever stands below its author. Nobody knows at the time of a ban whether the banned id belongs to
//! somebody of rank who has not spoken yet, so rank is compared when they speak, by what their token says.
//!
//! The policy judges persons and modes. What words mean is [`Words`]' business, how fast somebody sends is
//! [`admit`](crate::admit)'s.

mod emoji;
mod links;
mod penalties;
mod refusal;
mod reports;
#[cfg(test)]
mod tests;
pub mod undo;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fanwave_wire::{
    ClientMessageId, Event, HoldReason, Lane, Mode, Offset, Publication, Role, Sender, Text,
    UnixMillis, UserId,
};

use self::{penalties::Penalties, reports::Reports};
pub use self::{penalties::Penalty, refusal::Refusal, reports::Reported};
use crate::{
    limits::{
        BANS_MAX, HELD_MAX, MUTES_MAX, PINS_MAX, SHIELD_FOLLOW_MINUTES, SHIELD_SLOW, UNDONE_MAX,
    },
    words::{Lists, Words},
};

/// A room's rules as its events have made them; see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    mode: Mode,
    /// The event that set the mode, for those who come later.
    mode_set: Option<Arc<Publication>>,
    mutes: Penalties,
    bans: Penalties,
    /// Oldest first, at most [`PINS_MAX`].
    pins: Vec<Arc<Publication>>,
    /// By offset in the staff lane, at most [`HELD_MAX`].
    held: BTreeMap<Offset, Held>,
    reports: Reports,
    lists: Lists,
    /// What was undone, and by which event of the same lane; at most [`UNDONE_MAX`].
    undone: BTreeMap<(Lane, Offset), Offset>,
}

/// A message that waits for review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who wrote it.
    pub sender: Sender,
    /// Its client message id.
    pub id: ClientMessageId,
    /// What it says.
    pub text: Text,
}

/// Somebody who wants to write, as their token has them.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// Who.
    pub user: &'a UserId,
    /// What they may do.
    pub role: Role,
    /// Since when they have followed the artist, if they do.
    pub follows_since: Option<UnixMillis>,
}

/// What becomes of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be shown.
    Welcome,
    /// It waits for a moderator.
    Hold(HoldReason),
    /// It may not be said.
    Refuse(Refusal),
}

/// What a fold has changed, as far as others must do something about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing beyond the policy itself.
    None,
    /// Messages of the chat lane are gone: whoever holds copies drops them.
    Erase,
    /// Somebody is banned: connections of this user below this role are closed.
    Eject {
        /// Who.
        user: UserId,
        /// The author's role: whoever stands as high stays.
        below: Role,
    },
    /// Other words may not be said.
    Words,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            mode_set: None,
            mutes: Penalties::at_most(MUTES_MAX),
            bans: Penalties::at_most(BANS_MAX),
            pins: Vec::new(),
            held: BTreeMap::new(),
            reports: Reports::default(),
            lists: Lists::default(),
            undone: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// A room in which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the room asks of writers.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The event that set the mode, if one did.
    #[must_use]
    pub fn mode_set(&self) -> Option<&Arc<Publication>> {
        self.mode_set.as_ref()
    }

    /// What is pinned, oldest first.
    #[must_use]
    pub fn pins(&self) -> &[Arc<Publication>] {
        &self.pins
    }

    /// Whether something is pinned under this id.
    #[must_use]
    pub fn has_pin(&self, pin: &ClientMessageId) -> bool {
        self.pins.iter().any(|pinned| pin_of(pinned) == Some(pin))
    }

    /// The message that waits at an offset of the staff lane.
    #[must_use]
    pub fn held(&self, at: Offset) -> Option<&Held> {
        self.held.get(&at)
    }

    /// Whether one more message can wait for review.
    #[must_use]
    pub fn has_room_to_hold(&self) -> bool {
        self.held.len() < HELD_MAX
    }

    /// How many messages wait for review.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.held.len()
    }

    /// How a message of the chat lane stands with the moderators.
    #[must_use]
    pub fn reported(&self, message: Offset) -> Reported {
        self.reports.of(message)
    }

    /// Who is banned at a time, in the order of the user ids.
    pub fn bans(&self, now: UnixMillis) -> impl Iterator<Item = (&UserId, &Penalty)> {
        self.bans.all_in_force(now)
    }

    /// Who is muted at a time, in the order of the user ids.
    pub fn mutes(&self, now: UnixMillis) -> impl Iterator<Item = (&UserId, &Penalty)> {
        self.mutes.all_in_force(now)
    }

    /// The ban of a user at a time.
    #[must_use]
    pub fn ban_of(&self, now: UnixMillis, user: &UserId) -> Option<&Penalty> {
        self.bans.in_force(now, user)
    }

    /// The mute of a user at a time.
    #[must_use]
    pub fn mute_of(&self, now: UnixMillis, user: &UserId) -> Option<&Penalty> {
        self.mutes.in_force(now, user)
    }

    /// The event that has undone an act of a lane, if one has, and it is one of the newest [`UNDONE_MAX`].
    #[must_use]
    pub fn undone_by(&self, lane: Lane, act: Offset) -> Option<Offset> {
        self.undone.get(&(lane, act)).copied()
    }

    /// The words that may not be said.
    #[must_use]
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// How long a fan waits between two messages.
    #[must_use]
    pub fn slow(&self) -> Duration {
        let slow = Duration::from_secs(self.mode.slow_seconds.into());
        if self.mode.shield {
            slow.max(SHIELD_SLOW)
        } else {
            slow
        }
    }

    /// Takes one publication of the room's own or the staff's lane into account. Texts, and lanes without rules, change
    /// nothing.
    pub fn fold(&mut self, lane: Lane, publication: &Arc<Publication>) -> Effect {
        let Some(event) = publication.draft.body.as_event() else {
            return Effect::None;
        };
        self.note_undone(lane, event, publication);
        match lane {
            Lane::Room => self.fold_open(event, publication),
            Lane::Staff => self.fold_staff(event, publication),
            Lane::Chat | Lane::Vote => Effect::None,
        }
    }

    fn fold_open(&mut self, event: &Event, publication: &Arc<Publication>) -> Effect {
        match event {
            Event::Deleted { .. } | Event::Cleared { .. } => return Effect::Erase,
            Event::Muted { user, until } => self.mutes.impose(user, *until, publication),
            Event::Banned { user, until } => {
                self.bans.impose(user, *until, publication);
                return Effect::Eject {
                    user: user.clone(),
                    below: publication.draft.sender.role,
                };
            }
            Event::Pardoned { user } => {
                self.mutes.lift(user);
                self.bans.lift(user);
            }
            Event::Mode(mode) => {
                self.mode = *mode;
                self.mode_set = Some(Arc::clone(publication));
            }
            Event::Pinned { pin, .. } => {
                self.unpin(pin);
                if self.pins.len() == PINS_MAX {
                    self.pins.remove(0);
                }
                self.pins.push(Arc::clone(publication));
            }
            Event::Unpinned { pin } => self.unpin(pin),
            // Polls count for themselves; the others say what happened and change no rule.
            Event::Gift { .. }
            | Event::PollOpened { .. }
            | Event::PollClosed { .. }
            | Event::Voted { .. }
            | Event::Held { .. }
            | Event::Reviewed { .. }
            | Event::Reported { .. }
            | Event::ReportsDismissed { .. }
            | Event::Words { .. } => {}
        }
        Effect::None
    }

    /// Takes note of what an event says it undoes, by its id. What a fan can write says nothing.
    fn note_undone(&mut self, lane: Lane, event: &Event, publication: &Publication) {
        let draft = &publication.draft;
        let act = undo::undone(&draft.id).filter(|act| *act < publication.offset);
        let Some(act) = act.filter(|_| draft.sender.role.may_moderate() && undo::may_undo(event))
        else {
            return;
        };
        self.undone.entry((lane, act)).or_insert(publication.offset);
        if self.undone.len() > UNDONE_MAX {
            self.undone.pop_first();
        }
    }

    fn fold_staff(&mut self, event: &Event, publication: &Publication) -> Effect {
        match event {
            Event::Held {
                sender, id, text, ..
            } => {
                if self.held.len() == HELD_MAX {
                    self.held.pop_first();
                }
                let held = Held {
                    sender: sender.clone(),
                    id: id.clone(),
                    text: text.clone(),
                };
                self.held.insert(publication.offset, held);
                Effect::None
            }
            Event::Reviewed { held, .. } => {
                self.held.remove(held);
                Effect::None
            }
            Event::Reported { offset, .. } => {
                self.reports.add(*offset);
                Effect::None
            }
            Event::ReportsDismissed { offset } => {
                self.reports.dismiss(*offset);
                Effect::None
            }
            Event::Words { language, words } => {
                self.lists.replace(*language, words);
                Effect::Words
            }
            _ => Effect::None,
        }
    }

    fn unpin(&mut self, pin: &ClientMessageId) {
        self.pins.retain(|pinned| pin_of(pinned) != Some(pin));
    }

    /// Whether somebody may be in the room at all.
    ///
    /// # Errors
    ///
    /// [`Refusal::Banned`].
    pub fn judge_presence(
        &self,
        now: UnixMillis,
        user: &UserId,
        role: Role,
    ) -> Result<(), Refusal> {
        match self.bans.binding(now, user, role) {
            Some(ban) => Err(Refusal::Banned { until: ban.until }),
            None => Ok(()),
        }
    }

    /// Whether somebody may write at all, whatever they say.
    ///
    /// # Errors
    ///
    /// [`Refusal::Banned`], [`Refusal::Muted`], [`Refusal::MembersOnly`] or [`Refusal::FollowersOnly`]: what binds
    /// longest comes first.
    pub fn judge_writer(&self, now: UnixMillis, writer: Writer<'_>) -> Result<(), Refusal> {
        self.judge_presence(now, writer.user, writer.role)?;
        if let Some(mute) = self.mutes.binding(now, writer.user, writer.role) {
            return Err(Refusal::Muted { until: mute.until });
        }
        if writer.role >= Role::Member {
            return Ok(());
        }
        if self.mode.members_only {
            return Err(Refusal::MembersOnly);
        }
        let shield = self.mode.shield.then_some(SHIELD_FOLLOW_MINUTES);
        match self.mode.followers_minutes.max(shield) {
            Some(minutes) => judge_follower(now, writer.follows_since, minutes),
            None => Ok(()),
        }
    }

    /// What becomes of what a writer says; `words` are compiled from [`Policy::lists`].
    #[must_use]
    pub fn judge_text(&self, role: Role, text: &str, words: &Words) -> Verdict {
        if is_exempt(role) {
            return Verdict::Welcome;
        }
        if self.mode.emoji_only && !emoji::is_emoji_only(text) {
            return Verdict::Refuse(Refusal::EmojiOnly);
        }
        if self.mode.shield && links::has_link(text) {
            return Verdict::Refuse(Refusal::Links);
        }
        if words.finds(text) {
            return if self.mode.shield {
                Verdict::Refuse(Refusal::Word)
            } else {
                Verdict::Hold(HoldReason::Word)
            };
        }
        if self.mode.hold {
            Verdict::Hold(HoldReason::Room)
        } else {
            Verdict::Welcome
        }
    }

    /// Whether a moderator of this role may act upon somebody of that role: only upon those below.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotAllowed`] when the actor is no moderator, [`Refusal::Outranked`] when the other stands as high.
    pub fn judge_moderator(actor: Role, upon: Role) -> Result<(), Refusal> {
        if !actor.may_moderate() {
            Err(Refusal::NotAllowed)
        } else if upon >= actor {
            Err(Refusal::Outranked)
        } else {
            Ok(())
        }
    }

    /// Whether somebody of this role may lift what binds a user.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotAllowed`] when the actor is no moderator, [`Refusal::Outranked`] when somebody above imposed it,
    /// [`Refusal::NotFound`] when nothing binds the user.
    pub fn judge_pardon(&self, now: UnixMillis, actor: Role, user: &UserId) -> Result<(), Refusal> {
        if !actor.may_moderate() {
            return Err(Refusal::NotAllowed);
        }
        let imposed = [&self.bans, &self.mutes].map(|penalties| penalties.in_force(now, user));
        match imposed
            .into_iter()
            .flatten()
            .map(|penalty| penalty.by)
            .max()
        {
            None => Err(Refusal::NotFound),
            Some(by) if by > actor => Err(Refusal::Outranked),
            Some(_) => Ok(()),
        }
    }
}

/// Whether the mode, the pace and the word lists ask nothing of this role.
#[must_use]
pub fn is_exempt(role: Role) -> bool {
    role.may_moderate()
}

fn pin_of(publication: &Publication) -> Option<&ClientMessageId> {
    match publication.draft.body.as_event() {
        Some(Event::Pinned { pin, .. }) => Some(pin),
        _ => None,
    }
}

fn judge_follower(now: UnixMillis, since: Option<UnixMillis>, minutes: u32) -> Result<(), Refusal> {
    let span = Duration::from_secs(u64::from(minutes) * 60);
    let left = since.map(|since| {
        let followed = Duration::from_millis(now.0.saturating_sub(since.0));
        span.saturating_sub(followed)
    });
    match left {
        Some(Duration::ZERO) => Ok(()),
        retry_after => Err(Refusal::FollowersOnly {
            minutes,
            retry_after,
        }),
    }
}
