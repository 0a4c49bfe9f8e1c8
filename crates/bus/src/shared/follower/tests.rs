use fanwave_wire::{Channel, ClientMessageId, Draft, Role, Sender, UserId};
use proptest::prelude::*;

use super::*;

const SPREAD_MS: u64 = 500;

fn publication(offset: u64, run: u64) -> Arc<Publication> {
    let sender = Sender::new(UserId("fan".into()), "Mina", Role::Fan);
    let id = ClientMessageId(format!("{run}-{offset}").into());
    Arc::new(Publication {
        offset: Offset(offset),
        at: UnixMillis(offset),
        draft: Draft::text(id, sender, "hello"),
    })
}

/// A log as a broker keeps it, and what it has told nobody yet.
#[derive(Default)]
struct Log {
    epoch: u64,
    head: u64,
    held: BTreeMap<u64, Arc<Publication>>,
    /// What two logs differ in after one has lost its end.
    run: u64,
    told: Vec<Batch>,
}

impl Log {
    fn standing(&self) -> Standing {
        Standing {
            epoch: Epoch(self.epoch.to_string().into()),
            head: Offset(self.head),
        }
    }

    fn append(&mut self, count: u64) {
        let offsets = self.head + 1..=self.head + count;
        let publications: Vec<_> = offsets
            .map(|offset| publication(offset, self.run))
            .collect();
        for publication in &publications {
            self.held
                .insert(publication.offset.0, Arc::clone(publication));
        }
        self.head += count;
        let channel: Channel = "chat:demo".parse().unwrap();
        self.told.push(Batch {
            channel,
            epoch: self.standing().epoch,
            publications,
        });
    }

    fn lose_after(&mut self, head: u64) {
        self.held.retain(|offset, _| *offset <= head);
        self.head = self.head.min(head);
        self.run += 1;
    }

    fn read(&self, page: Page) -> Extract {
        let wanted = self
            .held
            .values()
            .filter(|held| held.offset > page.after && held.offset <= page.through);
        let publications = match page.order {
            Order::OldestFirst => wanted.take(page.limit).cloned().collect(),
            Order::NewestFirst => wanted.rev().take(page.limit).cloned().collect(),
        };
        Extract {
            standing: self.standing(),
            publications,
        }
    }
}

/// A follower of a log, driven by a test.
struct Play {
    log: Log,
    follower: Follower,
    now: UnixMillis,
    read: Option<Page>,
    /// A read that the broker has made, and whose answer is on its way.
    answer: Option<Extract>,
    renewal: Option<Epoch>,
    /// What was delivered since the channel was opened or began anew, and where that was.
    delivered: Vec<Arc<Publication>>,
    begun: u64,
    restarts: usize,
}

impl Play {
    fn new(before: u64) -> Self {
        let mut log = Log::default();
        log.append(before);
        log.told.clear();
        let mut play = Self {
            log,
            follower: Follower::open(SPREAD_MS),
            now: UnixMillis(1),
            read: None,
            answer: None,
            renewal: None,
            delivered: Vec::new(),
            begun: 0,
            restarts: 0,
        };
        play.drain();
        play
    }

