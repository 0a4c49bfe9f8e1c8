//! A room, a broker that forgets and loses, and an archive that fails, against the machine between them.

use std::collections::{BTreeMap, BTreeSet};

use fanwave_wire::{Body, ClientMessageId, Draft, Role, Sender, Text, UserId};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    /// So many are said; the last may be one that the archive refuses.
    Say(u64, bool),
    /// A message is deleted; which, counted from the newest.
    Delete(u64),
    /// The broker keeps so many.
    Trim(u64),
    /// The broker loses so many of the newest, and begins a new epoch.
    Lose(u64),
    /// What was asked is answered: well, or not, and then it may have been done all the same.
    Answer { well: bool, done: bool },
    /// So much time passes, milliseconds.
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..300_u64, prop::bool::weighted(0.1)).prop_map(|(count, poison)| Act::Say(count, poison)),
        1 => (0..20_u64).prop_map(Act::Delete),
        1 => (0..400_u64).prop_map(Act::Trim),
        1 => (0..30_u64).prop_map(Act::Lose),
        8 => (prop::bool::weighted(0.8), any::<bool>()).prop_map(|(well, done)| Act::Answer { well, done }),
        4 => (0..6_000_u64).prop_map(Act::Pass),
    ]
}

struct World {
    now: UnixMillis,
    epoch: u64,
    head: u64,
    /// What the broker has, and whether the archive refuses it.
    log: BTreeMap<u64, bool>,
    /// What has been deleted in this epoch.
    deleted: BTreeSet<u64>,
    /// By epoch and offset.
    archive: BTreeSet<(u64, u64)>,
    /// The newest epoch of the archive, and its head.
    reached: Option<(u64, u64)>,
    /// What was reported as lost, in this epoch.
    lost: Vec<(u64, u64)>,
    unwritable: BTreeSet<u64>,
    /// The oldest message there was when the archive began to know the channel.
    began: Option<u64>,
    asked: Option<Output>,
    scribe: Scribe,
}

fn name(epoch: u64) -> Epoch {
    Epoch(epoch.to_string().into())
}

fn message(offset: u64) -> Arc<Publication> {
    Arc::new(Publication {
        offset: Offset(offset),
        at: UnixMillis(offset),
        draft: Draft {
            id: ClientMessageId("m".into()),
            sender: Sender {
                user: UserId("fan".into()),
                name: "fan".into(),
                role: Role::Fan,
                badge: None,
            },
            body: Body::Text(Text::plain("")),
        },
    })
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: UnixMillis(1_000),
            epoch: 1,
            head: 0,
            log: BTreeMap::new(),
            deleted: BTreeSet::new(),
            archive: BTreeSet::new(),
            reached: None,
            lost: Vec::new(),
            unwritable: BTreeSet::new(),
            began: None,
            asked: None,
            scribe: Scribe::open(),
        };
        world.drain();
        world
    }

    fn handle(&mut self, input: Input) {
        self.scribe.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.scribe.poll_output() {
            match output {
                Output::Lost(from, through) => {
                    assert!(from <= through);
                    self.lost.push((from.0, through.0));
                }
                Output::Unwritable(offset) => {
                    assert!(self.unwritable.insert(offset.0));
                }
                asked => {
                    assert!(self.asked.is_none(), "one thing at a time");
                    self.asked = Some(asked);
                }
            }
        }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Say(count, poison) => {
                for index in 1..=count {
                    self.head += 1;
                    self.log.insert(self.head, poison && index == count);
                }
                let (offset, at) = (Offset(self.head), self.now);
                self.handle(Input::Delivered(Heard { offset, at }));
            }
            Act::Delete(back) => {
                if let Some((offset, _)) = self.log.iter().rev().nth(usize::try_from(back).unwrap())
                {
                    let offset = *offset;
                    self.log.remove(&offset);
                    self.deleted.insert(offset);
                }
            }
            Act::Trim(kept) => {
                while self.log.len() as u64 > kept {
                    self.log.pop_first();
                }
            }
            Act::Lose(count) => {
                self.head -= count.min(self.head);
                self.log.retain(|offset, _| *offset <= self.head);
                self.epoch += 1;
                self.deleted.clear();
                self.lost.clear();
                self.unwritable.clear();
                self.handle(Input::Restarted);
            }
            Act::Answer { well, done } => self.answer(well, done),
            Act::Pass(millis) => {
                self.now = UnixMillis(self.now.0 + millis);
                self.handle(Input::Tick);
            }
        }
    }

    fn answer(&mut self, well: bool, done: bool) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let input = match asked {
            Output::Ask => Input::Reached(if well {
                Ok(self.reached.map(|(epoch, head)| Standing {
                    epoch: name(epoch),
                    head: Offset(head),
                }))
            } else {
                Err(Failed)
            }),
            Output::Subscribe => Input::Subscribed(if well {
                Ok(Standing {
                    epoch: name(self.epoch),
                    head: Offset(self.head),
                })
            } else {
                Err(Failed)
            }),
            Output::Read(after, count) => Input::Read(if well {
                Ok(self.history(after, count))
            } else {
                Err(Failed)
            }),
            Output::FindOldest => Input::Oldest(if well {
                Ok(self.log.keys().next().map(|offset| Offset(*offset)))
            } else {
                Err(Failed)
            }),
            Output::Record(epoch, publications) => {
                Input::Recorded(self.record(&epoch, &publications, well, done))
            }
            Output::Lost(..) | Output::Unwritable(_) => unreachable!("nothing is asked"),
        };
        self.handle(input);
    }

    fn history(&self, after: Offset, limit: usize) -> History {
        let behind = self.log.range(after.0 + 1..);
        History {
            epoch: name(self.epoch),
            head: Offset(self.head),
            publications: behind
                .take(limit)
                .map(|(offset, _)| message(*offset))
                .collect(),
        }
    }

    fn record(
        &mut self,
        epoch: &Epoch,
        publications: &[Arc<Publication>],
        well: bool,
        done: bool,
    ) -> Result<(), Unrecorded> {
        assert!(!publications.is_empty() && publications.len() <= HISTORY_PAGE_MAX);
        assert!(publications.is_sorted_by(|one, next| one.offset < next.offset));
        let epoch: u64 = epoch.0.parse().unwrap();
        if well || done {
            let poison = |one: &Arc<Publication>| self.log.get(&one.offset.0) == Some(&true);
            if epoch == self.epoch && publications.iter().any(poison) {
                return Err(Unrecorded::Refused);
            }
            // As the archive does it: what is at or before the head is passed over.
            let (run, head) = self.reached.unwrap_or((epoch, 0));
            if self.began.is_none() {
                self.began = Some(publications[0].offset.0);
            }
            let head = if run == epoch { head } else { 0 };
            if run <= epoch {
                for publication in publications {
                    if publication.offset.0 > head {
                        self.archive.insert((epoch, publication.offset.0));
                    }
                }
                let last = publications.last().unwrap().offset.0;
                self.reached = Some((epoch, head.max(last)));
            }
        }
        if well {
            Ok(())
        } else {
            Err(Unrecorded::Failed)
        }
    }

    /// Everything works again, and nothing else happens.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.asked.is_some() {
                self.answer(true, true);
            } else if let Some(due) = self.scribe.poll_timeout() {
                self.now = self.now.max(due);
                self.handle(Input::Tick);
            } else {
                return;
            }
        }
        panic!("it comes to an end");
    }
}

