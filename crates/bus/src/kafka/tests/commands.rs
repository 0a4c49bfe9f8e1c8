//! Commands in a real Kafka.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rskafka::{
    chrono::DateTime,
    client::{
        Client,
        partition::{Compression, UnknownTopicHandling},
    },
    record::Record,
};

use super::{
    super::{KafkaCommands, KafkaConfig},
    harness::{Calm, calm, client_of, until},
};
use crate::{
    command_cases,
    commands::{
        CommandQueue,
        conformance::{self, Yard, until_leading},
    },
};

/// Topics of one case, over the server that nobody harms.
struct Topics {
    config: KafkaConfig,
    client: Client,
    topic: String,
}

impl Topics {
    async fn start(partitions: i32) -> Self {
        static CASES: AtomicU32 = AtomicU32::new(0);
        let config = Calm::start().await.config();
        let topic = format!("orders-{}", CASES.fetch_add(1, Ordering::Relaxed));
        let client = client_of(calm().await.port()).await;
        let controller = client.controller_client().expect("it has one");
        for (suffix, partitions) in [("", partitions), ("-dead", 1), ("-lead", 1)] {
            let name = format!("{topic}{suffix}");
            let made = controller.create_topic(name, partitions, 1, 10_000).await;
            made.expect("a topic can be made");
        }
        Self {
            config,
            client,
            topic,
        }
    }

    async fn write(&self, partition: i32, text: &str) {
        let record = Record {
            key: None,
            value: Some(text.as_bytes().to_vec()),
            headers: BTreeMap::new(),
            timestamp: DateTime::from_timestamp_millis(0).expect("it is a time"),
        };
        let partition = self.partition(&self.topic, partition).await;
        let written = partition.produce(vec![record], Compression::NoCompression);
        written.await.expect("it is written");
    }

    async fn partition(
        &self,
        topic: &str,
        partition: i32,
    ) -> rskafka::client::partition::PartitionClient {
        let client = self
            .client
            .partition_client(topic, partition, UnknownTopicHandling::Retry);
        client.await.expect("it is there")
    }
}

impl Yard for Topics {
    async fn server(&self) -> Arc<dyn CommandQueue> {
        KafkaCommands::open(self.config.clone(), &self.topic).expect("there is randomness")
    }

    async fn send(&self, text: &str) {
        self.write(0, text).await;
    }

    async fn letters(&self) -> Vec<String> {
        let dead = self.partition(&format!("{}-dead", self.topic), 0).await;
        let read = dead.fetch_records(0, 1..1_000_000, 1_000).await;
        let (records, _) = read.expect("it can be read");
        let text = |bytes| String::from_utf8(bytes).expect("it is text");
        records
            .into_iter()
            .filter_map(|record| record.record.value)
            .map(text)
            .collect()
    }
}

command_cases!(
    Topics::start(1).await =>
    commands_come_in_order_and_go_when_they_are_done,
    what_a_dead_server_had_taken_is_given_to_the_next,
    a_server_that_leaves_is_followed_at_once,
    dead_letters_are_kept,
);

/// Each partition has an order of its own, and how far it is worked off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_worked_off_beside_each_other() {
    let yard = Topics::start(3).await;
    for number in 0..9 {
        yard.write(number % 3, &format!("c{number}")).await;
    }
    let first = yard.server().await;
    until_leading(&*first).await;
    first.rewind().await.expect("it can");
    let taken = conformance::take(&*first, 9).await;
    for share in 0..3 {
        let of_share = taken
            .iter()
            .filter(|entry| entry.place.to_string().starts_with(&format!("{share}:")));
        let texts: Vec<_> = of_share
            .map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned())
            .collect();
        assert_eq!(
            texts,
            [share, share + 3, share + 6].map(|number| format!("c{number}"))
        );
    }
    for entry in taken.iter().filter(|entry| entry.bytes != b"c4") {
        first.done(&entry.place).await.expect("it can");
    }
    assert_eq!(first.waiting().await.expect("it counts"), 1);
    first.leave().await.expect("it can");
    let second = yard.server().await;
    until_leading(&*second).await;
    second.rewind().await.expect("it can");
    // What stands behind it in its partition comes again with it.
    let rest = conformance::take(&*second, 2).await;
    let bytes: Vec<_> = rest.iter().map(|entry| &entry.bytes[..]).collect();
    assert_eq!(bytes, [b"c4", b"c7"]);
}

/// Whoever starts a server is told which topic to make.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_are_missing_are_named_and_used_when_they_are_made() {
    let yard = Topics::start(1).await;
    let queue =
        KafkaCommands::open(yard.config.clone(), "nobody-made-it").expect("there is randomness");
    let refused = queue
        .lead()
        .await
        .expect_err("they are missing")
        .to_string();
    assert!(
        refused.contains("no topic nobody-made-it-dead: create it"),
        "{refused}"
    );
    let controller = yard.client.controller_client().expect("it has one");
    for suffix in ["", "-dead", "-lead"] {
        let made = controller
            .create_topic(format!("nobody-made-it{suffix}"), 1, 1, 10_000)
            .await;
        made.expect("a topic can be made");
    }
    until("the topics are found", async || queue.lead().await.is_ok()).await;
}
