//! What becomes of commands, over a queue in memory and with answers that are told beforehand, in virtual time.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard},
};

use fanwave_bus::commands::Place;
use serde_json::json;

use super::*;

/// A queue and the answers to its commands.
#[derive(Default)]
struct Yard(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    commands: Vec<(Vec<u8>, bool)>,
    /// Up to where was read.
    read: usize,
    /// Another server leads.
    led_by_another: bool,
    left: bool,
    /// The broker does not answer.
    away: bool,
    letters: Vec<Value>,
    /// What is answered to a command, in this order; in the end it is done.
    answers: BTreeMap<String, VecDeque<Outcome>>,
    asked: Vec<(String, bool)>,
}

impl Yard {
    fn look(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn send(&self, text: &str) {
        self.look().commands.push((text.as_bytes().to_vec(), false));
    }

    /// Somebody is banned in a room.
    fn ban(&self, id: &str, room: &str) {
        let path = format!("/api/v1/channels/{room}/users/u/ban");
        self.send(&json!({"id": id, "path": path}).to_string());
    }

    fn answer(&self, id: &str, outcomes: impl IntoIterator<Item = Outcome>) {
        self.look()
            .answers
            .insert(id.to_owned(), outcomes.into_iter().collect());
    }

    fn asked(&self) -> Vec<String> {
        self.look().asked.iter().map(|(id, _)| id.clone()).collect()
    }

    fn is_empty(&self) -> bool {
        self.look().commands.iter().all(|(_, done)| *done)
    }

    fn start(self: &Arc<Self>) -> Commands {
        let (clerk, queue) = (Arc::clone(self), Arc::clone(self));
        Commands::answered_by(clerk, queue, &mut Registry::default())
    }

    /// Virtual time goes on until something holds.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let ends = Instant::now() + Duration::from_secs(600);
        while !holds(self) {
            assert!(Instant::now() < ends, "{what}: {:?}", self.asked());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn gone() -> BrokerError {
    BrokerError::unavailable("gone")
}

impl CommandQueue for Yard {
    fn lead(&self) -> BoxFuture<'_, Result<bool, BrokerError>> {
        let inner = self.look();
        let led = if inner.away {
            Err(gone())
        } else {
            Ok(!inner.led_by_another)
        };
        Box::pin(async { led })
    }

    fn rewind(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.look().read = 0;
        Box::pin(async { Ok(()) })
    }

    fn take(&self, most: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        Box::pin(async move {
            sleep(Duration::from_millis(10)).await;
            let mut inner = self.look();
            if inner.away {
                return Err(gone());
            }
            let mut entries = Vec::new();
            while entries.len() < most && inner.read < inner.commands.len() {
                let at = inner.read;
                inner.read += 1;
                if let (bytes, false) = &inner.commands[at] {
                    entries.push(Entry {
                        place: Place::new(at.to_string(), at.to_string()),
                        bytes: bytes.clone(),
                    });
                }
            }
            Ok(entries)
        })
    }

    fn done<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let mut inner = self.look();
            if inner.away {
                return Err(gone());
            }
            let at: usize = place.token().parse().unwrap();
            inner.commands[at].1 = true;
            Ok(())
        })
    }

    fn bury<'a>(&'a self, letter: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let mut inner = self.look();
            if inner.away {
                return Err(gone());
            }
            inner.letters.push(serde_json::from_slice(letter).unwrap());
            Ok(())
        })
    }

    fn waiting(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        let waiting = self
            .look()
            .commands
            .iter()
            .filter(|(_, done)| !done)
            .count();
        Box::pin(async move { Ok(waiting as u64) })
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.look().left = true;
        Box::pin(async { Ok(()) })
    }
}

