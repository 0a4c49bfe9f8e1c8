//! A fold as bytes, and back: what is in a snapshot.
//!
//! | fold | bytes |
//! |---|---|
//! | how often the log has lost its end | 8 |
//! | channels | 4 for how many, then each as below |
//!
//! | channel | bytes |
//! |---|---|
//! | its name, its epoch | 1 for the length, then UTF-8; each |
//! | its head, the newest time of a record | 8 + 8 |
//! | deleted offsets | 4 for how many, then 8 each |
//! | users, and through which offset they are cleared | 4 for how many, then 1 for the length, UTF-8, and 8; each |
//! | what is known again, oldest first: digest, offset, time | 4 for how many, then 16 + 8 + 8 each |
//! | entries, oldest first | 4 for how many, then each: place 8, first offset 8, flags 1, count 2, and with flag 2 so many numbers of records, 2 each |

use std::collections::{BTreeMap, VecDeque};

use fanwave_room::sequence::Repeat;
use fanwave_store::Standing;
use fanwave_wire::{Channel, Epoch, Offset, UnixMillis, UserId};

use super::{
    Fold,
    erased::Erased,
    lane::{Lane, Span, Taken},
};
use crate::{
    kafka::{
        bytes::{Rest, damaged, put_count, put_short},
        entry::EntryError,
    },
    shared::Placed,
};

/// The entry has added events.
const EVENTS: u8 = 1;
/// Not all of its records were new.
const SOME: u8 = 2;

impl Fold {
    pub(in crate::kafka) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.losses.to_be_bytes());
        put_count(out, self.lanes.len());
        for (channel, lane) in &self.lanes {
            put_short(out, &channel.to_string());
            lane.encode(out);
        }
    }

    pub(in crate::kafka) fn decode(rest: &mut Rest<'_>) -> Result<Self, EntryError> {
        let losses = rest.number()?;
        let mut lanes = BTreeMap::new();
        for _ in 0..rest.count()? {
            let channel = rest.channel()?;
            let lane = Lane::decode(&channel, rest)?;
            lanes.insert(channel, lane);
        }
        Ok(Self { losses, lanes })
    }
}

impl Lane {
    fn encode(&self, out: &mut Vec<u8>) {
        put_short(out, &self.standing.epoch.0);
        out.extend(self.standing.head.0.to_be_bytes());
        out.extend(self.newest.0.to_be_bytes());
        self.erased.encode(out);
        put_count(out, self.order.len());
        for key in &self.order {
            // Both have the same keys.
            let Some(placed) = self.places.get(key) else {
                continue;
            };
            out.extend(key.to_be_bytes());
            out.extend(placed.offset.0.to_be_bytes());
            out.extend(placed.at.0.to_be_bytes());
        }
        put_count(out, self.spans.len());
        for span in &self.spans {
            span.encode(out);
        }
    }

    fn decode(channel: &Channel, rest: &mut Rest<'_>) -> Result<Self, EntryError> {
        let standing = Standing {
            epoch: Epoch(rest.short()?.into()),
            head: Offset(rest.number()?),
        };
        let newest = UnixMillis(rest.number()?);
        let erased = Erased::decode(rest)?;
        let (mut places, mut order) = (BTreeMap::new(), VecDeque::new());
        for _ in 0..rest.count()? {
            let key = u128::from_be_bytes(rest.take()?);
            let placed = Placed {
                offset: Offset(rest.number()?),
                at: UnixMillis(rest.number()?),
                repeat: Repeat::First,
            };
            places.insert(key, placed);
            order.push_back(key);
        }
        let mut spans = VecDeque::new();
        for _ in 0..rest.count()? {
            spans.push_back(Span::decode(rest)?);
        }
        Ok(Self {
            kind: channel.lane,
            standing,
            erased,
            newest,
            places,
            order,
            spans,
        })
    }
}

impl Span {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.at.to_be_bytes());
        out.extend(self.first.0.to_be_bytes());
        let events = if self.events { EVENTS } else { 0 };
        match &self.taken {
            Taken::All(count) => {
                out.push(events);
                out.extend(count.to_be_bytes());
            }
            Taken::Some(taken) => {
                out.push(events | SOME);
                // No entry has more records than a number of two bytes counts.
                let count = u16::try_from(taken.len()).unwrap_or(u16::MAX);
                out.extend(count.to_be_bytes());
                out.extend(taken.iter().flat_map(|index| index.to_be_bytes()));
            }
        }
    }

    fn decode(rest: &mut Rest<'_>) -> Result<Self, EntryError> {
        let at = i64::from_be_bytes(rest.take()?);
        let first = Offset(rest.number()?);
        let [flags] = rest.take()?;
        let count = u16::from_be_bytes(rest.take()?);
        if count == 0 {
            return Err(damaged());
        }
        let taken = if flags & SOME == 0 {
            Taken::All(count)
        } else {
            let index = |_| rest.take().map(u16::from_be_bytes);
            Taken::Some((0..count).map(index).collect::<Result<_, _>>()?)
        };
        Ok(Self {
            at,
            first,
            taken,
            events: flags & EVENTS != 0,
        })
    }
}

impl Erased {
    fn encode(&self, out: &mut Vec<u8>) {
        put_count(out, self.offsets.len());
        for offset in &self.offsets {
            out.extend(offset.0.to_be_bytes());
        }
        put_count(out, self.users.len());
        for (user, through) in &self.users {
            put_short(out, &user.0);
            out.extend(through.0.to_be_bytes());
        }
    }

    fn decode(rest: &mut Rest<'_>) -> Result<Self, EntryError> {
        let mut erased = Self::default();
        for _ in 0..rest.count()? {
            erased.offsets.insert(Offset(rest.number()?));
        }
        for _ in 0..rest.count()? {
            let user = UserId(rest.short()?.into());
            erased.users.insert(user, Offset(rest.number()?));
        }
        Ok(erased)
    }
}
