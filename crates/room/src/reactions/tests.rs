use proptest::prelude::*;

use super::*;

const NOON: u64 = 1_800_000_000_000;

fn kind(name: &str) -> ReactionKind {
    name.parse().unwrap()
}

fn taps<const N: usize>(taps: [(&str, u32); N]) -> BTreeMap<ReactionKind, u32> {
    taps.map(|(name, count)| (kind(name), count)).into()
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> Counts {
    counts.map(|(name, count)| (kind(name), count)).into()
}

fn of_own(counts: Counts) -> Aggregate {
    Aggregate {
        all: counts.clone(),
        own: counts,
    }
}

fn user(index: u32) -> UserId {
    UserId(format!("user-{index}").into())
}

fn batch(index: u32) -> ClientMessageId {
    ClientMessageId(format!("batch-{index}").into())
}

fn reactions() -> Reactions {
    Reactions::new("demo".parse().unwrap(), Settings::default())
}

fn at(millis: u64) -> UnixMillis {
    UnixMillis(NOON + millis)
}

#[test]
fn many_taps_are_one_sum_per_tick() {
    let mut reactions = reactions();
    for fan in 0..1_000 {
        let taps = taps([("heart", 2), ("fire", 1)]);
        let outcome = reactions.take(at(u64::from(fan % 400)), &user(fan), &batch(1), &taps);
        assert_eq!(outcome, Outcome::Counted { counted: 3 });
    }
    let due = reactions.poll_timeout().unwrap();
    assert_eq!(due, at(500));
    reactions.handle_timeout(at(499));
    assert_eq!(reactions.poll_output(), None);
    reactions.handle_timeout(due);
    assert_eq!(
        reactions.poll_output(),
        Some(of_own(counts([("heart", 2_000), ("fire", 1_000)])))
    );
    assert_eq!(
        (reactions.poll_output(), reactions.poll_timeout()),
        (None, None)
    );
}

#[test]
fn what_other_nodes_count_is_told_with_it_and_not_told_on() {
    let mut reactions = reactions();
    reactions.hear(at(0), &counts([("tomato", 3), ("clap", 0)]));
    assert_eq!(reactions.poll_timeout(), None, "nothing is to be told");
    reactions.hear(at(100), &counts([("heart", 3), ("tomato", 3)]));
    reactions.take(at(200), &user(1), &batch(1), &taps([("heart", 2)]));
    assert_eq!(reactions.poll_timeout(), Some(at(600)), "one tick for all");
    reactions.handle_timeout(at(600));
    let told = Aggregate {
        all: counts([("heart", 5)]),
        own: counts([("heart", 2)]),
    };
    assert_eq!(reactions.poll_output(), Some(told));
    reactions.hear(at(700), &counts([("heart", u64::MAX)]));
    reactions.hear(at(700), &counts([("heart", 1)]));
    reactions.handle_timeout(at(1_200));
    let told = Aggregate {
        all: counts([("heart", u64::MAX)]),
        own: counts([]),
    };
    assert_eq!(reactions.poll_output(), Some(told));
    assert_eq!(reactions.poll_output(), None);
}

#[test]
fn a_batch_sent_again_is_counted_once() {
    let mut reactions = reactions();
    let heart = taps([("heart", 1)]);
    let newer = u32::try_from(REACTION_BATCHES_MAX).unwrap();
    for index in 0..newer {
        assert_eq!(
            reactions.take(at(0), &user(1), &batch(index), &heart),
            Outcome::Counted { counted: 1 }
        );
    }
    for index in 0..newer {
        assert_eq!(
            reactions.take(at(9_000), &user(1), &batch(index), &heart),
            Outcome::Duplicate
        );
    }
    // Another fan's batch of the same name is another batch.
    assert_eq!(
        reactions.take(at(0), &user(2), &batch(0), &heart),
        Outcome::Counted { counted: 1 }
    );
}

#[test]
fn a_fan_taps_no_faster_than_allowed() {
    let mut reactions = reactions();
    let many = taps([("clap", 7), ("heart", 7)]);
    assert_eq!(
        reactions.take(at(0), &user(1), &batch(1), &many),
        Outcome::Capped { counted: 10 }
    );
    assert_eq!(
        reactions.take(at(99), &user(1), &batch(2), &many),
        Outcome::Capped { counted: 0 }
    );
    assert_eq!(
        reactions.take(at(100), &user(1), &batch(3), &many),
        Outcome::Capped { counted: 1 }
    );
    assert_eq!(
        reactions.take(at(100), &user(1), &batch(2), &many),
        Outcome::Duplicate
    );
    reactions.handle_timeout(at(500));
    assert_eq!(
        reactions.poll_output(),
        Some(of_own(counts([("clap", 8), ("heart", 3)])))
    );
}

#[test]
fn a_kind_that_the_room_has_not_spoils_the_batch() {
    let mut reactions = reactions();
    let spoilt = taps([("heart", 1), ("tomato", 1)]);
    assert_eq!(
        reactions.take(at(0), &user(1), &batch(1), &spoilt),
        Outcome::UnknownKind
    );
    assert_eq!(reactions.poll_timeout(), None);
    let heart = taps([("heart", 1)]);
    assert_eq!(
        reactions.take(at(0), &user(1), &batch(1), &heart),
        Outcome::Counted { counted: 1 }
    );
}

#[test]
fn the_default_kinds_are_all_there_and_kinds_are_bounded() {
    let settings = Settings::default();
    assert_eq!(settings.kinds.len(), REACTION_KINDS_DEFAULT.len());
    let kinds = (0..100)
        .map(|index| kind(&format!("kind-{index:02}")))
        .collect();
    let reactions = Reactions::new("demo".parse().unwrap(), Settings { kinds, ..settings });
    assert_eq!(reactions.totals.len(), REACTION_KINDS_MAX);
}

#[test]
fn fans_are_bounded_and_make_room_when_they_rest() {
    let mut reactions = reactions();
    let heart = taps([("heart", 1)]);
    let full = u32::try_from(TAPPING_FANS_MAX).unwrap();
    for fan in 0..full {
        assert_eq!(
            reactions.take(at(0), &user(fan), &batch(1), &heart),
            Outcome::Counted { counted: 1 }
        );
    }
    let memory = u64::try_from(REACTION_MEMORY.as_millis()).unwrap();
    let late = at(memory - 1);
    assert_eq!(
        reactions.take(late, &user(full), &batch(1), &heart),
        Outcome::Capped { counted: 0 }
    );
    assert_eq!(
        reactions.take(late, &user(1), &batch(1), &heart),
        Outcome::Duplicate
    );
    assert_eq!(
        reactions.take(late, &user(2), &batch(2), &heart),
        Outcome::Counted { counted: 1 }
    );
    let later = at(memory + 1_000);
    assert_eq!(
        reactions.take(later, &user(full), &batch(1), &heart),
        Outcome::Counted { counted: 1 }
    );
    assert_eq!(reactions.fans.len(), 2, "who has tapped lately is kept");
}

proptest! {
    /// What is told is what was counted; a batch is counted once; and no fan is counted above the cap, in any second.
    #[test]
    fn told_is_counted_and_nobody_is_above_the_cap(
        steps in prop::collection::vec((0u32..4, 0u32..6, 0u32..15, 0u32..15, 0u64..400), 0..200),
        rate in 0u16..15,
    ) {
        let settings = Settings { taps_per_second: rate, ..Settings::default() };
        let mut reactions = Reactions::new("demo".parse().unwrap(), settings);
        let mut now = 0;
        let mut counted: Vec<(u64, u32, u64)> = Vec::new();
        let mut seen: BTreeMap<u32, VecDeque<u32>> = BTreeMap::new();
        let (mut told, mut told_of_all, mut heard) = (0, 0, 0);
        for (fan, id, hearts, claps, gap) in steps {
            now += gap;
            reactions.handle_timeout(at(now));
            if gap % 3 == 0 {
                reactions.hear(at(now), &counts([("heart", gap), ("tomato", 5)]));
                heard += gap;
            }
            while let Some(Aggregate { all, own }) = reactions.poll_output() {
                prop_assert!(all.values().chain(own.values()).all(|count| *count > 0));
                told += own.values().sum::<u64>();
                told_of_all += all.values().sum::<u64>();
            }
            let seen = seen.entry(fan).or_default();
            let taps = taps([("heart", hearts), ("clap", claps)]);
            let taken = match reactions.take(at(now), &user(fan), &batch(id), &taps) {
                Outcome::Counted { counted } => {
                    prop_assert_eq!(counted, u64::from(hearts + claps));
                    Some(counted)
                }
                Outcome::Capped { counted } => {
                    prop_assert!(counted < u64::from(hearts + claps));
                    Some(counted)
                }
                Outcome::Duplicate => None,
                Outcome::UnknownKind => return Err(TestCaseError::fail("both kinds are known")),
            };
            prop_assert_eq!(taken.is_none(), seen.contains(&id));
            if let Some(taken) = taken {
                counted.push((now, fan, taken));
                seen.push_front(id);
                seen.truncate(REACTION_BATCHES_MAX);
            }
            let due = reactions.poll_timeout();
            prop_assert!(due.is_none_or(|due| due > at(now)));
        }
        reactions.handle_timeout(UnixMillis(u64::MAX));
        while let Some(Aggregate { all, own }) = reactions.poll_output() {
            told += own.values().sum::<u64>();
            told_of_all += all.values().sum::<u64>();
        }
        prop_assert_eq!(told_of_all, told + heard);
        prop_assert_eq!(told, counted.iter().map(|(_, _, taken)| taken).sum::<u64>());
        for (from, fan, _) in &counted {
            for (until, _, _) in counted.iter().filter(|(until, _, _)| until >= from) {
                let within: u64 = counted
                    .iter()
                    .filter(|(at, of, _)| of == fan && (from..=until).contains(&at))
                    .map(|(_, _, taken)| taken)
                    .sum();
                prop_assert!(within * 1_000 <= u64::from(rate) * (1_000 + until - from));
            }
        }
    }
}
