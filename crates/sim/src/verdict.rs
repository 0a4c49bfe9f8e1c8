//! What only the whole can show: all that was promised about what every fan, and every node, has seen in the end.

use std::collections::{BTreeMap, BTreeSet};

use fanwave_room::{
    limits::{LATE_MAX, SHOW_TICK_DEFAULT},
    moderation::Policy,
};
use fanwave_wire::{Event, Lane, Offset};

use crate::{Report, fan::Whereabouts, world::World};

/// Longest way of a publication from its sender to a node, milliseconds: two writes of the log, and the link.
const WAY_MILLIS: u64 = 60;

/// Judges a world that has come to rest.
pub(crate) fn report(mut world: World) -> Report {
    count(&mut world);
    let checks = [
        complete,
        own_messages,
        every_message_told_once,
        same_sample,
        honest_counts,
        one_vote_each,
        taps_add_up,
        same_rules,
        one_message_each,
    ];
    for check in checks {
        for broken in check(&world) {
            world.violated(&broken);
        }
    }
    world.report
}

fn count(world: &mut World) {
    let [room, chat, _, votes] = world.stored();
    let told = |everybody: bool| {
        let told = world.nodes[0].told.iter();
        told.filter(|(_, to_everybody)| *to_everybody == everybody)
            .count() as u64
    };
    let (chat_shown, chat_sampled_away) = (told(true), told(false));
    let fans = world.fans.iter();
    let told_unrecovered = fans
        .clone()
        .map(|fan| u64::from(fan.told_unrecovered))
        .sum();
    let told_missed = fans.map(|fan| u64::from(fan.told_missed)).sum();
    let taps = world.nodes.first().map_or(0, |node| node.taps);
    world.report = Report {
        chat_stored: chat,
        room_stored: room,
        chat_shown,
        chat_sampled_away,
        told_unrecovered,
        told_missed,
        deleted: world.engine.deleted.len() as u64,
        votes,
        taps,
        ..std::mem::take(&mut world.report)
    };
}

/// Whoever was not sent out is connected and has the whole lossless lane: as each looked at every frame for gaps, the
/// position says it.
fn complete(world: &World) -> Vec<String> {
    let head = Offset(world.engine.log(Lane::Room).len() as u64);
    let mut broken = Vec::new();
    for (number, fan) in world.fans.iter().enumerate() {
        match fan.whereabouts {
            Whereabouts::Banned => {}
            Whereabouts::Away => broken.push(format!("fan {number} never came back")),
            Whereabouts::On { .. } if fan.room_seen == Some(head) => {}
            Whereabouts::On { .. } => {
                let seen = fan.room_seen.unwrap_or_default().0;
                broken.push(format!(
                    "fan {number} has seen the lossless lane up to {seen} of {}",
                    head.0
                ));
            }
        }
    }
    if world.unanswered() > 0 {
        broken.push(format!(
            "{} requests were never answered",
            world.unanswered()
        ));
    }
    broken
}

/// Who stayed connected has seen each of their own messages, however busy the room, unless it was deleted.
fn own_messages(world: &World) -> Vec<String> {
    let deleted = &world.engine.deleted;
    let missing = world
        .own
        .iter()
        .flat_map(|(fan, own)| own.iter().map(move |offset| (fan, offset)));
    missing
        .filter(|(_, offset)| !deleted.contains_key(offset))
        .map(|(fan, offset)| {
            format!(
                "fan {} was never shown their own message {}",
                fan.0, offset.0
            )
        })
        .collect()
}

/// Every message of the chat lane leaves every node once: to everybody, or to some; deleted ones at most once.
fn every_message_told_once(world: &World) -> Vec<String> {
    let head = world.engine.log(Lane::Chat).len() as u64;
    let mut broken = Vec::new();
    for (place, node) in world.nodes.iter().enumerate() {
        let told: BTreeSet<Offset> = node.told.iter().map(|(offset, _)| *offset).collect();
        if told.len() != node.told.len() || !node.told.is_sorted() {
            broken.push(format!(
                "node {place} tells messages twice, or out of order"
            ));
        }
        let untold = (1..=head)
            .map(Offset)
            .filter(|offset| !told.contains(offset));
        for offset in untold.filter(|offset| !world.engine.deleted.contains_key(offset)) {
            broken.push(format!("node {place} never told message {}", offset.0));
        }
        let mut held = node.chat_recent.all();
        if held.any(|publication| world.engine.deleted.contains_key(&publication.offset)) {
            broken.push(format!("node {place} still holds a deleted message"));
        }
    }
    broken
}

