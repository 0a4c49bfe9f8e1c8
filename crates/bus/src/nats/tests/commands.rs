//! Commands in a real NATS.

use std::sync::Arc;

use futures_util::StreamExt;

use super::{super::NatsCommands, harness::OneServer};
use crate::{
    command_cases,
    commands::{
        CommandQueue,
        conformance::{self, Yard, until_leading},
    },
};

const SUBJECT: &str = "fanwave.commands";

impl Yard for OneServer {
    async fn server(&self) -> Arc<dyn CommandQueue> {
        let opened = NatsCommands::open(self.config(), SUBJECT).await;
        opened.expect("the configuration is fine")
    }

    async fn send(&self, text: &str) {
        let jetstream = self.server.jetstream().await;
        let sent = jetstream.publish(SUBJECT, text.to_owned().into()).await;
        sent.expect("it is sent").await.expect("it is kept");
    }

    async fn letters(&self) -> Vec<String> {
        let jetstream = self.server.jetstream().await;
        let stream = jetstream.get_stream("fanwave-commands-dead").await;
        let mut stream = stream.expect("it is there");
        let last = stream
            .info()
            .await
            .expect("it is there")
            .state
            .last_sequence;
        let read = (1..=last).map(|place| stream.get_raw_message(place));
        let read: Vec<_> = futures_util::stream::iter(read).buffered(1).collect().await;
        let text = |message: Result<async_nats::jetstream::message::StreamMessage, _>| {
            let message =
                message.map_err(|error: async_nats::jetstream::stream::RawMessageError| error);
            String::from_utf8(message.expect("it is there").payload.to_vec()).expect("it is text")
        };
        read.into_iter().map(text).collect()
    }
}

command_cases!(
    OneServer::start().await =>
    commands_come_in_order_and_go_when_they_are_done,
    what_a_dead_server_had_taken_is_given_to_the_next,
    a_server_that_leaves_is_followed_at_once,
    dead_letters_are_kept,
);

/// NATS is killed under a server that works: what was taken is there again, in its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_that_comes_back_has_what_was_not_done() {
    let mut yard = OneServer::start().await;
    let queue = yard.server().await;
    until_leading(&*queue).await;
    queue.rewind().await.expect("it can");
    for text in ["a", "b", "c"] {
        yard.send(text).await;
    }
    let taken = conformance::take(&*queue, 3).await;
    queue.done(&taken[1].place).await.expect("it can");
    yard.server.kill();
    while queue.take(8).await.is_ok() {}
    yard.server.run();
    yard.server.until_ready().await;
    until_leading(&*queue).await;
    while queue.rewind().await.is_err() {}
    // NATS itself may have forgotten what it was told last.
    let mut again = conformance::take_through(&*queue, "c").await;
    again.retain(|text| text != "b");
    assert_eq!(again, ["a", "c"]);
}

/// A stream of that name that keeps what is acknowledged would be worked off again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_no_work_queue_is_not_used() {
    let yard = OneServer::start().await;
    let jetstream = yard.server.jetstream().await;
    let made = jetstream.create_stream(async_nats::jetstream::stream::Config {
        name: "fanwave-commands".to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        ..async_nats::jetstream::stream::Config::default()
    });
    made.await.expect("it can be made");
    let queue = yard.server().await;
    let refused = queue.lead().await.expect_err("it is not used").to_string();
    assert!(
        refused.contains("fanwave-commands is laid out for something else"),
        "{refused}"
    );
}
