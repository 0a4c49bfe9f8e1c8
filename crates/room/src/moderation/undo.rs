//! Undoing an act of moderation: what stood before it is made to stand again, by acts of the same kind.
//!
//! Nothing is taken out of the log. An undo is an event like any other, so that every node and every client understands
//! it; that it undoes something is said by its id alone, `undo:OFFSET` ([`undo_id`], [`undone`]). So the same moderator
//! undoes one act once, however often they ask: the log takes a sender's id once.
//!
//! An act can be undone as long as nothing else was done about the same user, mode, pin or list since: otherwise it is no
//! longer what stands, and undoing it would take the later act along. An [`Inquiry`] reads a lane's events from the first
//! to the newest, and concludes what is to be done.

use std::{cmp::Ordering, sync::Arc};

use fanwave_wire::{
    Action, ClientMessageId, Event, Lane, Offset, Publication, UnixMillis, UserId,
    limits::PENALTY_SECONDS_MAX,
};
use thiserror::Error;

use super::{Penalty, Policy};

/// What the id of an event that undoes another begins with.
const MARK: &str = "undo:";

/// What the `part`-th event is called that undoes an act: of one moderator, the log takes it once.
#[must_use]
pub fn undo_id(act: Offset, part: usize) -> ClientMessageId {
    let id = match part {
        0 => format!("{MARK}{}", act.0),
        part => format!("{MARK}{}:{part}", act.0),
    };
    ClientMessageId(id.into())
}

/// Which act an event undoes, if its id says that it does.
#[must_use]
pub fn undone(id: &ClientMessageId) -> Option<Offset> {
    let rest = id.0.strip_prefix(MARK)?;
    let act = rest.split_once(':').map_or(rest, |(act, _)| act);
    // As it is written, and in no other way.
    let offset: u64 = act.parse().ok()?;
    (offset.to_string() == act).then_some(Offset(offset))
}

/// Whether an event can be the undoing of another.
pub(super) fn may_undo(event: &Event) -> bool {
    matches!(
        event,
        Event::Muted { .. }
            | Event::Banned { .. }
            | Event::Pardoned { .. }
            | Event::Mode(_)
            | Event::Pinned { .. }
            | Event::Unpinned { .. }
            | Event::Words { .. }
    )
}

/// Why an act is not undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UndoRefusal {
    /// The lane has no such act.
    #[error("there is no such act")]
    NotFound,
    /// It takes texts away, and they are gone.
    #[error("what was deleted is gone and cannot come back")]
    TextIsGone,
    /// It is of a kind that has no opposite.
    #[error("an act of this kind cannot be undone")]
    NotUndoable,
    /// It was undone.
    #[error("it was undone before")]
    AlreadyUndone {
        /// By this event.
        by: Offset,
    },
    /// Something else was done about the same user, mode, pin or list since.
    #[error("something else was done about the same since: undo that first, or do what is wanted")]
    Superseded {
        /// By this event.
        by: Offset,
    },
    /// What it did is over by itself, or it changed nothing.
    #[error("what it did is over: there is nothing to undo")]
    Over,
}

/// Finds out how an act is undone; see the module.
#[derive(Debug)]
pub struct Inquiry {
    lane: Lane,
    act: Offset,
    found: Option<Arc<Publication>>,
    /// The rules when the act came.
    before: Policy,
    /// The rules as far as was read.
    policy: Policy,
    /// The first event after the act that concerns the same.
    superseded_by: Option<Offset>,
}

impl Inquiry {
    /// An inquiry into an act of a lane, which has read nothing.
    #[must_use]
    pub fn new(lane: Lane, act: Offset) -> Self {
        Self {
            lane,
            act,
            found: None,
            before: Policy::new(),
            policy: Policy::new(),
            superseded_by: None,
        }
    }

    /// Reads the next event of the lane; oldest first.
    pub fn read(&mut self, publication: &Arc<Publication>) {
        match publication.offset.cmp(&self.act) {
            Ordering::Less => {}
            Ordering::Equal => {
                self.before = self.policy.clone();
                self.found = Some(Arc::clone(publication));
            }
            Ordering::Greater => {
                let act = self.event();
                let concerned = act.is_some_and(|act| concern_the_same(act, publication));
                if concerned && self.superseded_by.is_none() {
                    self.superseded_by = Some(publication.offset);
                }
            }
        }
        self.policy.fold(self.lane, publication);
    }

    fn event(&self) -> Option<&Event> {
        self.found.as_ref()?.draft.body.as_event()
    }