    fn drain(&mut self) {
        let mut outputs: VecDeque<_> = std::iter::from_fn(|| self.follower.poll_output()).collect();
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Read(page) => {
                    assert!(
                        self.read.is_none() && self.renewal.is_none(),
                        "one at a time"
                    );
                    self.read = Some(page);
                }
                Output::Renew(lost) => {
                    assert!(
                        self.read.is_none() && self.renewal.is_none(),
                        "one at a time"
                    );
                    self.renewal = Some(lost);
                }
                Output::Deliver(publication) => {
                    let before = self
                        .delivered
                        .last()
                        .map_or(self.begun, |last| last.offset.0);
                    assert!(publication.offset.0 > before, "in order and once");
                    self.delivered.push(publication);
                }
                Output::Opened | Output::Restarted => {
                    self.restarts += usize::from(output == Output::Restarted);
                    self.delivered.clear();
                    let next = outputs.iter().find_map(|output| match output {
                        Output::Deliver(publication) => Some(publication.offset.0 - 1),
                        _ => None,
                    });
                    let head = self.follower.recent().unwrap().head().0;
                    self.begun = next.unwrap_or(head);
                }
                Output::Failed(_) => {
                    // Whoever wants the channel opens it again.
                    self.follower = Follower::open(SPREAD_MS);
                }
            }
        }
    }

    fn hear(&mut self, batch: Batch) {
        self.follower.handle_heard(batch);
        self.drain();
    }

    /// The broker reads; the answer comes later.
    fn make_read(&mut self) {
        if let Some(page) = self.read.filter(|_| self.answer.is_none()) {
            self.answer = Some(self.log.read(page));
        }
    }

    fn answer(&mut self, fails: bool) {
        self.make_read();
        if let Some(lost) = self.renewal.take() {
            if !fails && lost == self.log.standing().epoch {
                self.log.epoch += 1;
            }
            let answer = if fails { Err(gone()) } else { Ok(()) };
            self.follower.handle_renewed(self.now, &answer);
        } else if let Some(extract) = self.answer.take() {
            self.read = None;
            let answer = if fails { Err(gone()) } else { Ok(extract) };
            self.follower.handle_read(self.now, answer);
        }
        self.drain();
    }

    fn tick(&mut self, ms: u64) {
        self.now.0 += ms;
        self.follower.handle_tick(self.now);
        self.drain();
    }

    fn delete(&mut self, offset: u64) {
        self.log.held.remove(&offset);
        let offset = Offset(offset);
        self.follower.handle_erase(&Event::Deleted { offset });
        self.drain();
    }

    /// Lets everything come to rest, as after an interruption.
    fn settle(&mut self) {
        self.log.told.clear();
        self.follower.handle_resumed(self.now);
        for _ in 0..20 {
            self.tick(60_000);
            self.answer(false);
        }
        assert!(self.follower.is_idle() && self.follower.poll_timeout().is_none());
    }

    /// The window is the end of the log, and what was delivered has no hole.
    fn check(&self) {
        let recent = self.follower.recent().expect("it is open");
        assert_eq!(self.follower.standing(), Some(self.log.standing()));
        let window: Vec<_> = recent.all().cloned().collect();
        let end: Vec<_> = self.log.held.range(recent.floor().0 + 1..).collect();
        assert!(end.into_iter().map(|(_, held)| held).eq(window.iter()));
        let held = self.log.held.range(self.begun + 1..);
        for (offset, publication) in held {
            assert!(
                self.delivered.contains(publication),
                "{offset} was delivered"
            );
        }
    }
}

fn gone() -> BrokerError {
    BrokerError::unavailable("gone")
}

#[test]
fn one_gap_is_one_read_and_what_came_after_waits_for_it() {
    let mut play = Play::new(3);
    play.answer(false);
    for count in [1, 2, 1, 1] {
        play.log.append(count);
    }
    let told = std::mem::take(&mut play.log.told);
    for batch in told.into_iter().skip(1).rev() {
        play.hear(batch);
    }
    assert_eq!(play.delivered, []);
    let page = play.read.expect("what is missing is asked for");
    assert_eq!((page.after, page.through), (Offset(0), Offset(7)));
    play.answer(false);
    assert_eq!(play.delivered.len(), 5);
    assert_eq!(play.read, None);
    play.check();
}

#[test]
fn a_gap_beyond_a_window_begins_anew() {
    let mut play = Play::new(3);
    play.answer(false);
    play.log.append(RECENT_MAX as u64 + 1);
    play.log.append(1);
    play.hear(play.log.told[1].clone());
    play.answer(false);
    assert_eq!(
        play.restarts, 0,
        "first it is proven that the log has what was seen"
    );
    play.answer(false);
    assert_eq!((play.restarts, play.delivered.len()), (1, 0));
    play.check();
}

#[test]
fn a_log_that_has_less_gets_a_new_epoch() {
    let mut play = Play::new(9);
    play.answer(false);
    play.log.lose_after(5);
    play.settle();
    assert_eq!((play.restarts, play.log.epoch), (1, 1));
    play.check();
}

