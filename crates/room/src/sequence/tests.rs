use std::collections::{BTreeMap, BTreeSet};

use fanwave_wire::{Body, Role, Sender, Text};
use proptest::prelude::*;

use super::*;
use crate::limits::{DUPLICATE_WINDOW, DUPLICATES_MAX, PENDING_MAX};

const NOON: UnixMillis = UnixMillis(1_800_000_000_000);

fn draft(user: &str, id: &str) -> Draft {
    Draft {
        id: ClientMessageId(id.into()),
        sender: Sender {
            user: UserId(user.into()),
            name: "Mina".into(),
            role: Role::Fan,
            badge: None,
        },
        body: Body::Text(Text::plain("hello")),
    }
}

fn fresh() -> Sequencer {
    Sequencer::resume(Epoch("e".into()), Offset(0), [])
}

fn submit(
    sequencer: &mut Sequencer,
    now: UnixMillis,
    ticket: u64,
    user: &str,
    id: &str,
) -> Vec<Output> {
    sequencer.handle(
        now,
        Input::Submit {
            ticket: Ticket(ticket),
            draft: draft(user, id),
        },
    );
    drain(sequencer)
}

fn answer(sequencer: &mut Sequencer, input: Input) -> Vec<Output> {
    sequencer.handle(NOON, input);
    drain(sequencer)
}

fn drain(sequencer: &mut Sequencer) -> Vec<Output> {
    std::iter::from_fn(|| sequencer.poll_output()).collect()
}

/// One short line per output.
fn told(outputs: &[Output]) -> Vec<String> {
    let line = |output: &Output| match output {
        Output::Append { publications } => {
            let offsets: Vec<u64> = publications
                .iter()
                .map(|publication| publication.offset.0)
                .collect();
            format!("append {offsets:?}")
        }
        Output::Deliver(publication) => {
            format!(
                "deliver {} {}",
                publication.offset.0, publication.draft.id.0
            )
        }
        Output::Acked {
            ticket,
            taken,
            repeat,
        } => format!("ack {} at {} {repeat:?}", ticket.0, taken.offset.0),
        Output::Rejected { ticket, rejection } => format!("reject {} {rejection:?}", ticket.0),
    };
    outputs.iter().map(line).collect()
}

#[test]
fn what_arrives_while_a_batch_is_out_is_the_next_batch() {
    let mut room = fresh();
    assert_eq!(told(&submit(&mut room, NOON, 1, "a", "x")), ["append [1]"]);
    assert!(submit(&mut room, NOON, 2, "a", "y").is_empty());
    assert!(submit(&mut room, NOON, 3, "b", "x").is_empty());
    let stored = answer(&mut room, Input::Stored);
    assert_eq!(
        told(&stored),
        ["deliver 1 x", "ack 1 at 1 First", "append [2, 3]"]
    );
    let stored = answer(&mut room, Input::Stored);
    assert_eq!(
        told(&stored),
        [
            "deliver 2 y",
            "ack 2 at 2 First",
            "deliver 3 x",
            "ack 3 at 3 First"
        ]
    );
    assert!(room.is_idle());
}

#[test]
fn a_failed_batch_burns_no_offset() {
    let mut room = fresh();
    submit(&mut room, NOON, 1, "a", "x");
    submit(&mut room, NOON, 2, "a", "y");
    assert_eq!(
        told(&answer(&mut room, Input::Failed)),
        ["reject 1 Failed", "append [1]"]
    );
    assert_eq!(
        told(&answer(&mut room, Input::Stored)),
        ["deliver 1 y", "ack 2 at 1 First"]
    );
    assert_eq!(told(&submit(&mut room, NOON, 3, "a", "x")), ["append [2]"]);
}

#[test]
fn a_repeated_send_is_one_message_before_and_after_it_is_durable() {
    let mut room = fresh();
    submit(&mut room, NOON, 1, "a", "x");
    assert!(submit(&mut room, NOON, 2, "a", "x").is_empty());
    let stored = answer(&mut room, Input::Stored);
    assert_eq!(
        told(&stored),
        ["deliver 1 x", "ack 1 at 1 First", "ack 2 at 1 Again"]
    );
    let again = UnixMillis(NOON.0 + 5_000);
    let acked = submit(&mut room, again, 3, "a", "x");
    let taken = Taken {
        offset: Offset(1),
        at: NOON,
    };
    assert_eq!(
        acked,
        [Output::Acked {
            ticket: Ticket(3),
            taken,
            repeat: Repeat::Again
        }]
    );
}