impl Answers for Yard {
    fn carry_out<'a>(&'a self, command: &'a Command, repeated: bool) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            sleep(Duration::from_millis(20)).await;
            let mut inner = self.look();
            inner.asked.push((command.id.clone(), repeated));
            let answers = inner.answers.get_mut(&command.id);
            answers
                .and_then(VecDeque::pop_front)
                .unwrap_or(Outcome::Done)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_now_holds_up_its_room_and_no_other() {
    let yard = Arc::new(Yard::default());
    yard.answer("a1", vec![Outcome::Again; 3]);
    for (id, room) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")] {
        yard.ban(id, room);
    }
    let commands = yard.start();
    yard.until("all are done", Yard::is_empty).await;
    let asked = yard.asked();
    let at = |id: &str| asked.iter().position(|known| known == id).unwrap();
    assert_eq!(asked.iter().filter(|id| *id == "a1").count(), 4);
    assert!(at("b1") < at("b2") && at("b2") < at("a2"), "{asked:?}");
    assert_eq!(asked.last().map(String::as_str), Some("a2"));
    commands.stop().await;
    assert!(yard.look().left);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_a_dead_letter_and_holds_up_nobody() {
    let yard = Arc::new(Yard::default());
    yard.answer("a1", [Outcome::Refused(json!({"code": "banned"}))]);
    yard.answer("a2", vec![Outcome::Fault(json!({"code": "internal"})); 10]);
    yard.ban("a1", "a");
    yard.send("sold out");
    yard.ban("a2", "a");
    yard.ban("a3", "a");
    let commands = yard.start();
    yard.until("all are gone", Yard::is_empty).await;
    let inner = yard.look();
    let mut codes: Vec<_> = inner
        .letters
        .iter()
        .map(|letter| letter["problem"]["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, ["banned", "internal", "malformed_command"]);
    let malformed = inner
        .letters
        .iter()
        .find(|letter| letter["place"] == "1")
        .unwrap();
    assert_eq!(malformed["command"], "sold out");
    let faults = inner.asked.iter().filter(|(id, _)| id == "a2").count();
    assert_eq!(faults, usize::try_from(FAULTS_MAX).unwrap() + 1);
    assert_eq!(inner.asked.last().unwrap().0, "a3");
    let metrics = &commands.metrics;
    assert_eq!(
        (
            metrics.taken.get(),
            metrics.done.get(),
            metrics.refused.get()
        ),
        (4, 1, 2)
    );
    assert_eq!(
        (metrics.malformed.get(), metrics.dead_letters.get()),
        (1, 3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_lost_the_lead_begins_nothing_and_goes_back_when_it_leads_again() {
    let yard = Arc::new(Yard::default());
    yard.answer("a1", vec![Outcome::Again; 1_000]);
    yard.ban("a1", "a");
    yard.ban("a2", "a");
    let _commands = yard.start();
    yard.until("it is asked again", |yard| yard.asked().len() > 2)
        .await;
    yard.look().led_by_another = true;
    sleep(2 * COMMAND_LEAD_EVERY + Duration::from_secs(10)).await;
    let asked = yard.asked().len();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(yard.asked().len(), asked, "another server has it done");
    assert!(
        !yard.asked().contains(&"a2".to_owned()),
        "it has to wait for the first"
    );
    yard.answer("a1", []);
    yard.look().led_by_another = false;
    yard.until("all are done", Yard::is_empty).await;
    let inner = yard.look();
    assert_eq!(
        inner.asked[asked..],
        [("a1".to_owned(), true), ("a2".to_owned(), true)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_loses_nothing_and_is_told_of() {
    let yard = Arc::new(Yard::default());
    let commands = yard.start();
    let pulse = commands.pulse();
    yard.ban("a1", "a");
    yard.until("it is done", Yard::is_empty).await;
    yard.look().away = true;
    yard.ban("a2", "a");
    yard.until("it is told", |_| !pulse()).await;
    sleep(2 * COMMAND_LEASE).await;
    yard.look().away = false;
    yard.until("all are done", Yard::is_empty).await;
    assert!(pulse());
    assert_eq!(yard.asked(), ["a1", "a2"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_finishes_what_it_does_and_begins_nothing() {
    let yard = Arc::new(Yard::default());
    yard.answer("a1", vec![Outcome::Again; 1_000]);
    yard.ban("a1", "a");
    yard.ban("b1", "b");
    let commands = yard.start();
    yard.until("one is done", |yard| yard.look().commands[1].1)
        .await;
    yard.ban("c1", "c");
    commands.stop().await;
    let inner = yard.look();
    assert!(!inner.commands[0].1 && !inner.commands[2].1 && inner.left);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_taken_than_may_be_here() {
    let yard = Arc::new(Yard::default());
    yard.answer("a0", vec![Outcome::Again; 1_000]);
    for number in 0..3 * TAKEN_MAX {
        yard.ban(&format!("a{number}"), "a");
    }
    let commands = yard.start();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(yard.look().read, TAKEN_MAX);
    drop(commands);
}
