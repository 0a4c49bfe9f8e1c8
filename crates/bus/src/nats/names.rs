//! What streams and subjects are called, and which partition a room is in: the same on every server, and for ever.
//!
//! | subject | what |
//! |---|---|
//! | `PREFIX.log.PARTITION.LANE.ROOM` | the log of a channel |
//! | `PREFIX.told.PARTITION.LANE.ROOM` | what was added to it, once it is there |
//! | `PREFIX.hearsay` | what servers tell about themselves |
//!
//! A room id has no character that a subject could not have, but for the dot, which divides a subject: it becomes `~`,
//! which no room id has.

use fanwave_wire::{Channel, Lane, RoomId};

use crate::shared::Partition;

/// Names within one prefix.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
    partitions: u16,
}

impl Names {
    pub(super) fn new(prefix: &str, partitions: u16) -> Self {
        Self {
            prefix: prefix.to_owned(),
            partitions: partitions.max(1),
        }
    }

    /// The stream of all chat lanes, which forgets what is old.
    pub(super) fn chat_stream(&self) -> String {
        format!("{}-chat", self.prefix)
    }

    /// The stream of all other lanes, which forgets nothing.
    pub(super) fn events_stream(&self) -> String {
        format!("{}-events", self.prefix)
    }

    /// The stream of a channel.
    pub(super) fn stream(&self, channel: &Channel) -> String {
        match channel.lane {
            Lane::Chat => self.chat_stream(),
            Lane::Room | Lane::Staff | Lane::Vote => self.events_stream(),
        }
    }

    /// What the stream of some lanes listens to.
    pub(super) fn subjects(&self, lanes: &[Lane]) -> Vec<String> {
        let subject = |lane: &Lane| format!("{}.log.*.{}.*", self.prefix, lane.prefix());
        lanes.iter().map(subject).collect()
    }

    /// From where to where the servers of NATS repeat what is stored.
    pub(super) fn republished(&self) -> (String, String) {
        let at = |what: &str| format!("{}.{what}.>", self.prefix);
        (at("log"), at("told"))
    }

    /// Where the log of a channel is.
    pub(super) fn log(&self, channel: &Channel) -> String {
        let Partition(partition) = self.partition(&channel.room);
        let (prefix, lane) = (&self.prefix, channel.lane.prefix());
        let room = channel.room.as_str().replace('.', "~");
        format!("{prefix}.log.{partition}.{lane}.{room}")
    }

    /// Where is told what is added to the rooms of a partition.
    pub(super) fn told(&self, partition: Partition) -> String {
        format!("{}.told.{}.>", self.prefix, partition.0)
    }

    /// Where servers tell about themselves.
    pub(super) fn hearsay(&self) -> String {
        format!("{}.hearsay", self.prefix)
    }

    /// Which partition a room is in.
    pub(super) fn partition(&self, room: &RoomId) -> Partition {
        let partitions = u64::from(self.partitions);
        Partition(u16::try_from(spread(room.as_str()) % partitions).unwrap_or(0))
    }
}

/// Whether a text can stand in front of the names of streams and subjects.
pub(super) fn is_prefix(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=PREFIX_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal)
}

/// Longest prefix: the names of streams become names of folders.
const PREFIX_BYTES_MAX: usize = 32;

/// FNV-1a with 64 bits: the same in every release, because it says where a room is kept.
fn spread(room: &str) -> u64 {
    let hash = room.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits alone would follow the last bytes closely.
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_what_other_releases_call_them() {
        let names = Names::new("fanwave", 128);
        let chat: Channel = "chat:my.room-1_x".parse().unwrap();
        let room: Channel = "room:my.room-1_x".parse().unwrap();
        assert_eq!(names.log(&chat), "fanwave.log.119.chat.my~room-1_x");
        assert_eq!(names.log(&room), "fanwave.log.119.room.my~room-1_x");
        assert_eq!(names.told(Partition(99)), "fanwave.told.99.>");
        assert_eq!(names.hearsay(), "fanwave.hearsay");
        assert_eq!(names.stream(&chat), "fanwave-chat");
        assert_eq!(names.stream(&room), "fanwave-events");
    }

    #[test]
    fn rooms_are_spread_over_all_partitions() {
        let names = Names::new("fanwave", 16);
        let rooms = (0..200).map(|number| format!("show-{number}").parse().unwrap());
        let used: BTreeSet<_> = rooms.map(|room: RoomId| names.partition(&room)).collect();
        assert_eq!(used.len(), 16);
    }

    #[test]
    fn a_prefix_is_one_token_of_a_subject() {
        for good in ["fanwave", "a", "my-Show_2"] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in ["", "a.b", "a b", "a*", ">", "한", &"a".repeat(33)] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }

    proptest! {
        /// Two channels never share a subject, and every subject has five tokens.
        #[test]
        fn a_subject_is_one_channels_own(one in "[a-zA-Z0-9_.-]{1,12}", other in "[a-zA-Z0-9_.-]{1,12}") {
            let names = Names::new("fanwave", 7);
            let channel = |room: &str| Channel { lane: Lane::Chat, room: room.parse().unwrap() };
            let (first, second) = (names.log(&channel(&one)), names.log(&channel(&other)));
            prop_assert_eq!(first == second, one == other);
            prop_assert_eq!(first.split('.').count(), 5);
            prop_assert!(first.split('.').all(|token| !token.is_empty()));
        }
    }
}
