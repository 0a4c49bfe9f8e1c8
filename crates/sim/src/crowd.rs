//! The fans: they come, write, tap, vote, read, drop out and come back.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_room::{
    machine::{Input, Say},
    recent::Recovery,
};
use fanwave_wire::{ClientMessageId, Event, Lane, Offset, Publication, ReplyTo, Role, Sender};

use crate::{
    dice::{Dice, mix},
    engine::epoch,
    fan::{FanId, Whereabouts, Wrong},
    node::{Frame, FrameLane},
    staff::POLL,
    world::{Happens, Reply, World},
};

/// How often the crowd acts, milliseconds.
const STEP_MILLIS: u64 = 10;

/// A slow fan's connection takes one sweep of so many.
const SLOW_SWEEPS: u64 = 64;

/// What fans say, in several languages; the last is listed.
const TEXTS: [&str; 8] = [
    "사랑해요 오빠들 너무 멋져요",
    "오늘 무대 진짜 최고예요",
    "ありがとう、最高のライブです",
    "this is the best show of the year",
    "te amo mucho desde México",
    "😍😍😍",
    "รักมากเลยค่ะ",
    "you are all r.u.d.e",
];

/// The fan who sends fifty messages a second.
const FLOODER: FanId = FanId(0);

impl World {
    pub(crate) fn crowd(&mut self) {
        if !self.is_busy() {
            return;
        }
        self.agenda.after(STEP_MILLIS, Happens::Crowd);
        let per_mille = self.plan.messages_per_second * STEP_MILLIS;
        let sends = per_mille / 1_000 + u64::from(self.dice.per_mille(per_mille % 1_000));
        for _ in 0..sends {
            let fan = self.any_fan();
            self.say_something(fan);
        }
        if self.dice.per_mille(500) {
            self.say_something(FLOODER);
        }
        if self.dice.per_mille(200) {
            self.tap();
            self.vote();
        }
        // So many of a thousand in a second are a hundredth of it in a step, in hundred thousandths.
        let drops = u64::from(self.plan.fans) * self.plan.drops_per_mille * STEP_MILLIS;
        let drops = drops / 1_000_000 + u64::from(self.dice.below(1_000_000) < drops % 1_000_000);
        for _ in 0..drops {
            let fan = self.any_fan();
            self.drop_out(fan);
        }
    }

    fn any_fan(&mut self) -> FanId {
        let fan = self.dice.below(u64::from(self.plan.fans));
        FanId(u32::try_from(fan).unwrap_or(0))
    }

    fn say_something(&mut self, fan: FanId) {
        self.sent += 1;
        let number = self.sent;
        self.say(fan, number);
        // One message in ten is sent again, as after a lost acknowledgement.
        if self.dice.per_mille(100) {
            let millis = self.dice.between(1, 3_000);
            self.agenda.after(millis, Happens::Resend { fan, number });
        }
    }

    /// Sends a message; the same number is the same message.
    pub(crate) fn say(&mut self, fan: FanId, number: u64) {
        let Whereabouts::On { node, .. } = self.fans[fan.place()].whereabouts else {
            return;
        };
        let mut dice = Dice::new(mix(self.plan.seed ^ number.rotate_left(20)));
        let places = if dice.per_mille(20) { 8 } else { 7 };
        let text = TEXTS[..places][usize::try_from(dice.below(places as u64)).unwrap_or(0)];
        let say = Say {
            lane: Lane::Chat,
            sender: fan_sender(fan, dice.per_mille(5)),
            follows_since: None,
            id: ClientMessageId(format!("m{number}").into()),
            text: text.into(),
            reply_to: dice.per_mille(100).then(|| {
                Box::new(ReplyTo {
                    offset: Offset(1),
                    user: FanId(u32::try_from(dice.below(u64::from(self.plan.fans))).unwrap_or(0))
                        .user(),
                })
            }),
            unpaced: false,
            held: false,
        };
        let ticket = self.ticket();
        let say = Box::new(say);
        self.drive_for(node, Input::Say { ticket, say }, Some((fan, number)));
    }

