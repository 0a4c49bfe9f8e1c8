//! The users of one channel, in the order of their ids, at little more than the 16 bytes of each.
//!
//! A tree keeps a third of its nodes empty, which for a room of 100,000 fans is as much again as a fan's share of the
//! room. This is a list of short sorted pieces instead: none is longer than [`ROLL_PIECE_MAX`], a piece's memory is
//! never [`ROLL_SPARE_MAX`] places larger than what is in it, and finding one is two binary searches.

use fanwave_wire::UserId;

use crate::limits::{ROLL_PIECE_MAX, ROLL_SPARE_MAX};

/// A sorted set of users; see the module.
#[derive(Debug, Default)]
pub(super) struct Roll {
    /// None is empty, and all of one are before all of the next.
    pieces: Vec<Vec<UserId>>,
    len: usize,
}

/// Where a user is, or belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    piece: usize,
    within: usize,
}

impl Roll {
    /// How many users there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a user; whether they were not there.
    pub(super) fn insert(&mut self, user: &UserId) -> bool {
        let Err(place) = self.find(user) else {
            return false;
        };
        let Place { piece, within } = self.make_room(place);
        match self.pieces.get_mut(piece) {
            Some(piece) => piece.insert(within, user.clone()),
            None => self.pieces.push(vec![user.clone()]),
        }
        self.len += 1;
        true
    }

    /// Removes a user; whether they were there.
    pub(super) fn remove(&mut self, user: &UserId) -> bool {
        let Ok(Place { piece, within }) = self.find(user) else {
            return false;
        };
        let shortened = &mut self.pieces[piece];
        shortened.remove(within);
        let left = shortened.len();
        if shortened.capacity() - left > ROLL_SPARE_MAX {
            shortened.shrink_to(left + ROLL_SPARE_MAX / 2);
        }
        // A short piece joins the next: a room that empties does not end as many pieces of one.
        let next = self.pieces.get(piece + 1).map_or(usize::MAX, Vec::len);
        if left == 0 {
            self.pieces.remove(piece);
        } else if left.saturating_add(next) <= ROLL_PIECE_MAX / 2 {
            let next = self.pieces.remove(piece + 1);
            let joined = &mut self.pieces[piece];
            joined.reserve_exact(next.len());
            joined.extend(next);
        }
        self.len -= 1;
        true
    }

    /// The users behind `after`, all of them without one, in order.
    pub(super) fn behind(&self, after: Option<&UserId>) -> impl Iterator<Item = &UserId> {
        let Place { piece, within } = match after.map(|after| self.find(after)) {
            None => Place {
                piece: 0,
                within: 0,
            },
            Some(Err(place)) => place,
            Some(Ok(place)) => Place {
                within: place.within + 1,
                ..place
            },
        };
        let pieces = self.pieces.get(piece..).unwrap_or_default();
        pieces.iter().flatten().skip(within)
    }

    /// Where a user is, or else where they belong.
    fn find(&self, user: &UserId) -> Result<Place, Place> {
        let piece = self
            .pieces
            .partition_point(|piece| piece.last().is_some_and(|last| last < user));
        // Whoever is behind everybody belongs to the last piece.
        let piece = piece.min(self.pieces.len().saturating_sub(1));
        let found = self
            .pieces
            .get(piece)
            .map_or(Err(0), |users| users.binary_search(user));
        let place = |within| Place { piece, within };
        found.map(place).map_err(place)
    }

    /// Sees to it that a piece takes one more without growing by half; answers where the place is then.
    fn make_room(&mut self, place: Place) -> Place {
        let Some(piece) = self.pieces.get_mut(place.piece) else {
            return place;
        };
        if piece.len() < ROLL_PIECE_MAX {
            if piece.len() == piece.capacity() {
                piece.reserve_exact(ROLL_SPARE_MAX / 2);
            }
            return place;
        }
        let half = ROLL_PIECE_MAX / 2;
        let mut second = piece.split_off(half);
        piece.shrink_to(half + ROLL_SPARE_MAX / 2);
        second.reserve_exact(ROLL_SPARE_MAX / 2);
        self.pieces.insert(place.piece + 1, second);
        match place.within.checked_sub(half) {
            Some(within) if within > 0 => Place {
                piece: place.piece + 1,
                within,
            },
            _ => place,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn user(index: u16) -> UserId {
        UserId(format!("user-{index}").into())
    }

    fn check(roll: &Roll) {
        let len: usize = roll.pieces.iter().map(Vec::len).sum();
        assert_eq!(roll.len(), len);
        for piece in &roll.pieces {
            assert!(!piece.is_empty() && piece.len() <= ROLL_PIECE_MAX);
            assert!(piece.capacity() - piece.len() <= ROLL_SPARE_MAX);
        }
    }

    proptest! {
        /// A roll is a sorted set, whatever the order of coming and going.
        #[test]
        fn it_is_a_sorted_set(moves in prop::collection::vec((prop::bool::weighted(0.6), 0_u16..1_000), 0..3_000), after in 0_u16..1_000) {
            let mut roll = Roll::default();
            let mut set = BTreeSet::new();
            for (comes, index) in moves {
                let user = user(index);
                if comes {
                    prop_assert_eq!(roll.insert(&user), set.insert(user));
                } else {
                    prop_assert_eq!(roll.remove(&user), set.remove(&user));
                }
                check(&roll);
            }
            prop_assert!(roll.behind(None).eq(&set));
            let after = user(after);
            prop_assert!(roll.behind(Some(&after)).eq(set.iter().filter(|user| **user > after)));
        }
    }

    #[test]
    fn a_full_room_takes_little_more_than_its_ids() {
        for stride in [1, 7_919] {
            let mut roll = Roll::default();
            let count: u16 = 20_000;
            for n in 0..u32::from(count) {
                let index = n * stride % u32::from(count);
                roll.insert(&user(u16::try_from(index).unwrap()));
            }
            let places: usize = roll.pieces.iter().map(Vec::capacity).sum();
            let bytes =
                places * size_of::<UserId>() + roll.pieces.capacity() * size_of::<Vec<UserId>>();
            let each = bytes / usize::from(count);
            assert!(each <= 20, "{each} bytes by stride {stride}");
            for n in 0..count {
                assert!(roll.remove(&user(n)));
            }
            check(&roll);
            assert!(roll.pieces.is_empty());
        }
    }
}
