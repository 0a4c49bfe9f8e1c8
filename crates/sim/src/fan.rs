//! One fan: where they are, and what they have been shown.

use std::collections::BTreeMap;

use fanwave_wire::{Offset, UserId};

use crate::node::{Frame, FrameLane};

/// A fan's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FanId(pub(crate) u32);

impl FanId {
    pub(crate) fn user(self) -> UserId {
        UserId(format!("f{}", self.0).into())
    }

    /// The fan of a user id; moderators and artists are none.
    pub(crate) fn of(user: &UserId) -> Option<Self> {
        user.0.strip_prefix('f')?.parse().ok().map(Self)
    }

    pub(crate) fn place(self) -> usize {
        self.0 as usize
    }
}

/// Where a fan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Connected.
    On {
        node: usize,
        /// Place in the node's list of fans.
        slot: usize,
        /// Place in the node's log.
        cursor: u64,
    },
    /// On the way back.
    Away,
    /// Sent out.
    Banned,
}

/// A fan.
#[derive(Debug)]
pub(crate) struct Fan {
    pub(crate) whereabouts: Whereabouts,
    /// Whether the connection takes only every eighth sweep.
    pub(crate) is_slow: bool,
    /// The position in the lossless lane; `None` before the first subscription.
    pub(crate) room_seen: Option<Offset>,
    pub(crate) chat_seen: Offset,
    /// How often the fan was told that not everything could be recovered.
    pub(crate) told_unrecovered: u32,
    /// How often the fan was told that messages of the chat lane were missed.
    pub(crate) told_missed: u32,
    pub(crate) chat_shown: u64,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A gap, a repetition, or the wrong order in the lossless lane.
    Lossless,
    /// A repetition or the wrong order in the chat lane.
    Order,
    /// It had been deleted, and the fan had been told.
    Deleted,
}

impl Fan {
    pub(crate) fn new(is_slow: bool) -> Self {
        Self {
            whereabouts: Whereabouts::Away,
            is_slow,
            room_seen: None,
            chat_seen: Offset(0),
            told_unrecovered: 0,
            told_missed: 0,
            chat_shown: 0,
        }
    }

    /// Looks at a frame, with all that is deleted: by which event of the lossless lane.
    pub(crate) fn look(
        &mut self,
        id: FanId,
        frame: Frame,
        deleted: &BTreeMap<Offset, Offset>,
    ) -> Result<(), Wrong> {
        match frame.lane {
            FrameLane::Room => self.look_room(frame.offset),
            FrameLane::Chat { .. } => self.look_chat(frame.offset, deleted),
            FrameLane::Personal(fans) if fans.contains(&Some(id)) => {
                self.look_chat(frame.offset, deleted)
            }
            FrameLane::Personal(_) => Ok(()),
        }
    }

    pub(crate) fn look_room(&mut self, offset: Offset) -> Result<(), Wrong> {
        let expected = self.room_seen.unwrap_or_default().next();
        self.room_seen = Some(offset);
        if offset == expected {
            Ok(())
        } else {
            Err(Wrong::Lossless)
        }
    }

    pub(crate) fn look_chat(
        &mut self,
        offset: Offset,
        deleted: &BTreeMap<Offset, Offset>,
    ) -> Result<(), Wrong> {
        let is_newer = offset > self.chat_seen;
        self.chat_seen = offset;
        self.chat_shown += 1;
        let event = deleted.get(&offset).copied();
        let knows = event.is_some_and(|event| self.room_seen.is_some_and(|seen| seen >= event));
        if !is_newer {
            Err(Wrong::Order)
        } else if knows {
            Err(Wrong::Deleted)
        } else {
            Ok(())
        }
    }
}