#[test]
fn what_the_log_held_before_is_acknowledged_and_the_others_are_numbered_anew() {
    let mut room = Sequencer::resume(Epoch("e".into()), Offset(9), []);
    submit(&mut room, NOON, 1, "a", "w");
    for (ticket, id) in [(2, "x"), (3, "old"), (4, "y")] {
        submit(&mut room, NOON, ticket, "a", id);
    }
    answer(&mut room, Input::Stored);
    let taken = Taken {
        offset: Offset(4),
        at: UnixMillis(7),
    };
    let outputs = answer(
        &mut room,
        Input::Held {
            held: vec![HeldAs {
                proposed: Offset(12),
                taken,
            }],
        },
    );
    assert_eq!(told(&outputs), ["ack 3 at 4 Again", "append [11, 12]"]);
    // A repeated send still finds its message after the others have moved up.
    assert!(submit(&mut room, NOON, 5, "a", "y").is_empty());
    let stored = answer(&mut room, Input::Stored);
    assert_eq!(
        told(&stored),
        [
            "deliver 11 x",
            "ack 2 at 11 First",
            "deliver 12 y",
            "ack 4 at 12 First",
            "ack 5 at 12 Again"
        ]
    );
}

#[test]
fn a_resumed_room_recognises_what_was_sent_before() {
    let mut before = fresh();
    submit(&mut before, NOON, 1, "a", "x");
    let stored = answer(&mut before, Input::Stored);
    let Some(Output::Deliver(publication)) = stored.first() else {
        panic!("{stored:?}")
    };
    let mut room = Sequencer::resume(Epoch("e".into()), Offset(1), [publication]);
    assert_eq!(
        told(&submit(&mut room, NOON, 2, "a", "x")),
        ["ack 2 at 1 Again"]
    );
    assert_eq!(told(&submit(&mut room, NOON, 3, "a", "y")), ["append [2]"]);
}

#[test]
fn senders_do_not_wait_for_ever_and_what_was_out_is_still_one_message() {
    let mut room = fresh();
    submit(&mut room, NOON, 1, "a", "x");
    submit(&mut room, NOON, 2, "a", "y");
    let deadline = room.poll_timeout().unwrap();
    assert_eq!(
        deadline,
        Deadline {
            at: later(NOON, APPEND_WAIT_MAX),
            reason: Reason::AppendWait
        }
    );
    room.handle(UnixMillis(deadline.at.0 - 1), Input::Tick);
    assert!(drain(&mut room).is_empty());
    room.handle(deadline.at, Input::Tick);
    assert_eq!(
        told(&drain(&mut room)),
        ["reject 1 Stalled", "reject 2 Stalled"]
    );
    // The first is still at the log; whoever sends it again waits for it, and it is delivered once.
    assert!(submit(&mut room, deadline.at, 3, "a", "x").is_empty());
    assert_eq!(
        room.poll_timeout().unwrap().at,
        later(deadline.at, APPEND_WAIT_MAX)
    );
    room.handle(deadline.at, Input::Stored);
    assert_eq!(told(&drain(&mut room)), ["deliver 1 x", "ack 3 at 1 Again"]);
    // The second never left and is gone.
    assert!(room.is_idle());
}

#[test]
fn a_clock_set_back_does_not_lengthen_the_wait() {
    let mut room = fresh();
    submit(&mut room, NOON, 1, "a", "x");
    let an_hour_ago = UnixMillis(NOON.0 - 3_600_000);
    room.handle(an_hour_ago, Input::Tick);
    assert!(drain(&mut room).is_empty());
    room.handle(later(an_hour_ago, APPEND_WAIT_MAX), Input::Tick);
    assert_eq!(told(&drain(&mut room)), ["reject 1 Stalled"]);
}

