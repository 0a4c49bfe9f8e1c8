//! The cases of every queue of commands. Each is given queues of one name over one broker, like those of several servers.

use std::{collections::BTreeSet, sync::Arc};

use tokio::time::{Instant, timeout};

use super::{CommandQueue, Entry};
use crate::limits::COMMAND_LEASE;

/// Far more than anything here takes.
const SOON: std::time::Duration = std::time::Duration::from_secs(60);

/// Queues over one broker, and a back end that sends to them.
pub(crate) trait Yard {
    /// The queue as another server has it.
    async fn server(&self) -> Arc<dyn CommandQueue>;

    /// Sends a command, as a back end does.
    async fn send(&self, text: &str);

    /// What is among the dead letters.
    async fn letters(&self) -> Vec<String>;
}

/// Asks for the lead until it is had; answers after how long.
pub(crate) async fn until_leading(queue: &dyn CommandQueue) -> std::time::Duration {
    let begun = Instant::now();
    let asked = async {
        while !matches!(queue.lead().await, Ok(true)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, asked).await.expect("a server leads in time");
    begun.elapsed()
}

/// Takes until so many are there.
pub(crate) async fn take(queue: &dyn CommandQueue, count: usize) -> Vec<Entry> {
    let mut taken = Vec::new();
    let taking = async {
        while taken.len() < count {
            taken.extend(
                queue
                    .take(count - taken.len())
                    .await
                    .expect("it can be read"),
            );
        }
    };
    timeout(SOON, taking).await.expect("they come in time");
    taken
}

/// Takes until one is there; answers all of them as text.
pub(crate) async fn take_through(queue: &dyn CommandQueue, last: &str) -> Vec<String> {
    let mut taken = Vec::new();
    while taken.last().map(String::as_str) != Some(last) {
        taken.extend(texts(&take(queue, 1).await));
    }
    taken
}

fn texts(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| String::from_utf8(entry.bytes.clone()).expect("it was text");
    entries.iter().map(text).collect()
}

/// Commands come in their order, each once, and those that are done are gone.
pub(crate) async fn commands_come_in_order_and_go_when_they_are_done(yard: &impl Yard) {
    let queue = yard.server().await;
    until_leading(&*queue).await;
    queue.rewind().await.expect("it can");
    let sent: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    for text in &sent {
        yard.send(text).await;
    }
    let taken = take(&*queue, sent.len()).await;
    assert_eq!(texts(&taken), sent);
    assert_eq!(queue.waiting().await.expect("it counts"), 20);
    for entry in &taken {
        queue.done(&entry.place).await.expect("it can");
    }
    assert_eq!(queue.waiting().await.expect("it counts"), 0);
    queue.rewind().await.expect("it can");
    assert_eq!(queue.take(20).await.expect("it can be read"), []);
    yard.send("more").await;
    assert_eq!(texts(&take(&*queue, 1).await), ["more"]);
}

/// A server is gone in the middle, without a word: the next has what was not done, in order, before what came since.
pub(crate) async fn what_a_dead_server_had_taken_is_given_to_the_next(yard: &impl Yard) {
    let first = yard.server().await;
    until_leading(&*first).await;
    first.rewind().await.expect("it can");
    for number in 0..12 {
        yard.send(&format!("c{number}")).await;
    }
    let taken = take(&*first, 8).await;
    // Not in their order: whoever works on several at once ends them as they end.
    for number in [1, 0, 4] {
        first.done(&taken[number].place).await.expect("it can");
    }
    let second = yard.server().await;
    assert!(!second.lead().await.expect("it answers"), "one leads");
    drop(first);
    yard.send("c12").await;
    until_leading(&*second).await;
    second.rewind().await.expect("it can");
    let rest = take_through(&*second, "c12").await;
    let all: BTreeSet<String> = texts(&taken)
        .into_iter()
        .chain(rest.iter().cloned())
        .collect();
    assert_eq!(all.len(), 13, "nothing is lost: {all:?}");
    let numbers: Vec<u32> = rest
        .iter()
        .map(|text| text[1..].parse().expect("a number"))
        .collect();
    assert!(numbers.is_sorted(), "in order: {numbers:?}");
    assert!(
        !rest.contains(&"c0".to_owned()) && !rest.contains(&"c1".to_owned()),
        "{rest:?}"
    );
}

/// A server that goes lets the next begin at once, and one that stays keeps the lead.
pub(crate) async fn a_server_that_leaves_is_followed_at_once(yard: &impl Yard) {
    let (first, second) = (yard.server().await, yard.server().await);
    until_leading(&*first).await;
    let until = Instant::now() + COMMAND_LEASE + COMMAND_LEASE / 2;
    while Instant::now() < until {
        assert!(first.lead().await.expect("it answers"), "it keeps the lead");
        assert!(!second.lead().await.expect("it answers"), "another has it");
        tokio::task::yield_now().await;
    }
    first.leave().await.expect("it can");
    let waited = until_leading(&*second).await;
    assert!(waited < COMMAND_LEASE / 2, "at once: {waited:?}");
    assert!(
        !first.lead().await.expect("it answers"),
        "another has it now"
    );
}

/// What cannot be done is kept.
pub(crate) async fn dead_letters_are_kept(yard: &impl Yard) {
    let queue = yard.server().await;
    until_leading(&*queue).await;
    for letter in ["one", "two"] {
        queue.bury(letter.as_bytes()).await.expect("it can");
    }
    assert_eq!(yard.letters().await, ["one", "two"]);
}

/// Names the cases as tests over a yard of each.
#[macro_export]
#[doc(hidden)]
macro_rules! command_cases {
    ($yard:expr => $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::commands::conformance::$case(&$yard).await;
            }
        )*
    };
}