proptest! {
    #[test]
    fn everything_is_recorded_or_said_to_be_lost(acts in prop::collection::vec(act(), 0..60)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.settle();
        prop_assert_eq!(world.scribe.behind(), 0);
        prop_assert_eq!(world.scribe.behind_since(), None);
        let has = |offset: u64| world.archive.contains(&(world.epoch, offset));
        for (offset, poison) in &world.log {
            if *poison {
                prop_assert!(world.unwritable.contains(offset), "{offset} is passed over, and said to be");
            } else {
                prop_assert!(has(*offset), "{offset} is recorded");
            }
        }
        // Nothing is called lost that was recorded, and nothing that is missing is kept quiet.
        for (from, through) in &world.lost {
            prop_assert!((*from..=*through).all(|offset| !has(offset)), "{from} to {through}");
        }
        if world.epoch == 1 && let Some(began) = world.began {
            let is_lost = |offset| world.lost.iter().any(|(from, through)| (*from..=*through).contains(&offset));
            for offset in began..=world.head {
                let is_known = has(offset) || is_lost(offset) || world.deleted.contains(&offset);
                prop_assert!(is_known || world.unwritable.contains(&offset), "{offset}");
            }
        }
    }
}

#[test]
fn messages_gather_and_a_full_page_does_not_wait() {
    let mut world = World::new();
    world.settle();
    world.act(&Act::Say(3, false));
    assert_eq!(world.asked, None);
    let gather = u64::try_from(RECORD_GATHER.as_millis()).unwrap();
    assert_eq!(
        world.scribe.poll_timeout(),
        Some(UnixMillis(world.now.0 + gather))
    );
    world.act(&Act::Pass(gather));
    assert_eq!(world.asked, Some(Output::Read(Offset(0), 3)));
    world.settle();
    world.act(&Act::Say(HISTORY_PAGE_MAX as u64, false));
    assert_eq!(world.asked, Some(Output::Read(Offset(3), HISTORY_PAGE_MAX)));
}

#[test]
fn an_archive_that_is_away_is_asked_less_and_less_often() {
    let mut world = World::new();
    world.settle();
    world.act(&Act::Say(1, false));
    let mut waits = Vec::new();
    for _ in 0..8 {
        while world.asked.is_none() {
            let due = world.scribe.poll_timeout().unwrap();
            waits.push(due.0 - world.now.0);
            world.now = due;
            world.handle(Input::Tick);
        }
        // The page is read, and not recorded; how far the archive is, it does not say either.
        match world.asked {
            Some(Output::Read(..)) => {
                world.answer(true, false);
                world.answer(false, false);
            }
            _ => world.answer(false, false),
        }
    }
    assert_eq!(waits[1..], [250, 500, 1_000, 2_000, 4_000, 4_000, 4_000]);
    world.settle();
    assert_eq!(world.scribe.behind(), 0);
}