#[test]
fn another_message_under_an_offset_that_was_seen_gets_a_new_epoch() {
    let mut play = Play::new(9);
    play.answer(false);
    play.log.lose_after(5);
    play.log.append(3);
    play.hear(play.log.told[0].clone());
    assert_eq!(
        play.follower.standing(),
        None,
        "nothing is written meanwhile"
    );
    assert!(play.renewal.is_some());
    play.settle();
    assert_eq!((play.restarts, play.log.epoch), (1, 1));
    play.check();
}

#[test]
fn a_deletion_during_a_read_is_not_undone_by_its_answer() {
    let mut play = Play::new(9);
    play.make_read();
    play.delete(4);
    play.answer(false);
    play.check();
    play.follower.handle_resumed(play.now);
    play.tick(SPREAD_MS);
    play.make_read();
    play.delete(5);
    play.answer(false);
    play.check();
}

#[test]
fn a_deletion_that_was_not_heard_is_found_by_comparing() {
    let mut play = Play::new(9);
    play.answer(false);
    play.log.held.remove(&4);
    play.settle();
    play.check();
}

#[test]
fn a_read_that_fails_is_tried_again_less_and_less_often() {
    let mut play = Play::new(1);
    play.answer(false);
    play.follower.handle_resumed(play.now);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let due = play.follower.poll_timeout().expect("it is tried again");
        waits.push(due.0 - play.now.0);
        play.now = due;
        play.tick(0);
        play.answer(true);
    }
    assert_eq!(waits, [500, 750, 1_000, 1_500, 2_500, 2_500]);
}

/// One step of a random play.
#[derive(Debug, Clone, Copy)]
enum Step {
    Append(u64),
    Hear { index: usize, again: bool },
    Miss(usize),
    MakeRead,
    Answer { fails: bool },
    Resume,
    Tick(u64),
    Delete(u64),
    Lose(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u64..5).prop_map(Step::Append),
        1 => (400u64..700).prop_map(Step::Append),
        6 => (0usize..4, any::<bool>()).prop_map(|(index, again)| Step::Hear { index, again }),
        2 => (0usize..4).prop_map(Step::Miss),
        2 => Just(Step::MakeRead),
        5 => prop::bool::weighted(0.2).prop_map(|fails| Step::Answer { fails }),
        1 => Just(Step::Resume),
        3 => (0u64..3_000).prop_map(Step::Tick),
        2 => (0u64..30).prop_map(Step::Delete),
        1 => (0u64..30).prop_map(Step::Lose),
    ]
}

fn play(play: &mut Play, step: Step, loses: bool) {
    match step {
        Step::Append(count) => play.log.append(count),
        Step::Hear { index, again } if index < play.log.told.len() => {
            let batch = play.log.told[index].clone();
            if !again {
                play.log.told.remove(index);
            }
            play.hear(batch);
        }
        Step::Miss(index) if index < play.log.told.len() => drop(play.log.told.remove(index)),
        Step::Hear { .. } | Step::Miss(_) => {}
        Step::MakeRead => play.make_read(),
        Step::Answer { fails } => play.answer(fails),
        Step::Resume => {
            play.follower.handle_resumed(play.now);
            play.drain();
        }
        Step::Tick(ms) => play.tick(ms),
        // A log that loses its end loses deletions too: the two are played apart.
        Step::Delete(back) if !loses => play.delete(play.log.head.saturating_sub(back)),
        Step::Lose(back) if loses => {
            let head = play.log.head.saturating_sub(back);
            play.log.lose_after(head);
            // Whoever wrote that is gone, and so is what it was about to say: the broker has been interrupted.
            play.log.told.clear();
            play.follower.handle_resumed(play.now);
            play.drain();
        }
        Step::Delete(_) | Step::Lose(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is lost, late, twice or refused: what is delivered is in order, and in the end nothing is missing.
    #[test]
    fn nothing_is_missed_and_nothing_comes_twice(
        before in 0u64..600,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut game = Play::new(before);
        for step in steps {
            play(&mut game, step, false);
        }
        game.settle();
        game.check();
        prop_assert_eq!(game.log.epoch, 0, "nothing was lost");
    }

    /// The same where the log loses its end now and then: no offset that was seen is another message in its epoch.
    #[test]
    fn a_lost_end_is_noticed(
        before in 0u64..600,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut game = Play::new(before);
        for step in steps {
            play(&mut game, step, true);
        }
        game.settle();
        game.check();
    }
}
