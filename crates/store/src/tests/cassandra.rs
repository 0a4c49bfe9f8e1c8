//! What is true of an archive in Cassandra. One real node serves all cases, each in a keyspace of its own; what harms a node
//! has one of its own.

mod faults;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fanwave_wire::{Channel, Epoch, Event, Offset, Publication, UnixMillis, UserId};
use scylla::client::{session::Session, session_builder::SessionBuilder};

use super::{
    archive::{Shelf, archive_cases},
    channel, event, message,
    node::Node,
    offsets, run,
};
use crate::{
    Archive, CassandraConfig, Consistency, Encryption, Kind, Order, Page, Retention, Swept,
};

const WEEK: u64 = 7 * 24 * 60 * 60 * 1_000;

/// When a week of the archive begins.
const WEEK_BEGINS: u64 = 2_900 * WEEK;

/// A keyspace of its own, on a node.
pub(super) struct Keyspace {
    config: CassandraConfig,
}

impl Keyspace {
    /// On the node that all share.
    pub(super) fn make() -> Self {
        static SHARED: OnceLock<Node> = OnceLock::new();
        Self::on(SHARED.get_or_init(Node::start_for_all))
    }

    fn on(node: &Node) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let config = CassandraConfig {
            contact_points: vec![format!("127.0.0.1:{}", node.port())],
            keyspace: format!("log_{}", COUNT.fetch_add(1, Ordering::Relaxed)),
            datacenter: String::new(),
            replicas: 1,
            consistency: Consistency::LocalQuorum,
            user: String::new(),
            password: None,
            encryption: Encryption::Off,
        };
        Self { config }
    }

    pub(super) fn config(&self) -> &CassandraConfig {
        &self.config
    }

    /// A connection of somebody else.
    async fn stranger(&self) -> Session {
        let session = SessionBuilder::new().known_nodes(&self.config.contact_points);
        let session = session.build().await.unwrap();
        session
            .use_keyspace(&self.config.keyspace, false)
            .await
            .unwrap();
        session
    }
}

impl Shelf for Keyspace {
    async fn new() -> Self {
        Self::make()
    }

    async fn open(&self) -> Archive {
        Archive::connect(&self.config).await.unwrap()
    }

    async fn has(&self, needle: &'static str) -> bool {
        let session = self.stranger().await;
        for table in crate::cassandra::tables() {
            let rows = session
                .query_unpaged(format!("SELECT * FROM {table}"), ())
                .await;
            let rows = rows.unwrap().into_rows_result().unwrap();
            let mut rows = rows.rows::<scylla::value::Row>().unwrap();
            if rows.any(|row| format!("{:?}", row.unwrap()).contains(needle)) {
                return true;
            }
        }
        false
    }
}

archive_cases!(Keyspace);

/// Messages of these offsets, each so many weeks after the first, and so many milliseconds.
fn spread(places: &[(u64, u64, i64)]) -> Vec<Arc<Publication>> {
    let publications = places.iter().map(|(offset, weeks, millis)| {
        let mut publication = message(*offset, &format!("m{offset}"));
        let at = WEEK_BEGINS
            .saturating_add(weeks * WEEK)
            .saturating_add_signed(*millis);
        Arc::make_mut(&mut publication).at = UnixMillis(at);
        publication
    });
    publications.collect()
}

#[tokio::test]
async fn a_page_reaches_over_weeks_and_stretches_of_offsets() {
    let archive = Keyspace::make().open().await;
    let lane = channel("chat:demo");
    // A quiet room; its clock goes back a little where a week begins; then many offsets are left out.
    let said = spread(&[
        (1, 0, 0),
        (2, 1, 0),
        (3, 2, 0),
        (4, 1, WEEK.cast_signed() - 5),
        (5, 2, 10),
        (16_383, 3, 0),
        (16_384, 3, 0),
        (16_385, 9, 0),
        (900_000, 40, 0),
        (900_001, 40, 0),
    ]);
    let epoch = Epoch("one".into());
    archive.record(&lane, &epoch, said.clone()).await.unwrap();
    let page = |after, through, limit, order| Page {
        after: Offset(after),
        through: Offset(through),
        limit,
        order,
        kind: Kind::Everything,
    };
    for limit in 1..=11 {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        let mut after = 0;
        loop {
            let page = page(after, u64::MAX, limit, Order::OldestFirst);
            let read = archive.read(&lane, None, page).await.unwrap();
            let Some(last) = read.last() else { break };
            after = last.offset.0;
            up.extend(read);
        }
        let mut through = u64::MAX;
        loop {
            let page = page(0, through, limit, Order::NewestFirst);
            let read = archive.read(&lane, None, page).await.unwrap();
            let Some(last) = read.last() else { break };
            through = last.offset.0 - 1;
            down.extend(read);
        }
        assert_eq!(up, said, "{limit}");
        down.reverse();
        assert_eq!(down, said, "{limit}");
    }
}