    /// Fans tap in turn, so that no allowance is ever used up; one batch in ten is sent twice.
    fn tap(&mut self) {
        self.sent += 1;
        let number = self.sent;
        let fan = FanId(u32::try_from(number * 7 % u64::from(self.plan.fans)).unwrap_or(0));
        let Whereabouts::On { node, .. } = self.fans[fan.place()].whereabouts else {
            return;
        };
        let count = u32::try_from(self.dice.between(1, 3)).unwrap_or(1);
        let Ok(heart) = "heart".parse() else { return };
        let taps = BTreeMap::from([(heart, count)]);
        let times = if self.dice.per_mille(100) { 2 } else { 1 };
        for time in 0..times {
            let ticket = self.ticket();
            let react = Input::React {
                ticket,
                sender: fan_sender(fan, false),
                batch: ClientMessageId(format!("b{number}").into()),
                taps: taps.clone(),
            };
            if self.drive(node, react) == Some(Reply::Done) && time == 0 {
                self.taps_taken += u64::from(count);
            }
        }
    }

    /// A fan votes, some of them again and again, on whichever node they are.
    fn vote(&mut self) {
        let fan = if self.dice.per_mille(300) {
            FLOODER
        } else {
            self.any_fan()
        };
        let Whereabouts::On { node, .. } = self.fans[fan.place()].whereabouts else {
            return;
        };
        let choice = u8::from(self.dice.per_mille(400));
        for _ in 0..self.dice.between(1, 2) {
            let ticket = self.ticket();
            let vote = Input::Vote {
                ticket,
                sender: fan_sender(fan, false),
                poll: ClientMessageId(POLL.into()),
                choice,
            };
            self.drive(node, vote);
        }
    }

    /// A connection breaks; the fan comes back after a while, on some node.
    pub(crate) fn drop_out(&mut self, fan: FanId) {
        if self.disconnect(fan, Whereabouts::Away) {
            let millis = self.dice.between(500, 8_000);
            self.agenda.after(millis, Happens::Return(fan));
        }
    }

    /// A node sends a fan out.
    pub(crate) fn eject(&mut self, node: usize, fan: FanId) {
        let is_here = matches!(self.fans[fan.place()].whereabouts, Whereabouts::On { node: at, .. } if at == node);
        if is_here {
            self.disconnect(fan, Whereabouts::Banned);
        }
    }

    /// Whether the fan had been connected.
    fn disconnect(&mut self, fan: FanId, goes: Whereabouts) -> bool {
        let Whereabouts::On { node, slot, .. } = self.fans[fan.place()].whereabouts else {
            return false;
        };
        self.fans[fan.place()].whereabouts = goes;
        self.own.remove(&fan);
        let fans = &mut self.nodes[node].fans;
        fans.swap_remove(slot);
        if let Some(moved) = fans.get(slot)
            && let Whereabouts::On { slot: place, .. } = &mut self.fans[moved.place()].whereabouts
        {
            *place = slot;
        }
        self.drive(node, Input::Left { user: fan.user() });
        true
    }

    /// A fan connects to some node, and recovers what was missed.
    pub(crate) fn join(&mut self, fan: FanId) {
        if self.fans[fan.place()].whereabouts != Whereabouts::Away {
            return;
        }
        let node = usize::try_from(self.dice.below(self.nodes.len() as u64)).unwrap_or(0);
        let user = fan.user();
        let policy = self.nodes[node].room.policy();
        if policy.judge_presence(self.now(), &user, Role::Fan).is_err() {
            self.fans[fan.place()].whereabouts = Whereabouts::Banned;
            return;
        }
        if !self.has_caught_up(node, fan) {
            self.agenda.after(100, Happens::Return(fan));
            return;
        }
        if let Err(wrong) = self.recover(node, fan) {
            self.blame(fan, wrong, "while recovering");
        }
        let cursor = self.nodes[node].head();
        let fans = &mut self.nodes[node].fans;
        fans.push(fan);
        let slot = fans.len() - 1;
        self.fans[fan.place()].whereabouts = Whereabouts::On { node, slot, cursor };
        self.drive(node, Input::Joined { user });
    }

    /// A node that is behind what the fan has seen on another one sends them away for a moment.
    fn has_caught_up(&self, node: usize, fan: FanId) -> bool {
        let (node, fan) = (&self.nodes[node], &self.fans[fan.place()]);
        fan.room_seen
            .is_none_or(|seen| seen <= node.room_recent.head())
            && fan.chat_seen <= node.chat_recent.head()
    }

