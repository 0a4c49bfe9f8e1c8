//! What a thread has made of the answers that it sent last. When a part is ready, all who wait are given the same answers within
//! a moment: whatever does not depend on who is answered is made for the first of them.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use axum::http::HeaderValue;
use fanwave_origin::Prepared;

use super::fields::date;

/// Answers that are kept: playlist and part, of the sound and of all rungs of a ladder.
const KEPT_MAX: usize = 16;

/// See the module. What is kept of an answer stays when nobody holds the answer any more, until others take its place.
#[derive(Debug)]
pub(super) struct Recent<T> {
    /// The oldest first.
    kept: VecDeque<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    /// By its address, at which no other can lie as long as this is here.
    of: Weak<Prepared>,
    date: HeaderValue,
    offer: Option<HeaderValue>,
    made: T,
}

impl<T> Recent<T> {
    pub(super) const fn new() -> Self {
        Self {
            kept: VecDeque::new(),
        }
    }

    /// What was made of this answer at this date and with this `Alt-Svc`. Where nothing was, it is made now: of what was made
    /// longest ago, if there is no room for more.
    pub(super) fn of(
        &mut self,
        prepared: &Arc<Prepared>,
        offer: Option<&HeaderValue>,
        make: impl FnOnce(Option<T>, &HeaderValue) -> T,
    ) -> &T {
        let date = date();
        let is_it = |kept: &Kept<T>| {
            std::ptr::eq(kept.of.as_ptr(), Arc::as_ptr(prepared))
                && kept.date == date
                && kept.offer.as_ref() == offer
        };
        let place = self.kept.iter().position(is_it).unwrap_or_else(|| {
            let is_full = self.kept.len() >= KEPT_MAX;
            let spare = self.kept.pop_front_if(|_| is_full);
            let made = make(spare.map(|kept| kept.made), &date);
            self.kept.push_back(Kept {
                of: Arc::downgrade(prepared),
                date,
                offer: offer.cloned(),
                made,
            });
            self.kept.len() - 1
        });
        &self.kept[place].made
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    fn prepared() -> Arc<Prepared> {
        Arc::new(Prepared::new(HeaderMap::new(), "body".into()))
    }

    #[test]
    fn what_was_made_of_an_answer_is_made_once_for_each_who_says_the_same_with_it() {
        let mut recent = Recent::new();
        let (one, other) = (prepared(), prepared());
        let offer = HeaderValue::from_static("h3");
        let mut made = 0;
        let mut of = |prepared: &_, offer| {
            let make = |_: Option<u32>, _: &_| {
                made += 1;
                made
            };
            *recent.of(prepared, offer, make)
        };
        // A second may begin meanwhile.
        assert!((0..9).any(|_| of(&one, None) == of(&one, None)));
        assert_ne!(of(&one, None), of(&other, None));
        assert_ne!(of(&one, None), of(&one, Some(&offer)));
    }

    #[test]
    fn so_much_is_kept_and_no_more() {
        let mut recent = Recent::new();
        for number in 0..3 * KEPT_MAX {
            let mut given = None;
            recent.of(&prepared(), None, |spare, _| {
                given = spare;
                number
            });
            assert_eq!(given, number.checked_sub(KEPT_MAX));
        }
        assert_eq!(recent.kept.len(), KEPT_MAX);
    }
}
