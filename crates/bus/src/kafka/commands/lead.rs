//! Who leads the queue of commands, and how far it is worked off: the fold of what is said in a topic.
//!
//! A server leads for a *term*. Of two that claim the same term the first leads, because all read them in one order. While
//! it says something it goes on leading; where a server has not heard it for longer than it may lead without asking, it
//! claims the next term. Everything that is said has the whole progress, so that the end of the topic is enough.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::limits::{COMMAND_LEAD_EVERY, COMMAND_LEASE};

/// How long a leader may be silent before another claims: what it has said may have been heard late.
const SILENCE_MAX: Duration = COMMAND_LEASE.saturating_add(COMMAND_LEAD_EVERY);

/// Most bytes of a holder's name.
const HOLDER_BYTES_MAX: usize = 64;

/// What a server says: `1 TERM HOLDER leads|leaves PARTITION:OFFSET,...`, text so that people can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) term: u64,
    pub(super) by: String,
    pub(super) leaves: bool,
    /// Up to where commands are done in each partition.
    pub(super) done: BTreeMap<u16, i64>,
}

impl Said {
    pub(super) fn written(&self) -> Vec<u8> {
        let Self {
            term,
            by,
            leaves,
            done,
        } = self;
        let verb = if *leaves { "leaves" } else { "leads" };
        let done = done
            .iter()
            .map(|(number, through)| format!("{number}:{through}"));
        let done = done.collect::<Vec<_>>().join(",");
        format!("1 {term} {by} {verb} {done}").into_bytes()
    }

    /// Reads it; what a newer release says may mean nothing to this one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let words: Vec<&str> = text.split(' ').collect();
        let ["1", term, by, verb, done] = words.as_slice() else {
            return None;
        };
        let pair = |pair: &str| {
            let (number, through) = pair.split_once(':')?;
            Some((number.parse().ok()?, through.parse().ok()?))
        };
        let pairs = done.split(',').filter(|pair| !pair.is_empty());
        let is_name = (1..=HOLDER_BYTES_MAX).contains(&by.len());
        Some(Self {
            term: term.parse().ok()?,
            by: is_name.then(|| (*by).to_owned())?,
            leaves: match *verb {
                "leads" => false,
                "leaves" => true,
                _ => return None,
            },
            done: pairs.map(pair).collect::<Option<_>>()?,
        })
    }
}

/// What follows from what was heard.
#[derive(Debug)]
pub(super) struct View {
    term: u64,
    /// Who leads; `None`: nobody does, or nobody is known to.
    holder: Option<String>,
    heard_at: Instant,
    pub(super) done: BTreeMap<u16, i64>,
}

impl View {
    /// Nothing was heard.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            term: 0,
            holder: None,
            heard_at: now,
            done: BTreeMap::new(),
        }
    }

    /// Takes in what was said next.
    pub(super) fn hear(&mut self, now: Instant, said: &Said) {
        // What was done once is done, whoever says so.
        for (number, through) in &said.done {
            let known = self.done.entry(*number).or_insert(*through);
            *known = (*known).max(*through);
        }
        let is_claim = said.term > self.term && !said.leaves;
        let is_holder = said.term == self.term && self.holder.as_deref() == Some(&*said.by);
        if is_claim {
            self.term = said.term;
            self.holder = Some(said.by.clone());
        } else if is_holder && said.leaves {
            self.holder = None;
        }
        if is_claim || is_holder {
            self.heard_at = now;
        }
    }

    pub(super) fn is_led_by(&self, who: &str) -> bool {
        self.holder.as_deref() == Some(who)
    }

    /// What somebody has to say to lead, or to go on; `None`: somebody else leads.
    pub(super) fn ask(&self, now: Instant, who: &str, done: BTreeMap<u16, i64>) -> Option<Said> {
        let is_silent = now.saturating_duration_since(self.heard_at) > SILENCE_MAX;
        let term = match &self.holder {
            Some(holder) if holder == who => self.term,
            Some(_) if !is_silent => return None,
            Some(_) | None => self.term + 1,
        };
        Some(Said {
            term,
            by: who.to_owned(),
            leaves: false,
            done,
        })
    }

    /// What somebody who leads says of what is done.
    pub(super) fn progress(&self, who: &str, done: BTreeMap<u16, i64>) -> Said {
        Said {
            term: self.term,
            by: who.to_owned(),
            leaves: false,
            done,
        }
    }

    /// What somebody who leads says at the end.
    pub(super) fn farewell(&self, who: &str, done: BTreeMap<u16, i64>) -> Said {
        Said {
            leaves: true,
            ..self.progress(who, done)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn done(through: i64) -> BTreeMap<u16, i64> {
        BTreeMap::from([(0, through)])
    }

    #[test]
    fn the_first_claim_of_a_term_leads_until_it_is_silent_or_leaves() {
        let start = Instant::now();
        let mut view = View::new(start);
        let ask = |view: &View, now, who| view.ask(now, who, view.done.clone());
        let (a, b) = (
            ask(&view, start, "a").unwrap(),
            ask(&view, start, "b").unwrap(),
        );
        assert_eq!((a.term, b.term), (1, 1));
        view.hear(start, &a);
        view.hear(start, &b);
        assert!(view.is_led_by("a") && !view.is_led_by("b"));
        assert_eq!(ask(&view, start, "b"), None);
        let later = start + SILENCE_MAX;
        assert_eq!(ask(&view, later, "b"), None);
        view.hear(later, &view.progress("a", done(7)));
        let silent = later + SILENCE_MAX + Duration::from_millis(1);
        let claim = ask(&view, silent, "b").unwrap();
        assert_eq!((claim.term, &claim.done), (2, &done(7)));
        view.hear(silent, &claim);
        assert!(view.is_led_by("b"));
        // It does not know yet that it leads no more; what it has done is done.
        let late = Said {
            term: 1,
            by: "a".to_owned(),
            leaves: false,
            done: done(9),
        };
        view.hear(silent, &late);
        assert!(view.is_led_by("b") && view.done == done(9));
        view.hear(silent, &view.farewell("b", done(8)));
        assert_eq!(ask(&view, silent, "a").unwrap().term, 3);
        assert_eq!(view.done, done(9), "nothing is undone");
    }

    proptest! {
        #[test]
        fn what_is_said_is_read_the_same(
            term in any::<u64>(), by in "[0-9a-f]{1,32}", leaves in any::<bool>(),
            done in prop::collection::btree_map(any::<u16>(), 0..i64::MAX, 0..5),
        ) {
            let said = Said { term, by, leaves, done };
            prop_assert_eq!(Said::read(&said.written()), Some(said));
        }

        #[test]
        fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "1 [0-9]{1,3} [a-z]{0,3} (leads|leaves|) [0-9:,-]{0,9}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                if let Some(said) = Said::read(bytes) {
                    prop_assert_eq!(Said::read(&said.written()), Some(said));
                }
            }
        }
    }
}
