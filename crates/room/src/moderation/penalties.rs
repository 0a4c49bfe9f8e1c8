//! Mutes and bans: who, until when, and by whose authority.

use std::collections::BTreeMap;

use fanwave_wire::{Offset, Publication, Role, UnixMillis, UserId};

/// A mute or a ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Penalty {
    /// For ever, when missing.
    pub until: Option<UnixMillis>,
    /// The role of whoever imposed it.
    pub by: Role,
    /// Who imposed it.
    pub author: UserId,
    /// The event that did, in the room's own lane.
    pub event: Offset,
}

/// All mutes, or all bans, of a room. Bounded: the one that ends first makes way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Penalties {
    max: usize,
    by_user: BTreeMap<UserId, Penalty>,
}

impl Penalty {
    fn is_in_force(&self, now: UnixMillis) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Penalties {
    pub(super) fn at_most(max: usize) -> Self {
        Self {
            max,
            by_user: BTreeMap::new(),
        }
    }

    /// Imposes a penalty as of the time of its event: the present has no say in a fold.
    pub(super) fn impose(
        &mut self,
        user: &UserId,
        until: Option<UnixMillis>,
        publication: &Publication,
    ) {
        if self.by_user.len() >= self.max && !self.by_user.contains_key(user) {
            self.make_room(publication.at);
        }
        let penalty = Penalty {
            until,
            by: publication.draft.sender.role,
            author: publication.draft.sender.user.clone(),
            event: publication.offset,
        };
        self.by_user.insert(user.clone(), penalty);
    }

    pub(super) fn lift(&mut self, user: &UserId) {
        self.by_user.remove(user);
    }

    /// The penalty of a user at a time, whoever they are.
    pub(super) fn in_force(&self, now: UnixMillis, user: &UserId) -> Option<&Penalty> {
        let penalty = self.by_user.get(user);
        penalty.filter(|penalty| penalty.is_in_force(now))
    }

    /// All that are in force at a time, in the order of the user ids.
    pub(super) fn all_in_force(
        &self,
        now: UnixMillis,
    ) -> impl Iterator<Item = (&UserId, &Penalty)> {
        let all = self.by_user.iter();
        all.filter(move |(_, penalty)| penalty.is_in_force(now))
    }

    /// The penalty that binds a user of this role at a time.
    pub(super) fn binding(&self, now: UnixMillis, user: &UserId, role: Role) -> Option<&Penalty> {
        let penalty = self.in_force(now, user);
        penalty.filter(|penalty| role < penalty.by)
    }

    /// Forgets what has run out; when nothing has, what ends first.
    fn make_room(&mut self, at: UnixMillis) {
        self.by_user.retain(|_, penalty| penalty.is_in_force(at));
        if self.by_user.len() < self.max {
            return;
        }
        let ends = |penalty: &Penalty| penalty.until.map_or(u64::MAX, |until| until.0);
        let first = self.by_user.iter().min_by_key(|(_, penalty)| ends(penalty));
        if let Some(user) = first.map(|(user, _)| user.clone()) {
            self.by_user.remove(&user);
        }
    }
}
