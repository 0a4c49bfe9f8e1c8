//! Emotes in the catalogue.

use super::{catalogue::entry, postgres::Schema};
use crate::catalogue::{
    Catalogue, Database, Emote, EmoteAdded, database::Pools, limits::EMOTES_MAX,
};

fn emote(id: &str, code: &str) -> Emote {
    Emote {
        id: id.into(),
        channel: "demo".into(),
        code: code.into(),
        media_type: "image/png".into(),
        width: 28,
        height: 32,
        created_at: 1_800_000_000_000,
    }
}

async fn an_emote_is_added_once_shown_and_removed(catalogue: &Catalogue) {
    let add = async |emote: &Emote, note: &str| {
        let added = catalogue
            .add_emote(emote, b"\0picture\xff", &entry(note))
            .await;
        added.unwrap()
    };
    let first = catalogue.emotes_version().await.unwrap();
    let (wave, clap) = (emote("m-1", "wave"), emote("m-2", "clap"));
    assert_eq!(add(&wave, "e-1").await, EmoteAdded::New);
    let second = catalogue.emotes_version().await.unwrap();
    assert_ne!(second, first);
    assert_eq!(add(&emote("m-9", "wave"), "e-2").await, EmoteAdded::Taken);
    assert_eq!(
        catalogue.emotes_version().await.unwrap(),
        second,
        "nothing was done"
    );
    assert_eq!(add(&clap, "e-3").await, EmoteAdded::New);
    let elsewhere = Emote {
        channel: "other".into(),
        ..emote("m-3", "wave")
    };
    assert_eq!(add(&elsewhere, "e-4").await, EmoteAdded::New);
    let all = catalogue.emotes().await.unwrap();
    assert_eq!(all, [clap, wave, elsewhere]);

    let image = async |channel, id| catalogue.emote_image(channel, id).await.unwrap();
    let picture = ("image/png".to_owned(), b"\0picture\xff".to_vec());
    assert_eq!(image("demo", "m-1").await, Some(picture));
    assert_eq!(image("other", "m-1").await, None);
    let remove = async |channel, note| {
        let removed = catalogue.remove_emote(channel, "m-1", &entry(note)).await;
        removed.unwrap()
    };
    let version = catalogue.emotes_version().await.unwrap();
    assert!(!remove("other", "e-5").await);
    assert_eq!(catalogue.emotes_version().await.unwrap(), version);
    assert!(remove("demo", "e-6").await);
    assert_ne!(catalogue.emotes_version().await.unwrap(), version);
    assert!(!remove("demo", "e-7").await);
    assert_eq!(image("demo", "m-1").await, None);
    let noted = catalogue.audit_before(None, 9).await.unwrap();
    let ids: Vec<_> = noted.iter().map(|entry| &*entry.id).collect();
    assert_eq!(ids, ["e-6", "e-4", "e-3", "e-1"]);
}

/// As if they had been added one by one.
async fn fill(catalogue: &Catalogue, emotes: u32) {
    let statement = format!(
        "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {emotes}) \
         INSERT INTO emotes (id, channel, code, media_type, width, height, image, created_at) \
         SELECT 'x-' || number, 'demo', 'x' || number, 'image/png', 1, 1, CAST('' AS {}), 0 FROM numbers",
        match &catalogue.pools {
            Pools::Sqlite(_) => "BLOB",
            Pools::Postgres(_) => "BYTEA",
        }
    );
    let statement = sqlx::AssertSqlSafe(statement);
    match &catalogue.pools {
        Pools::Sqlite(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
        Pools::Postgres(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
    }
}

async fn a_channel_has_only_so_many_emotes(catalogue: &Catalogue) {
    fill(catalogue, EMOTES_MAX - 1).await;
    // At once: one of them is the last.
    let (one, other) = (emote("m-1", "wave"), emote("m-2", "clap"));
    let (first, second) = (entry("e-1"), entry("e-2"));
    let (one, other) = tokio::join!(
        catalogue.add_emote(&one, b"1", &first),
        catalogue.add_emote(&other, b"2", &second),
    );
    let mut added = [one.unwrap(), other.unwrap()];
    added.sort_by_key(|added| *added == EmoteAdded::Full);
    assert_eq!(added, [EmoteAdded::New, EmoteAdded::Full]);
}

super::catalogue::suite!(
    an_emote_is_added_once_shown_and_removed,
    a_channel_has_only_so_many_emotes,
);
