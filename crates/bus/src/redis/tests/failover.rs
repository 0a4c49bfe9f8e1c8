//! Rooms over several servers of Redis, one of which dies.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use fanwave_wire::Offset;

use super::{
    super::{RedisBroker, RedisConfig, Topology},
    draft,
    harness::{Server, until},
    lane,
};
use crate::{
    Engine, EngineError,
    conformance::Recorder,
    free_port::free_port,
    shared::{Settings, SharedEngine},
};
use std::sync::Arc;

const ROOMS: u32 = 24;

/// Two servers of ours over one Redis.
struct Pair {
    first: SharedEngine,
    second: SharedEngine,
    seen: Arc<Recorder>,
}

impl Pair {
    async fn start(config: &RedisConfig) -> Self {
        let engine = || RedisBroker::engine(config.clone(), Settings::default());
        let (first, second) = (engine(), engine());
        let seen = Arc::new(Recorder::default());
        second.attach(Arc::<Recorder>::clone(&seen));
        for room in 0..ROOMS {
            let lane = lane(&room.to_string());
            first.subscribe(&lane).await.unwrap();
            second.subscribe(&lane).await.unwrap();
        }
        Self {
            first,
            second,
            seen,
        }
    }

    /// Says something in every room on one server, as often as it takes; everybody hears it on the other.
    async fn say(&self, id: &str, offset: u64) {
        for room in 0..ROOMS {
            let lane = lane(&room.to_string());
            until("a broker that is back takes messages", async || match self
                .first
                .publish(&lane, draft(id))
                .await
            {
                Ok(ack) => {
                    assert_eq!(ack.offset, Offset(offset));
                    true
                }
                Err(EngineError::Unavailable { .. }) => false,
                Err(other) => unreachable!("{other}"),
            })
            .await;
        }
        for room in 0..ROOMS {
            let lane = lane(&room.to_string());
            let heard = self.seen.until(&lane, &draft(id)).await;
            let offsets: Vec<u64> = heard.iter().map(|heard| heard.offset.0).collect();
            let all: Vec<u64> = (1..=offset).collect();
            assert_eq!(offsets, all, "room {room} has everything once");
        }
    }

    async fn stop(self) {
        self.first.stop().await;
        self.second.stop().await;
    }
}

/// Waits until a replica has all that its primary has.
async fn in_step(primary: &Server, replica: &Server) {
    until("the replica is in step", async || {
        let theirs = primary.ask(&["INFO", "replication"]).await;
        let ours = replica.ask(&["INFO", "replication"]).await;
        let offset = |info: &str| {
            let line = info
                .lines()
                .find(|line| line.starts_with("master_repl_offset:"));
            line.map(str::to_owned)
        };
        ours.contains("master_link_status:up") && offset(&theirs) == offset(&ours)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_primary_dies_is_used_on_by_all_rooms() {
    const PRIMARIES: usize = 3;
    let mut servers = Vec::new();
    // For the others: not just any port that is so much higher than the one for clients.
    let ports: Vec<_> = (0..=PRIMARIES).map(|_| free_port().to_string()).collect();
    for port in &ports {
        let cluster = ["--cluster-enabled", "yes", "--cluster-port", port];
        let options = [&cluster[..], &["--cluster-node-timeout", "1000"]].concat();
        servers.push(Server::start(&options).await);
    }
    let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    for (index, (server, (from, to))) in servers.iter().zip(ranges).enumerate() {
        let epoch = (index + 1).to_string();
        server.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        server.ask(&["CLUSTER", "ADDSLOTSRANGE", from, to]).await;
    }
    for (server, for_others) in servers.iter().zip(&ports).skip(1) {
        let port = server.port().to_string();
        servers[0]
            .ask(&["CLUSTER", "MEET", "127.0.0.1", &port, for_others])
            .await;
    }
    for server in &servers {
        until("the cluster is put together", async || {
            let info = server.ask(&["CLUSTER", "INFO"]).await;
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4")
        })
        .await;
    }
    let id = servers[0].ask(&["CLUSTER", "MYID"]).await;
    until("the replica knows its primary", async || {
        servers[PRIMARIES]
            .ask_gently(&["CLUSTER", "REPLICATE", &id])
            .await
    })
    .await;

    let config = RedisConfig {
        topology: Topology::Cluster,
        servers: servers.iter().map(Server::address).collect(),
        ..RedisConfig::single(servers[0].address())
    };
    let pair = Pair::start(&config).await;
    pair.say("1", 1).await;
    let with_keys = async |server: &Server| server.ask(&["DBSIZE"]).await != "0";
    for server in &servers[..PRIMARIES] {
        assert!(
            with_keys(server).await,
            "the rooms are spread over all servers"
        );
    }
    in_step(&servers[0], &servers[PRIMARIES]).await;
    servers[0].kill();
    pair.say("2", 2).await;
    pair.say("3", 3).await;
    let partitions: BTreeSet<_> = (0..ROOMS)
        .map(|room| crate::redis::spread(&room.to_string()) % 128)
        .collect();
    assert!(partitions.len() > 10, "many partitions were in use");
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_that_the_sentinels_name_is_used() {
    let mut primary = Server::start(&[]).await;
    let port = primary.port().to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]).await;
    in_step(&primary, &replica).await;
    let mut file = String::new();
    let _ = writeln!(file, "sentinel monitor show 127.0.0.1 {port} 1");
    file.push_str(
        "sentinel down-after-milliseconds show 1000\nsentinel failover-timeout show 5000\n",
    );
    let sentinel = Server::start_sentinel(&file).await;
    until("the sentinel knows the replica", async || {
        let replicas = sentinel.ask(&["SENTINEL", "REPLICAS", "show"]).await;
        replicas.contains(&replica.port().to_string())
    })
    .await;

    let config = RedisConfig {
        topology: Topology::Sentinel {
            primary: "show".to_owned(),
        },
        ..RedisConfig::single(sentinel.address())
    };
    let pair = Pair::start(&config).await;
    pair.say("1", 1).await;
    in_step(&primary, &replica).await;
    primary.kill();
    let began = tokio::time::Instant::now();
    pair.say("2", 2).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    let role = replica.ask(&["INFO", "replication"]).await;
    assert!(role.contains("role:master"), "{role}");
    pair.stop().await;
}