    fn recover(&mut self, node: usize, id: FanId) -> Result<(), Wrong> {
        let (node, fan) = (&self.nodes[node], &mut self.fans[id.place()]);
        let deleted = &self.engine.deleted;
        let Some(seen) = fan.room_seen else {
            // Somebody new: the first page is what the windows hold.
            fan.room_seen = Some(node.room_recent.head());
            for publication in node.chat_recent.all() {
                fan.look_chat(publication.offset, deleted)?;
            }
            fan.chat_seen = node.chat_recent.head();
            return Ok(());
        };
        match node.room_recent.since(&epoch(), seen) {
            Recovery::Recovered(missed) => {
                for publication in missed {
                    fan.look_room(publication.offset)?;
                }
            }
            Recovery::Unrecoverable => {
                fan.told_unrecovered += 1;
                fan.room_seen = Some(node.room_recent.head());
            }
        }
        match node.chat_recent.since(&epoch(), fan.chat_seen) {
            Recovery::Recovered(missed) => {
                for publication in missed {
                    fan.look_chat(publication.offset, deleted)?;
                }
            }
            Recovery::Unrecoverable => fan.told_unrecovered += 1,
        }
        fan.chat_seen = node.chat_recent.head();
        Ok(())
    }

    /// Writes to the fans of a node what they have not read.
    pub(crate) fn sweep(&mut self, at: usize, sweep: u64) {
        let mut fallen = Vec::new();
        let mut wrongs = Vec::new();
        let node = &self.nodes[at];
        let head = node.head();
        for id in &node.fans {
            let fan = &mut self.fans[id.place()];
            let Whereabouts::On { cursor, .. } = &mut fan.whereabouts else {
                continue;
            };
            let is_stuck = fan.is_slow && !(sweep + u64::from(id.0)).is_multiple_of(SLOW_SWEEPS);
            if *cursor == head || is_stuck {
                continue;
            }
            let from = std::mem::replace(cursor, head);
            let Some(frames) = node.frames_from(from) else {
                fallen.push(*id);
                continue;
            };
            for frame in frames {
                self.report.deliveries += 1;
                if let Err(wrong) = fan.look(*id, frame, &self.engine.deleted) {
                    wrongs.push((*id, wrong));
                }
                let is_own = matches!(frame.lane, FrameLane::Chat { by: Some(by) } if by == *id)
                    || matches!(frame.lane, FrameLane::Personal(to) if to.contains(&Some(*id)));
                if is_own && let Some(own) = self.own.get_mut(id) {
                    own.remove(&frame.offset);
                }
            }
        }
        for (fan, wrong) in wrongs {
            self.blame(fan, wrong, "live");
        }
        for fan in fallen {
            self.fall_behind(at, fan);
        }
    }

    /// The log has moved past a slow fan: they skip ahead and are told, or come back and recover where something of the
    /// lossless lane is among what they missed.
    fn fall_behind(&mut self, node: usize, fan: FanId) {
        let dropped = self.nodes[node].dropped_room;
        let reader = &mut self.fans[fan.place()];
        if reader.room_seen.is_some_and(|seen| seen < dropped) {
            self.drop_out(fan);
            return;
        }
        reader.told_missed += 1;
        self.own.remove(&fan);
        // All that is lost is chatter; what the log still holds of the lossless lane is read on.
        let seen = reader.room_seen.unwrap_or_default();
        let frames: Vec<_> = self.nodes[node].frames().collect();
        let is_missing =
            |frame: &Frame| matches!(frame.lane, FrameLane::Room) && frame.offset > seen;
        for frame in frames.into_iter().filter(is_missing) {
            if let Err(wrong) = self.fans[fan.place()].look(fan, frame, &self.engine.deleted) {
                self.blame(fan, wrong, "after skipping");
            }
        }
    }

    fn blame(&mut self, fan: FanId, wrong: Wrong, when: &str) {
        let what = match wrong {
            Wrong::Lossless => "the lossless lane has a gap or a repetition",
            Wrong::Order => "the chat lane repeats or goes back",
            Wrong::Deleted => "a deleted message is shown to somebody who knows that it is deleted",
        };
        self.violated(&format!("fan {}, {when}: {what}", fan.0));
    }

    /// A message waits for review: the staff see it on the first node.
    pub(crate) fn note_held(&mut self, node: usize, publication: &Arc<Publication>) {
        if node == 0 && matches!(publication.draft.body.as_event(), Some(Event::Held { .. })) {
            self.report.held += 1;
            self.to_review.push(publication.offset);
        }
    }
}

fn fan_sender(fan: FanId, has_badge: bool) -> Sender {
    let sender = Sender::new(fan.user(), "Fan", Role::Fan);
    Sender {
        badge: has_badge.then(|| "VIP".into()),
        ..sender
    }
}
