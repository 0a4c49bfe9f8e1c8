//! A Kafka that asks who is there.

use super::{
    super::{KafkaBroker, KafkaConfig, Login, Mechanism},
    draft,
    harness::{client_of, until},
    lane,
    server::Server,
};
use crate::{Engine, free_port::free_port, shared::Settings};

const TOPIC: &str = "fanwave";

/// A server that takes anybody at the first port, and at the second one whom it knows.
async fn start() -> (Server, u16) {
    let [open, port, controller] = [free_port(), free_port(), free_port()];
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    let properties = format!(
        "node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=OPEN://127.0.0.1:{open},ASKING://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         listener.security.protocol.map=OPEN:PLAINTEXT,ASKING:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=OPEN\n\
         sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN\n\
         listener.name.asking.scram-sha-256.sasl.jaas.config={scram}\n\
         listener.name.asking.scram-sha-512.sasl.jaas.config={scram}\n\
         listener.name.asking.plain.sasl.jaas.config={plain} user_fan=\"hunter2\";\n"
    );
    let users = [
        "SCRAM-SHA-256=[name=fan,password=hunter2]",
        "SCRAM-SHA-512=[name=fan,password=hunter2]",
    ];
    let mut server = Server::with_users(&properties, &users);
    server.run();
    let client = client_of(open).await;
    let controller = client.controller_client().expect("it has one");
    let made = controller.create_topic(TOPIC, 1, 1, 10_000).await;
    made.expect("a topic can be made");
    (server, port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_is_told_who_is_there_in_each_way_it_may_ask() {
    let (_server, port) = start().await;
    let config = |login| KafkaConfig {
        topic: TOPIC.parse().expect("it is one"),
        partitions: 1,
        login,
        ..KafkaConfig::new(vec![
            format!("127.0.0.1:{port}").parse().expect("it is one"),
        ])
    };
    let login = |mechanism, password: &str| {
        Some(Login {
            mechanism,
            user: "fan".to_owned(),
            password: password.to_owned(),
        })
    };
    for (number, mechanism) in [
        Mechanism::ScramSha256,
        Mechanism::ScramSha512,
        Mechanism::Plain,
    ]
    .into_iter()
    .enumerate()
    {
        let known = config(login(mechanism, "hunter2"));
        until("the topic can be used", async || {
            let (broker, _signals) = KafkaBroker::open(known.clone());
            broker.check().await.is_ok()
        })
        .await;
        let engine = KafkaBroker::engine(known, Settings::default());
        let said = engine.publish(&lane("demo"), draft("once")).await;
        let taken = said.expect("it is taken");
        assert_eq!((taken.offset.0, taken.duplicate), (1, number > 0));
        engine.stop().await;

        let (stranger, _signals) = KafkaBroker::open(config(login(mechanism, "another")));
        let refused = stranger.check().await.expect_err("that is not it");
        assert!(!refused.to_string().contains("another"), "{refused}");
    }
    let (stranger, _signals) = KafkaBroker::open(config(None));
    stranger.check().await.expect_err("it asks");
}
