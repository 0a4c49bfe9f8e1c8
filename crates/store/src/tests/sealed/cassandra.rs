//! An archive in Cassandra, with its keys in PostgreSQL.

use fanwave_wire::{Epoch, UserId};

use super::{NEEDLES, USER};
use crate::{
    Archive,
    tests::{
        archive::{Shelf, archive_cases},
        cassandra::Keyspace,
        channel, offsets,
        postgres::{Schema, stranger},
    },
};

/// A keyspace, and a schema beside which its keys are.
struct Sealed {
    keyspace: Keyspace,
    schema: Schema,
}

impl Shelf for Sealed {
    async fn new() -> Self {
        Self {
            keyspace: Keyspace::make(),
            schema: Schema::make(),
        }
    }

    async fn open(&self) -> Archive {
        let opened = Archive::connect_with(self.keyspace.config(), &self.schema.config()).await;
        opened.unwrap()
    }

    async fn has(&self, needle: &'static str) -> bool {
        let mut keys = self.schema.config();
        keys.schema.push_str("_keys");
        let is_named: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM people p WHERE position($1 IN p::text) > 0)",
        )
        .bind(needle)
        .fetch_one(&mut stranger(&keys).await)
        .await
        .unwrap();
        is_named || self.keyspace.has(needle).await
    }
}

archive_cases!(Sealed);

#[tokio::test]
async fn whoever_is_forgotten_is_named_nowhere_and_the_rest_is_there() {
    let shelf = Sealed::new().await;
    let archive = shelf.open().await;
    let epoch = Epoch("one".into());
    for (lane, publications) in super::story() {
        let lane = channel(lane);
        archive.record(&lane, &epoch, publications).await.unwrap();
    }
    let read = async |lane: &str| {
        let lane = channel(lane);
        let file = archive.export(&lane, crate::Format::JsonLines, None);
        String::from_utf8(file.await.unwrap().bytes).unwrap()
    };
    for (lane, publications) in super::story() {
        let page = super::everything();
        let there = archive.read(&channel(lane), None, page).await.unwrap();
        assert_eq!(there, publications, "{lane}");
    }
    for needle in NEEDLES {
        assert!(!shelf.keyspace.has(needle).await, "{needle} is in a table");
    }
    assert!(shelf.has(USER).await);
    archive.forget(UserId(USER.into())).await.unwrap();
    for needle in NEEDLES {
        assert!(!shelf.has(needle).await, "{needle} is in a table");
        for (lane, _) in super::story() {
            assert!(!read(lane).await.contains(needle), "{needle} in {lane}");
        }
    }
    let page = super::everything();
    let chat = archive.read(&channel("chat:demo"), None, page).await;
    assert_eq!(offsets(&chat.unwrap()), [1, 3, 4]);
    archive.close().await;
}