    /// What is to be done so that it stands as before the act: at least one action, in this order.
    ///
    /// # Errors
    ///
    /// See [`UndoRefusal`].
    pub fn conclude(&self, now: UnixMillis) -> Result<Vec<Action>, UndoRefusal> {
        if self.found.is_none() {
            return Err(UndoRefusal::NotFound);
        }
        let act = self.event().ok_or(UndoRefusal::NotUndoable)?;
        if let Some(by) = self.policy.undone_by(self.lane, self.act) {
            return Err(UndoRefusal::AlreadyUndone { by });
        }
        if let Some(by) = self.superseded_by {
            return Err(UndoRefusal::Superseded { by });
        }
        let actions = match act {
            Event::Deleted { .. } | Event::Cleared { .. } => return Err(UndoRefusal::TextIsGone),
            Event::Muted { user, .. } | Event::Banned { user, .. } | Event::Pardoned { user } => {
                self.restore_user(now, user)
            }
            Event::Mode(_) if self.before.mode() == self.policy.mode() => Vec::new(),
            Event::Mode(_) => vec![Action::Mode(self.before.mode())],
            Event::Pinned { pin, .. } if self.policy.has_pin(pin) => {
                vec![Action::Unpin { pin: pin.clone() }]
            }
            Event::Pinned { .. } => Vec::new(),
            Event::Unpinned { pin } => self.pin_again(pin).into_iter().collect(),
            Event::Words { language, .. } => {
                let words = self.before.lists().of(*language);
                if words == self.policy.lists().of(*language) {
                    Vec::new()
                } else {
                    let (language, words) = (*language, words.to_vec());
                    vec![Action::Words { language, words }]
                }
            }
            Event::Gift { .. }
            | Event::PollOpened { .. }
            | Event::PollClosed { .. }
            | Event::Voted { .. }
            | Event::Held { .. }
            | Event::Reviewed { .. }
            | Event::Reported { .. }
            | Event::ReportsDismissed { .. } => return Err(UndoRefusal::NotUndoable),
        };
        if actions.is_empty() {
            return Err(UndoRefusal::Over);
        }
        Ok(actions)
    }

    /// A pardon ends both kinds of penalty, so that what is to stay is imposed again after it.
    fn restore_user(&self, now: UnixMillis, user: &UserId) -> Vec<Action> {
        let ban = [&self.before, &self.policy].map(|rules| rules.ban_of(now, user));
        let mute = [&self.before, &self.policy].map(|rules| rules.mute_of(now, user));
        let is_too_much =
            |[former, present]: [Option<&Penalty>; 2]| former.is_none() && present.is_some();
        let pardon = is_too_much(ban) || is_too_much(mute);
        let missing = |[former, present]: [Option<&Penalty>; 2]| {
            let until = former?.until;
            let stands = present.is_some_and(|present| present.until == until);
            (pardon || !stands).then(|| until.map(|until| seconds_until(now, until)))
        };
        let user = || user.clone();
        let mut actions = Vec::new();
        if pardon {
            actions.push(Action::Pardon { user: user() });
        }
        actions.extend(missing(ban).map(|seconds| Action::Ban {
            user: user(),
            seconds,
        }));
        actions.extend(missing(mute).map(|seconds| Action::Mute {
            user: user(),
            seconds,
        }));
        actions
    }

    /// It becomes another pin that says the same: an id is used once.
    fn pin_again(&self, pin: &ClientMessageId) -> Option<Action> {
        let pins = self.before.pins().iter();
        pins.filter_map(|pinned| pinned.draft.body.as_event())
            .find_map(|event| match event {
                Event::Pinned {
                    pin: id,
                    text,
                    offset,
                } if id == pin => Some(Action::Pin {
                    id: None,
                    text: Arc::clone(text),
                    offset: *offset,
                }),
                _ => None,
            })
    }
}

/// Whether a later event changes what an act has set.
fn concern_the_same(act: &Event, later: &Publication) -> bool {
    let Some(later) = later.draft.body.as_event() else {
        return false;
    };
    match (user_of(act), user_of(later)) {
        (Some(user), Some(other)) => return user == other,
        (None, None) => {}
        _ => return false,
    }
    match (act, later) {
        (Event::Mode(_), Event::Mode(_)) => true,
        (
            Event::Pinned { pin, .. } | Event::Unpinned { pin },
            Event::Pinned { pin: other, .. } | Event::Unpinned { pin: other },
        ) => pin == other,
        (
            Event::Words { language, .. },
            Event::Words {
                language: other, ..
            },
        ) => language == other,
        _ => false,
    }
}

/// Whom a penalty, or the end of one, is about.
fn user_of(event: &Event) -> Option<&UserId> {
    match event {
        Event::Muted { user, .. } | Event::Banned { user, .. } | Event::Pardoned { user } => {
            Some(user)
        }
        _ => None,
    }
}

/// Whole seconds until a time that is to come: rather one more than one less.
fn seconds_until(now: UnixMillis, until: UnixMillis) -> u32 {
    let seconds = until.0.saturating_sub(now.0).div_ceil(1_000);
    u32::try_from(seconds)
        .unwrap_or(PENALTY_SECONDS_MAX)
        .clamp(1, PENALTY_SECONDS_MAX)
}

#[cfg(test)]
mod tests;