/// All nodes show the same sample. A message that is deleted while it waits at one node may have been drawn at another:
/// such ticks, and what is calm after them, are left out.
fn same_sample(world: &World) -> Vec<String> {
    let tick_millis = u64::try_from(SHOW_TICK_DEFAULT.as_millis()).unwrap_or(u64::MAX);
    let late = u64::try_from(LATE_MAX.as_millis()).unwrap_or(u64::MAX);
    let (chat, room) = (world.engine.log(Lane::Chat), world.engine.log(Lane::Room));
    let at = |log: &[std::sync::Arc<fanwave_wire::Publication>], offset: Offset| {
        let place = usize::try_from(offset.0).unwrap_or(0).checked_sub(1);
        place
            .and_then(|place| log.get(place))
            .map_or(0, |publication| publication.at.0)
    };
    let mut uncertain = BTreeSet::new();
    for (offset, event) in &world.engine.deleted {
        let tick = at(chat, *offset) / tick_millis;
        if at(room, *event) < (tick + 1) * tick_millis + late + WAY_MILLIS {
            uncertain.extend([tick, tick + 1]);
        }
    }
    let sample = |place: usize| -> BTreeMap<Offset, bool> {
        let told = world.nodes[place].told.iter().copied();
        told.filter(|(offset, _)| !world.engine.deleted.contains_key(offset))
            .filter(|(offset, _)| !uncertain.contains(&(at(chat, *offset) / tick_millis)))
            .collect()
    };
    let first = sample(0);
    let others = (1..world.nodes.len()).filter(|place| sample(*place) != first);
    let mut broken: Vec<_> = others
        .map(|place| format!("node {place} shows another sample than node 0"))
        .collect();
    if first.is_empty() {
        broken.push("so much was deleted in time that the samples say nothing".to_owned());
    }
    broken
}

/// What nodes say they did not show is what they did not show. A deletion may take away a message after it was counted.
fn honest_counts(world: &World) -> Vec<String> {
    let slack = world.engine.deleted.len() as u64;
    let mut broken = Vec::new();
    for (place, node) in world.nodes.iter().enumerate() {
        let away = node
            .told
            .iter()
            .filter(|(_, to_everybody)| !to_everybody)
            .count() as u64;
        if !(away..=away + slack).contains(&node.more) {
            broken.push(format!(
                "node {place} speaks of {} more, and there were {away}",
                node.more
            ));
        }
    }
    broken
}

/// No fan has two votes in the log, and the poll was closed with what the log holds.
fn one_vote_each(world: &World) -> Vec<String> {
    let votes = world.engine.log(Lane::Vote);
    let voters: BTreeSet<_> = votes.iter().map(|vote| &vote.draft.sender.user).collect();
    let mut counts = vec![0; 2];
    for vote in votes {
        if let Some(Event::Voted { choice }) = vote.draft.body.as_event() {
            counts[usize::from(*choice)] += 1;
        }
    }
    let events = world.engine.log(Lane::Room).iter();
    let closed: Vec<_> = events
        .filter_map(|publication| match publication.draft.body.as_event() {
            Some(Event::PollClosed { counts, .. }) => Some(counts.clone()),
            _ => None,
        })
        .collect();
    let mut broken = Vec::new();
    if voters.len() != votes.len() {
        broken.push("somebody has voted twice".to_owned());
    }
    if closed != [counts.clone()] {
        broken.push(format!(
            "the log holds the votes {counts:?}, and the poll was closed with {closed:?}"
        ));
    }
    if world
        .nodes
        .iter()
        .any(|node| node.tally.as_ref().is_some_and(|tally| *tally != counts))
    {
        broken.push("a node's last tally is not what the log holds".to_owned());
    }
    broken
}

/// Every node has told its fans what the fans of all have tapped, once.
fn taps_add_up(world: &World) -> Vec<String> {
    let told = world.nodes.iter().map(|node| node.taps);
    let broken = told.filter(|told| *told != world.taps_taken);
    broken
        .map(|told| format!("a node told {told} taps, of {}", world.taps_taken))
        .collect()
}

/// Every node has the rules of whoever replays the log.
fn same_rules(world: &World) -> Vec<String> {
    let mut replayed = Policy::new();
    for lane in [Lane::Room, Lane::Staff] {
        for publication in world.engine.log(lane) {
            replayed.fold(lane, publication);
        }
    }
    let others = world
        .nodes
        .iter()
        .filter(|node| *node.room.policy() != replayed);
    others
        .map(|_| "a node has other rules than the log".to_owned())
        .collect()
}

fn one_message_each(world: &World) -> Vec<String> {
    let repeated = world.engine.repeated();
    let broken = (repeated > 0).then(|| format!("{repeated} messages are in the log twice"));
    broken.into_iter().collect()
}