#[test]
fn a_slow_log_fills_the_room_and_no_more() {
    let mut room = fresh();
    for index in 0..PENDING_MAX as u64 {
        let id = (index / 2).to_string();
        let outputs = submit(&mut room, NOON, index, "a", &id);
        assert!(
            outputs
                .iter()
                .all(|output| matches!(output, Output::Append { .. })),
            "{outputs:?}"
        );
    }
    assert_eq!(
        told(&submit(&mut room, NOON, 9_999, "b", "z")),
        ["reject 9999 Busy"]
    );
    assert_eq!(
        told(&submit(&mut room, NOON, 9_998, "a", "1")),
        ["reject 9998 Busy"]
    );
    let mut acked = 0;
    while !room.is_idle() {
        let outputs = answer(&mut room, Input::Stored);
        acked += outputs
            .iter()
            .filter(|output| matches!(output, Output::Acked { .. }))
            .count();
        for output in &outputs {
            assert!(
                !matches!(output, Output::Append { publications } if publications.len() > APPEND_BATCH_MAX)
            );
        }
    }
    assert_eq!(acked, PENDING_MAX);
    assert_eq!(room.head(), Offset(PENDING_MAX as u64 / 2));
}

#[test]
fn stalled_messages_do_not_pile_up_either() {
    let mut room = fresh();
    let mut now = NOON;
    let mut ticket = 0;
    for _ in 0..3 {
        for _ in 0..PENDING_MAX {
            ticket += 1;
            submit(&mut room, now, ticket, "a", &ticket.to_string());
        }
        now = later(now, APPEND_WAIT_MAX);
        room.handle(now, Input::Tick);
        drain(&mut room);
        // Only the batch that is at the log is left: the very first message.
        assert_eq!(room.pending.len(), 1);
        assert_eq!(room.pending.waiting(), 0);
    }
}

#[test]
fn the_window_forgets_by_age_and_by_number() {
    let mut room = fresh();
    submit(&mut room, NOON, 0, "a", "x");
    answer(&mut room, Input::Stored);
    let until = later(NOON, DUPLICATE_WINDOW);
    assert_eq!(
        room.poll_timeout(),
        Some(Deadline {
            at: until,
            reason: Reason::DuplicateWindow
        })
    );
    room.handle(UnixMillis(until.0 - 1), Input::Tick);
    assert_eq!(room.poll_timeout().map(|deadline| deadline.at), Some(until));
    room.handle(until, Input::Tick);
    assert_eq!(room.poll_timeout(), None);

    let mut room = fresh();
    for index in 0..=DUPLICATES_MAX as u64 {
        submit(&mut room, NOON, index, "a", &index.to_string());
        answer(&mut room, Input::Stored);
    }
    assert_eq!(
        told(&submit(&mut room, NOON, 9_001, "a", "1")),
        ["ack 9001 at 2 Again"]
    );
    // The oldest is no longer known here; the log will say that it holds it.
    assert_eq!(
        told(&submit(&mut room, NOON, 9_000, "a", "0")),
        [format!("append [{}]", DUPLICATES_MAX + 2)]
    );
}

#[test]
#[should_panic(expected = "handed to it")]
fn a_log_that_answers_unasked_is_a_broken_invariant() {
    fresh().handle(NOON, Input::Stored);
}

#[derive(Debug, Clone)]
enum Step {
    Submit { user: u8, id: u8 },
    LogStores,
    LogFails,
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..3, 0u8..12).prop_map(|(user, id)| Step::Submit { user, id }),
        3 => Just(Step::LogStores),
        1 => Just(Step::LogFails),
        1 => prop_oneof![0u64..20_000, 0u64..700_000].prop_map(|ms| Step::Wait { ms }),
    ]
}

/// A log that remembers every message for ever, and everything that a sequencer has promised about it.
#[derive(Default)]
struct World {
    log: Vec<Arc<Publication>>,
    out: Option<Vec<Arc<Publication>>>,
    delivered: Vec<Arc<Publication>>,
    open: BTreeMap<Ticket, Key>,
    promised: BTreeMap<Key, Taken>,
}

