//! Which keys Redis Cluster keeps together, and where: 16,384 slots, by a checksum of what stands in braces.
//!
//! All keys of a partition have the partition's tag in braces, and so are in one slot. A tag is the smallest number whose
//! slot is in the partition's share of all slots, so that partitions are spread evenly over a cluster's servers, however
//! many these are.

use std::collections::BTreeMap;

/// Slots of a cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The tags of so many partitions, each with its slot. The same numbers on every server and in every release: they are
/// parts of the names of keys.
pub(super) fn tags(partitions: u16) -> Vec<(u32, u16)> {
    let mut found = BTreeMap::new();
    let mut number: u32 = 0;
    while found.len() < usize::from(partitions) {
        let slot = slot(&number.to_string());
        let share = u32::from(slot) * u32::from(partitions) / u32::from(SLOTS);
        found.entry(share).or_insert((number, slot));
        number += 1;
    }
    found.into_values().collect()
}

/// The slot of keys with this tag.
pub(super) fn slot(tag: &str) -> u16 {
    checksum(tag.as_bytes()) % SLOTS
}

/// The slot of any key: of what stands in its first braces, if something does, and otherwise of all of it.
pub(super) fn slot_of(key: &str) -> u16 {
    let braced = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    match braced {
        Some((tag, _)) if !tag.is_empty() => slot(tag),
        _ => slot(key),
    }
}

/// CRC-16/XMODEM, as the specification of Redis Cluster has it.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| {
            if sum & 0x8000 == 0 {
                sum << 1
            } else {
                (sum << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(checksum(b"123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot_of("a{foo}b{c}"), 12_182);
        assert_eq!(slot_of("foo{}{bar}"), slot("foo{}{bar}"));
        assert_eq!(slot_of("foo"), 12_182);
    }

    #[test]
    fn partitions_are_spread_evenly_and_keep_their_tags() {
        for partitions in [1, 2, 3, 128, 1_000] {
            let tags = tags(partitions);
            assert_eq!(tags.len(), usize::from(partitions));
            for (index, (number, slot)) in tags.iter().enumerate() {
                assert_eq!(*slot, self::slot(&number.to_string()));
                let share = usize::from(*slot) * usize::from(partitions) / usize::from(SLOTS);
                assert_eq!(share, index, "one in each share");
            }
        }
        let first: Vec<u32> = tags(128)
            .iter()
            .take(5)
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(first, [14, 10, 100, 18, 113], "names of keys never change");
    }
}
