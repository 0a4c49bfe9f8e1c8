use fanwave_wire::{Body, Draft, Role, Sender};
use proptest::prelude::*;

use super::*;

const NOON: UnixMillis = UnixMillis(1_800_000_000_000);

fn user(index: u32) -> UserId {
    UserId(format!("user-{index}").into())
}

fn poll(index: u8) -> ClientMessageId {
    ClientMessageId(format!("poll-{index}").into())
}

fn event(offset: u64, id: ClientMessageId, sender: UserId, event: Event) -> Publication {
    Publication {
        offset: Offset(offset),
        at: NOON,
        draft: Draft {
            id,
            sender: Sender::new(sender, "Mina", Role::Fan),
            body: Body::Event(Box::new(event)),
        },
    }
}

fn opened(offset: u64, index: u8, choices: usize, until: Option<u64>) -> Publication {
    let opened = Event::PollOpened {
        poll: poll(index),
        question: "encore?".into(),
        choices: vec!["yes".into(); choices],
        until: until.map(|after| UnixMillis(NOON.0 + after)),
    };
    event(offset, poll(index), user(0), opened)
}

fn closed(index: u8) -> Publication {
    let counts = Vec::new();
    let closed = Event::PollClosed {
        poll: poll(index),
        counts,
    };
    event(99, poll(index), user(0), closed)
}

fn voted(index: u8, fan: u32, choice: u8) -> Publication {
    event(1, poll(index), user(fan), Event::Voted { choice })
}

fn drain(polls: &mut Polls) -> Vec<Output> {
    std::iter::from_fn(|| polls.poll_output()).collect()
}

fn after(millis: u64) -> UnixMillis {
    UnixMillis(NOON.0 + millis)
}

#[test]
fn a_vote_is_judged_by_its_poll() {
    let mut polls = Polls::new();
    let judge = |polls: &Polls, now, choice| polls.judge(now, &poll(1), choice, &user(7));
    assert_eq!(judge(&polls, NOON, 0), Ballot::NotOpen);
    polls.fold(NOON, &opened(1, 1, 2, Some(1_000)));
    assert_eq!(judge(&polls, NOON, 1), Ballot::Valid);
    assert_eq!(judge(&polls, NOON, 2), Ballot::NoSuchChoice);
    assert_eq!(judge(&polls, after(999), 1), Ballot::Valid);
    assert_eq!(judge(&polls, after(1_000), 1), Ballot::Over);
    polls.fold(NOON, &voted(1, 7, 0));
    assert_eq!(judge(&polls, NOON, 1), Ballot::HasVoted);
    polls.fold(NOON, &closed(1));
    assert_eq!(judge(&polls, NOON, 1), Ballot::NotOpen);
    assert_eq!(polls.counts(&poll(1)), None);
}

#[test]
fn a_tally_is_told_once_a_tick_and_only_when_it_has_changed() {
    let mut polls = Polls::new();
    polls.fold(NOON, &opened(1, 1, 2, None));
    polls.fold(NOON, &opened(2, 2, 2, None));
    assert_eq!(polls.poll_timeout(), None);
    for fan in 0..50 {
        polls.fold(after(u64::from(fan)), &voted(1, fan, 1));
    }
    let due = polls.poll_timeout().unwrap();
    assert_eq!(due, later(NOON, TALLY_TICK));
    polls.handle_timeout(UnixMillis(due.0 - 1));
    assert_eq!(drain(&mut polls), []);
    polls.handle_timeout(due);
    let tally = Output::Tally {
        poll: poll(1),
        counts: vec![0, 50],
    };
    assert_eq!(drain(&mut polls), [tally]);
    assert_eq!(polls.poll_timeout(), None);
    // What was counted before counts for nothing.
    polls.fold(due, &voted(1, 3, 0));
    assert_eq!(polls.poll_timeout(), None);
}

#[test]
fn a_poll_asks_to_be_closed_until_it_is() {
    let mut polls = Polls::new();
    polls.fold(NOON, &opened(1, 1, 2, Some(1_000)));
    let due = polls.poll_timeout().unwrap();
    assert_eq!(due, later(after(1_000), POLL_SETTLE));
    // Cast in time, it has been on its way through the log.
    polls.fold(after(1_500), &voted(1, 1, 1));
    polls.handle_timeout(due);
    let close = Output::Close {
        poll: poll(1),
        counts: vec![0, 1],
    };
    assert_eq!(drain(&mut polls).last(), Some(&close));
    let again = polls.poll_timeout().unwrap();
    assert_eq!(again, later(due, POLL_CLOSE_WAIT));
    polls.handle_timeout(again);
    assert_eq!(drain(&mut polls), [close]);
    polls.fold(again, &closed(1));
    polls.fold(again, &voted(1, 2, 1));
    assert_eq!(polls.poll_timeout(), None);
}

