//! Commands in a real Redis.

use std::sync::Arc;

use super::{super::RedisCommands, harness::OneServer};
use crate::{
    command_cases,
    commands::{
        CommandQueue,
        conformance::{self, Yard, until_leading},
    },
};

const STREAM: &str = "fanwave:commands";

impl Yard for OneServer {
    async fn server(&self) -> Arc<dyn CommandQueue> {
        RedisCommands::open(self.config(), STREAM).expect("there is randomness")
    }

    async fn send(&self, text: &str) {
        self.ask(&["XADD", STREAM, "*", "command", text]).await;
    }

    async fn letters(&self) -> Vec<String> {
        let all = self
            .read(&["XRANGE", "fanwave:commands:dead", "-", "+"])
            .await;
        let entries: Vec<(String, Vec<String>)> = ::redis::from_redis_value(all).expect("a stream");
        entries
            .into_iter()
            .map(|(_, fields)| fields[1].clone())
            .collect()
    }
}

command_cases!(
    OneServer::start().await =>
    commands_come_in_order_and_go_when_they_are_done,
    what_a_dead_server_had_taken_is_given_to_the_next,
    a_server_that_leaves_is_followed_at_once,
    dead_letters_are_kept,
);

/// Redis is killed under a server that works: what was taken is there again, and nothing else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_back_has_what_was_not_done() {
    let mut yard = OneServer::start().await;
    let queue = yard.server().await;
    until_leading(&*queue).await;
    queue.rewind().await.expect("it can");
    for text in ["a", "b", "c"] {
        yard.send(text).await;
    }
    let taken = conformance::take(&*queue, 3).await;
    queue.done(&taken[1].place).await.expect("it can");
    yard.restart().await;
    // Which call notices is left open; none hangs.
    while queue.take(8).await.is_ok() {}
    until_leading(&*queue).await;
    queue.rewind().await.expect("it can");
    let again = conformance::take(&*queue, 2).await;
    assert_eq!(again, [taken[0].clone(), taken[2].clone()]);
}

/// What an operator has added by hand, without the field: it is given like any other, and is nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_without_the_field_is_an_empty_command() {
    let yard = OneServer::start().await;
    yard.ask(&["XADD", STREAM, "*", "something", "{}"]).await;
    let queue = yard.server().await;
    until_leading(&*queue).await;
    queue.rewind().await.expect("it can");
    let taken = conformance::take(&*queue, 1).await;
    assert_eq!(taken[0].bytes, b"");
}
