//! The end of a run: has everybody everything, and what is the account of those who have not?

use super::{
    fan::Fan,
    reactor::Reactor,
    seats::{Seat, Stage},
};
use crate::{
    clock::{nanos, now_ns},
    exchange::{FeedTotal, Settled},
    ledger::Balance,
    limits::LISTEN_AFTER,
};

impl Reactor {
    /// Whether everybody has everything that was sent, and the lossy lane has been listened to long enough.
    pub(super) fn is_settled(&self, feeds: &[FeedTotal]) -> bool {
        let until = self
            .publishing
            .as_ref()
            .map_or(0, |publishing| publishing.until_ns);
        let listened = now_ns() >= until.saturating_add(nanos(LISTEN_AFTER));
        let awaited =
            |seat: &Seat| matches!(seat.stage, Stage::Away | Stage::Dialling | Stage::Joining);
        listened
            && self.fans.iter().zip(&self.seats).all(|(fan, seat)| {
                fan.deaf
                    || !awaited(seat)
                        && fan
                            .ledger
                            .is_settled(sent_to(fan, feeds).0, sent_to(fan, feeds).1)
            })
    }

    /// The accounts of all fans that read and were ever here.
    pub(super) fn settle(&self, feeds: &[FeedTotal]) -> Settled {
        let mut settled = Settled {
            last_back_ns: self.last_back_ns,
            balance: Balance::default(),
            away: 0,
        };
        for (fan, seat) in self.fans.iter().zip(&self.seats) {
            settled.away += u64::from(seat.stage != Stage::Live && !fan.deaf);
            if fan.was_live && !fan.deaf {
                let (sent, refused) = sent_to(fan, feeds);
                let balance = fan.ledger.close(sent, refused, u64::from(fan.received));
                settled.balance.add(balance);
            }
        }
        settled
    }
}

/// What was sent into a fan's feed.
fn sent_to<'a>(fan: &Fan, feeds: &'a [FeedTotal]) -> (u32, &'a [u32]) {
    let found = feeds.binary_search_by_key(&fan.feed, |total| total.feed);
    let total = found.ok().and_then(|index| feeds.get(index));
    total.map_or((0, &[]), |total| (total.sent, total.refused.as_slice()))
}