#[test]
fn of_too_many_polls_the_oldest_is_forgotten() {
    let mut polls = Polls::new();
    for index in 0..=POLLS_OPEN_MAX {
        let index = u8::try_from(index).unwrap();
        // The newer ones stand before the older in the order of their names.
        polls.fold(NOON, &opened(1 + u64::from(index), 100 - index, 2, None));
    }
    assert_eq!(polls.open_polls().count(), POLLS_OPEN_MAX);
    assert_eq!(polls.counts(&poll(100)), None);
    // One that comes again is the same poll.
    polls.fold(NOON, &voted(99, 1, 0));
    polls.fold(NOON, &opened(50, 99, 2, None));
    assert_eq!(polls.counts(&poll(99)), Some(&[1, 0][..]));
}

#[test]
fn voters_are_bounded() {
    let mut polls = Polls::new();
    polls.fold(NOON, &opened(1, 1, 2, None));
    let full = u32::try_from(VOTERS_MAX).unwrap();
    for fan in 0..full {
        polls.fold(NOON, &voted(1, fan, 0));
    }
    assert_eq!(polls.judge(NOON, &poll(1), 0, &user(full)), Ballot::Full);
    assert_eq!(polls.judge(NOON, &poll(1), 0, &user(0)), Ballot::HasVoted);
    polls.fold(NOON, &voted(1, full, 0));
    assert_eq!(polls.counts(&poll(1)), Some(&[u64::from(full), 0][..]));
}

#[derive(Debug, Clone)]
enum Step {
    Open { poll: u8, seconds: Option<u64> },
    Close { poll: u8 },
    Vote { poll: u8, fan: u32, choice: u8 },
    Wait { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let seconds = prop::option::of(1u64..20);
    prop_oneof![
        1 => (0u8..3, seconds).prop_map(|(poll, seconds)| Step::Open { poll, seconds }),
        1 => (0u8..3).prop_map(|poll| Step::Close { poll }),
        8 => (0u8..3, 0u32..10, 0u8..4).prop_map(|(poll, fan, choice)| Step::Vote { poll, fan, choice }),
        2 => (0u64..3_000).prop_map(|millis| Step::Wait { millis }),
    ]
}

proptest! {
    /// Against a plain list of who has voted for what: the counts are those of valid first votes, the newest tally or
    /// the present counts say so, and who replays the events stands where the others stand.
    #[test]
    fn counts_match_a_plain_list(steps in prop::collection::vec(step(), 0..200)) {
        let mut polls = Polls::new();
        let mut list: BTreeMap<u8, BTreeMap<u32, u8>> = BTreeMap::new();
        let mut told: BTreeMap<ClientMessageId, Vec<u64>> = BTreeMap::new();
        let mut log = Vec::new();
        let mut now = 0;
        for (offset, step) in (1..).zip(steps) {
            let publication = match step {
                Step::Open { poll, seconds } => {
                    list.entry(poll).or_default();
                    opened(offset, poll, 3, seconds.map(|seconds| now + seconds * 1_000))
                }
                Step::Close { poll: index } => {
                    list.remove(&index);
                    told.remove(&poll(index));
                    closed(index)
                }
                Step::Vote { poll: index, fan, choice } => {
                    let ballot = polls.judge(after(now), &poll(index), choice, &user(fan));
                    let votes = list.get(&index);
                    let has_voted = votes.is_some_and(|votes| votes.contains_key(&fan));
                    prop_assert_eq!(ballot == Ballot::NotOpen, votes.is_none());
                    prop_assert!(ballot != Ballot::Valid || (choice < 3 && !has_voted));
                    prop_assert!(ballot != Ballot::HasVoted || has_voted);
                    if ballot != Ballot::Valid {
                        continue;
                    }
                    list.entry(index).or_default().insert(fan, choice);
                    voted(index, fan, choice)
                }
                Step::Wait { millis } => {
                    now += millis;
                    polls.handle_timeout(after(now));
                    for output in drain(&mut polls) {
                        let (Output::Tally { poll, counts } | Output::Close { poll, counts }) = output;
                        told.insert(poll, counts);
                    }
                    prop_assert!(polls.poll_timeout().is_none_or(|due| due > after(now)));
                    continue;
                }
            };
            polls.fold(after(now), &publication);
            log.push(publication);
            for (index, votes) in &list {
                let counts: Vec<u64> = (0..3)
                    .map(|choice| votes.values().filter(|vote| **vote == choice).count() as u64)
                    .collect();
                prop_assert_eq!(polls.counts(&poll(*index)), Some(counts.as_slice()));
            }
        }
        polls.handle_timeout(UnixMillis(u64::MAX));
        for output in drain(&mut polls) {
            let (Output::Tally { poll, counts } | Output::Close { poll, counts }) = output;
            told.insert(poll, counts);
        }
        for (poll, counts) in polls.open_polls() {
            let is_empty = counts.iter().all(|count| *count == 0);
            prop_assert_eq!(told.get(poll).map(Vec::as_slice), (!is_empty || told.contains_key(poll)).then_some(counts));
        }
        let mut replayed = Polls::new();
        for publication in &log {
            replayed.fold(after(now), publication);
        }
        prop_assert!(replayed.open_polls().eq(polls.open_polls()));
    }
}
