//! Which commands wait for which.
//!
//! * What is done in a room waits for everything that came before it about the room, and what comes after waits for it.
//! * Messages of one sender in a room wait for each other. Those of different senders do not, as in a batch over HTTP.
//! * What is about different rooms does not wait, and at most [`COMMANDS_AT_ONCE_MAX`] are done at a time.

use std::collections::{HashMap, VecDeque};

use fanwave_wire::command::{Claim, Thing};

use crate::limits::COMMANDS_AT_ONCE_MAX;

/// What is claimed, and how often.
#[derive(Debug, Default)]
struct Claimed(HashMap<Thing, Hold>);

#[derive(Debug, Default)]
struct Hold {
    whole: u32,
    by: HashMap<String, u32>,
}

impl Claimed {
    fn is_free(&self, claim: &Claim) -> bool {
        let Some(hold) = self.0.get(&claim.thing) else {
            return true;
        };
        match &claim.by {
            None => false,
            Some(sender) => hold.whole == 0 && !hold.by.contains_key(sender),
        }
    }

    fn add(&mut self, claims: &[Claim]) {
        for claim in claims {
            let hold = self.0.entry(claim.thing.clone()).or_default();
            match &claim.by {
                None => hold.whole += 1,
                Some(sender) => *hold.by.entry(sender.clone()).or_default() += 1,
            }
        }
    }

    fn remove(&mut self, claims: &[Claim]) {
        for claim in claims {
            let Some(hold) = self.0.get_mut(&claim.thing) else {
                continue;
            };
            match &claim.by {
                None => hold.whole -= 1,
                Some(sender) => {
                    let count = hold.by.entry(sender.clone()).or_default();
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        hold.by.remove(sender);
                    }
                }
            }
            if hold.whole == 0 && hold.by.is_empty() {
                self.0.remove(&claim.thing);
            }
        }
    }
}

/// One whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Turn(u64);

/// Commands in their order, and those that are being done.
#[derive(Debug)]
pub struct Line<T> {
    waiting: VecDeque<(Vec<Claim>, T)>,
    working: HashMap<Turn, Vec<Claim>>,
    claimed: Claimed,
    last: u64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            working: HashMap::new(),
            claimed: Claimed::default(),
            last: 0,
        }
    }
}

impl<T> Line<T> {
    /// How many wait or are being done.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.working.len()
    }

    /// Whether nothing waits, and nothing is being done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts one at the end.
    pub fn push(&mut self, claims: Vec<Claim>, command: T) {
        self.waiting.push_back((claims, command));
    }

    /// The first that may begin, if any may. It has its turn until [`Line::end`].
    pub fn begin(&mut self) -> Option<(Turn, T)> {
        if self.working.len() >= COMMANDS_AT_ONCE_MAX {
            return None;
        }
        // What those that wait before it are about is not free either.
        let mut before = Claimed::default();
        let may_begin = |(claims, _): &(Vec<Claim>, T)| {
            let is_free = |claim| self.claimed.is_free(claim) && before.is_free(claim);
            let may = claims.iter().all(is_free);
            if !may {
                before.add(claims);
            }
            may
        };
        let found = self.waiting.iter().position(may_begin)?;
        let (claims, command) = self.waiting.remove(found)?;
        self.last += 1;
        let turn = Turn(self.last);
        self.claimed.add(&claims);
        self.working.insert(turn, claims);
        Some((turn, command))
    }

    /// One that had its turn is done with.
    pub fn end(&mut self, turn: Turn) {
        if let Some(claims) = self.working.remove(&turn) {
            self.claimed.remove(&claims);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room(name: &str) -> Thing {
        Thing::Room(name.to_owned())
    }

    fn said(name: &str, by: &str) -> Vec<Claim> {
        vec![Claim::by(room(name), by.to_owned())]
    }

    fn begun<T>(line: &mut Line<T>) -> Vec<(Turn, T)> {
        std::iter::from_fn(|| line.begin()).collect()
    }

    #[test]
    fn a_ban_waits_for_what_was_said_and_what_is_said_waits_for_it() {
        let mut line = Line::default();
        line.push(said("demo", "ana"), "ana 1");
        line.push(said("demo", "bo"), "bo 1");
        line.push(said("demo", "ana"), "ana 2");
        line.push(vec![Claim::whole(room("demo"))], "ban");
        line.push(said("demo", "bo"), "bo 2");
        line.push(said("second", "bo"), "elsewhere");
        let first = begun(&mut line);
        let names: Vec<_> = first.iter().map(|(_, name)| *name).collect();
        assert_eq!(names, ["ana 1", "bo 1", "elsewhere"]);
        line.end(first[0].0);
        let second = begun(&mut line);
        assert_eq!(second[0].1, "ana 2");
        line.end(first[1].0);
        assert_eq!(begun(&mut line), []);
        line.end(second[0].0);
        let ban = begun(&mut line);
        assert_eq!((ban.len(), ban[0].1), (1, "ban"));
        line.end(ban[0].0);
        assert_eq!(begun(&mut line)[0].1, "bo 2");
    }

    #[test]
    fn only_so_many_are_done_at_once() {
        let mut line = Line::default();
        for number in 0..=COMMANDS_AT_ONCE_MAX {
            line.push(said("demo", &number.to_string()), number);
        }
        let turns = begun(&mut line);
        assert_eq!(turns.len(), COMMANDS_AT_ONCE_MAX);
        line.end(turns[0].0);
        assert_eq!(begun(&mut line).len(), 1);
    }

    fn claims() -> impl Strategy<Value = Vec<Claim>> {
        let claim = ("[ab]", prop::option::of("[xyz]")).prop_map(|(name, by)| Claim {
            thing: room(&name),
            by,
        });
        prop::collection::vec(claim, 0..3)
    }

    fn conflict(a: &[Claim], b: &[Claim]) -> bool {
        a.iter().any(|a| b.iter().any(|b| a.meets(b)))
    }

    proptest! {
        /// Whatever comes and ends in whatever order: what waits for another begins after it has ended, and all is done.
        #[test]
        fn order_is_kept_and_nothing_waits_for_ever(
            commands in prop::collection::vec(claims(), 1..40),
            ends in prop::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let mut line = Line::default();
            for (number, claims) in commands.iter().enumerate() {
                line.push(claims.clone(), number);
            }
            let mut working: Vec<(Turn, usize)> = Vec::new();
            let mut ended: Vec<usize> = Vec::new();
            let mut ends = ends.into_iter().cycle();
            while !line.is_empty() {
                while let Some((turn, number)) = line.begin() {
                    for earlier in 0..number {
                        let waited = ended.contains(&earlier) || !conflict(&commands[earlier], &commands[number]);
                        prop_assert!(waited, "{number} has overtaken {earlier}");
                    }
                    working.push((turn, number));
                }
                prop_assert!(!working.is_empty(), "something can always begin");
                let index = ends.next().expect("they repeat").index(working.len());
                let (turn, number) = working.swap_remove(index);
                line.end(turn);
                ended.push(number);
            }
            prop_assert_eq!(ended.len(), commands.len());
            prop_assert!(line.claimed.0.is_empty(), "nothing is claimed by nobody");
        }
    }
}