impl World {
    fn find(&self, key: &Key) -> Option<Taken> {
        let publication = self
            .log
            .iter()
            .find(|publication| key_of(&publication.draft) == *key)?;
        Some(Taken {
            offset: publication.offset,
            at: publication.at,
        })
    }

    /// What the store of the product does with an append: all or nothing, and nothing that it holds already.
    fn store(&mut self) -> Option<Input> {
        let batch = self.out.take()?;
        let held: Vec<HeldAs> = batch
            .iter()
            .filter_map(|publication| {
                let taken = self.find(&key_of(&publication.draft))?;
                Some(HeldAs {
                    proposed: publication.offset,
                    taken,
                })
            })
            .collect();
        if !held.is_empty() {
            return Some(Input::Held { held });
        }
        self.log.extend(batch);
        Some(Input::Stored)
    }

    /// Checks every law that an output can break.
    fn obey(&mut self, output: Output) -> Result<(), TestCaseError> {
        match output {
            Output::Append { publications } => {
                prop_assert!(self.out.is_none(), "one batch is out at a time");
                prop_assert!((1..=APPEND_BATCH_MAX).contains(&publications.len()));
                let next = self.log.len() as u64 + 1;
                for (publication, offset) in publications.iter().zip(next..) {
                    prop_assert_eq!(
                        publication.offset.0,
                        offset,
                        "no offset is burnt, none comes twice"
                    );
                }
                self.out = Some(publications);
            }
            Output::Deliver(publication) => {
                prop_assert_eq!(
                    publication.offset.0,
                    self.delivered.len() as u64 + 1,
                    "no gap"
                );
                prop_assert_eq!(
                    self.log.get(self.delivered.len()),
                    Some(&publication),
                    "durable first"
                );
                self.delivered.push(publication);
            }
            Output::Acked { ticket, taken, .. } => {
                let Some(key) = self.open.remove(&ticket) else {
                    return Err(TestCaseError::fail("a ticket is answered once"));
                };
                prop_assert_eq!(
                    self.find(&key),
                    Some(taken),
                    "acknowledged means durable, at that offset"
                );
                prop_assert_eq!(
                    *self.promised.entry(key).or_insert(taken),
                    taken,
                    "one message, one offset"
                );
            }
            Output::Rejected { ticket, .. } => {
                prop_assert!(
                    self.open.remove(&ticket).is_some(),
                    "a ticket is answered once"
                );
            }
        }
        Ok(())
    }
}

proptest! {
    /// The laws of a room, against a log that may fail and senders who may repeat themselves, now or much later.
    #[test]
    fn gapless_durable_once_and_always_answered(steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::default();
        let mut room = fresh();
        let mut now = NOON;
        let settle = (0..).map(|_| Step::LogStores);
        let count = steps.len();
        for (index, step) in steps.into_iter().chain(settle).enumerate() {
            if index >= count && room.is_idle() {
                break;
            }
            let input = match step {
                Step::Submit { user, id } => {
                    let draft = draft(&user.to_string(), &id.to_string());
                    let ticket = Ticket(index as u64);
                    world.open.insert(ticket, key_of(&draft));
                    Some(Input::Submit { ticket, draft })
                }
                Step::LogStores => world.store(),
                Step::LogFails => world.out.take().map(|_| Input::Failed),
                Step::Wait { ms } => {
                    now = UnixMillis(now.0 + ms);
                    Some(Input::Tick)
                }
            };
            let Some(input) = input else { continue };
            room.handle(now, input);
            for output in drain(&mut room) {
                world.obey(output)?;
            }
            prop_assert_eq!(room.head().0, world.log.len() as u64);
            prop_assert!(room.poll_timeout().is_none_or(|deadline| deadline.reason != Reason::AppendWait || deadline.at > now));
        }
        prop_assert!(world.open.is_empty(), "every sender is answered: {:?}", world.open);
        prop_assert_eq!(world.delivered.len(), world.log.len(), "what is durable is delivered");
        let distinct: BTreeSet<Key> = world.log.iter().map(|publication| key_of(&publication.draft)).collect();
        prop_assert_eq!(distinct.len(), world.log.len(), "no message is held twice");
    }
}