#[tokio::test]
async fn what_is_over_goes_with_all_traces_and_what_happened_stays() {
    const USER: &str = "canary-user";
    let shelf = Keyspace::make();
    let archive = shelf.open().await;
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    let epoch = Epoch("one".into());
    let mut said = spread(&[(1, 0, 0), (2, 0, 5), (20_000, 0, 9), (20_001, 1, 0)]);
    for theirs in [1, 2] {
        Arc::make_mut(&mut said[theirs]).draft.sender.user = UserId(USER.into());
    }
    archive.record(&chat, &epoch, said.clone()).await.unwrap();
    let deleted = event(1, "e1", Event::Deleted { offset: Offset(2) });
    archive
        .record(&room, &epoch, vec![Arc::clone(&deleted)])
        .await
        .unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let retention = Retention {
        default: Some(day * 7),
        ..Retention::default()
    };
    let sweep = async |weeks: u64| {
        let now = UnixMillis(WEEK_BEGINS + weeks * WEEK);
        archive.sweep(&retention, now).await.unwrap()
    };
    let left = async |lane: &Channel| {
        let page = Page {
            after: Offset(0),
            through: Offset(u64::MAX),
            limit: 9,
            order: Order::OldestFirst,
            kind: Kind::Everything,
        };
        archive.read(lane, None, page).await.unwrap()
    };
    assert_eq!(sweep(1).await, Swept::default());
    assert_eq!(offsets(&left(&chat).await), [1, 20_000, 20_001]);
    assert!(shelf.has(USER).await);
    let swept = sweep(2).await;
    // Two stretches of offsets in that week.
    assert_eq!((swept.messages, swept.partitions), (0, 2));
    assert_eq!(offsets(&left(&chat).await), [20_001]);
    assert!(!shelf.has(USER).await);
    assert_eq!(sweep(2).await, Swept::default());
    assert_eq!(sweep(90).await.partitions, 1);
    assert!(left(&chat).await.is_empty());
    assert_eq!(left(&room).await, [deleted]);
}

#[tokio::test]
async fn whoever_is_forgotten_and_comes_back_can_be_forgotten_again() {
    const USER: &str = "canary-user";
    let shelf = Keyspace::make();
    // Two processes, each of which knows what it has written.
    let (one, other) = (shelf.open().await, shelf.open().await);
    let (lane, epoch) = (channel("chat:demo"), Epoch("one".into()));
    for offset in [1, 2] {
        let mut theirs = message(offset, &format!("m{offset}"));
        Arc::make_mut(&mut theirs).draft.sender.user = UserId(USER.into());
        one.record(&lane, &epoch, vec![theirs]).await.unwrap();
        assert!(shelf.has(USER).await);
        let forgotten = other.forget(UserId(USER.into())).await.unwrap();
        assert_eq!(forgotten.messages, 1);
        assert!(!shelf.has(USER).await);
    }
}

#[tokio::test]
async fn a_lease_is_one_process_at_a_time() {
    let shelf = Keyspace::make();
    let (one, other) = (shelf.open().await, shelf.open().await);
    let mut lease = one.lease().await.unwrap().unwrap();
    assert!(other.lease().await.unwrap().is_none());
    assert!(lease.is_held().await);
    drop(lease);
    // It is given back in the background.
    while other.lease().await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn processes_that_start_at_once_make_one_keyspace() {
    let shelf = Keyspace::make();
    let (one, other) = tokio::join!(shelf.open(), shelf.open());
    let (lane, epoch) = (channel("chat:demo"), Epoch("one".into()));
    one.record(&lane, &epoch, run(1, 3)).await.unwrap();
    let reached = other.reached(&lane).await.unwrap().unwrap();
    assert_eq!(reached.head, Offset(3));
}
