//! One gateway node as a model: the real room machine and the real recovery windows, and a log with cursors.

use std::{collections::VecDeque, sync::Arc};

use fanwave_room::{
    machine::{Reach, Room, Settings},
    recent::{Recent, Stretch},
};
use fanwave_wire::{Event, Notice, Offset, Publication, UnixMillis, UserId};

use crate::{engine::epoch, fan::FanId};

/// Entries of a node's log that slow fans may still read.
const LOG_MAX: usize = 128;

/// One frame of a node's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) lane: FrameLane,
    pub(crate) offset: Offset,
}

/// Of which lane a frame is, and for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FrameLane {
    /// The lossless lane: everybody's.
    Room,
    /// The chat lane: everybody's.
    Chat {
        /// Who wrote it.
        by: Option<FanId>,
    },
    /// The chat lane: only for these.
    Personal([Option<FanId>; 2]),
}

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) room: Room,
    pub(crate) room_recent: Recent,
    pub(crate) chat_recent: Recent,
    log: VecDeque<Frame>,
    /// How many frames have left the log.
    dropped: u64,
    /// The newest offset of the lossless lane among them.
    pub(crate) dropped_room: Offset,
    /// Who is connected.
    pub(crate) fans: Vec<FanId>,
    /// When the room wants to be woken, as far as it is planned.
    pub(crate) wakes_at: Option<UnixMillis>,
    /// Offsets of the chat lane, in the order in which they left: to everybody, or only to some.
    pub(crate) told: Vec<(Offset, bool)>,
    /// The sum of all notices of more.
    pub(crate) more: u64,
    /// The sum of all notices of reactions.
    pub(crate) taps: u64,
    /// The newest tally.
    pub(crate) tally: Option<Vec<u64>>,
}

impl Node {
    pub(crate) fn new(settings: Settings) -> Self {
        let empty = || {
            let stretch = Stretch {
                floor: Offset(0),
                head: Offset(0),
                publications: Vec::new(),
            };
            Recent::resume(epoch(), stretch)
        };
        let room = "simulated".parse().expect("it is a room id");
        Self {
            room: Room::new(&room, settings),
            room_recent: empty(),
            chat_recent: empty(),
            log: VecDeque::new(),
            dropped: 0,
            dropped_room: Offset(0),
            fans: Vec::new(),
            wakes_at: None,
            told: Vec::new(),
            more: 0,
            taps: 0,
            tally: None,
        }
    }

    /// Where the log ends.
    pub(crate) fn head(&self) -> u64 {
        self.dropped + self.log.len() as u64
    }

    /// The frames from a cursor on; `None` when they have left the log.
    pub(crate) fn frames_from(&self, cursor: u64) -> Option<impl Iterator<Item = Frame> + '_> {
        let skip = cursor.checked_sub(self.dropped)?;
        let skip = usize::try_from(skip).ok()?;
        Some(self.log.range(skip.min(self.log.len())..).copied())
    }

    /// All frames that the log holds.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        self.log.iter().copied()
    }

    pub(crate) fn show_room(&mut self, publication: &Arc<Publication>) {
        self.room_recent.push(Arc::clone(publication));
        self.append(Frame {
            lane: FrameLane::Room,
            offset: publication.offset,
        });
    }

    pub(crate) fn show_chat(&mut self, publication: &Arc<Publication>, to: &Reach) {
        let offset = publication.offset;
        let lane = match to {
            Reach::Everyone => {
                self.chat_recent.push(Arc::clone(publication));
                self.told.push((offset, true));
                let by = FanId::of(&publication.draft.sender.user);
                FrameLane::Chat { by }
            }
            Reach::Only(users) => {
                self.told.push((offset, false));
                // It is part of no recovery, and yet a position that its reader may come back with.
                let head = self.chat_recent.head();
                self.chat_recent.pass(head.max(offset));
                let fan = |user: &Option<UserId>| user.as_ref().and_then(FanId::of);
                FrameLane::Personal([fan(&users[0]), fan(&users[1])])
            }
        };
        self.append(Frame { lane, offset });
    }

    pub(crate) fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::More { count, .. } => self.more += count,
            Notice::Reactions { counts } => self.taps += counts.values().sum::<u64>(),
            Notice::Tally { counts, .. } => self.tally = Some(counts.clone()),
            Notice::Missed { .. } | Notice::Paused | Notice::Resumed => {}
        }
    }

    pub(crate) fn erase(&mut self, event: &Event) {
        self.chat_recent.erase(event);
    }

    fn append(&mut self, frame: Frame) {
        if self.log.len() == LOG_MAX
            && let Some(oldest) = self.log.pop_front()
        {
            self.dropped += 1;
            if matches!(oldest.lane, FrameLane::Room) {
                self.dropped_room = oldest.offset;
            }
        }
        self.log.push_back(frame);
    }
}
