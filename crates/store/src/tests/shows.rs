//! Shows in the catalogue, and the stream keys that are for one.

use super::{
    catalogue::{digest, entry, stream_key},
    postgres::Schema,
};
use crate::catalogue::{
    Catalogue, Database, KeyAdded, Show, ShowAdded, ShowChanged, ShowRemoved, ShowState, StreamKey,
    WhichShows, database::Pools, limits::SHOWS_MAX,
};

const NOW: i64 = 1_800_000_000_000;

fn show(id: &str, starts_at: i64) -> Show {
    Show {
        id: id.into(),
        channel: "demo".into(),
        title: "밤의 콘서트 '; DROP TABLE shows; --".into(),
        artist: "Mina".into(),
        languages: vec!["ko".into(), "pt-BR".into()],
        home_region: None,
        state: ShowState::Scheduled,
        starts_at,
        ends_at: starts_at + 60_000,
        started_at: None,
        ended_at: None,
        created_at: NOW,
        version: 1,
    }
}

/// Has a show of `demo` be in another state.
async fn put(catalogue: &Catalogue, id: &str, state: ShowState) -> ShowChanged<()> {
    let edit = |show: &Show| {
        let ended = matches!(state, ShowState::Ended | ShowState::Cancelled);
        let wanted = Show {
            state,
            ended_at: ended.then_some(NOW),
            ..show.clone()
        };
        Ok((wanted, entry(&format!("e-{id}-{}", show.version))))
    };
    let put = catalogue.change_show(("demo", id), None, edit).await;
    put.unwrap()
}

/// Three shows of `demo` in another order than theirs, and one elsewhere.
async fn announce(catalogue: &Catalogue) -> [Show; 3] {
    let [first, second, third] =
        [("w-3", 10), ("w-1", 20), ("w-2", 20)].map(|(id, after)| show(id, NOW + after * 60_000));
    let elsewhere = Show {
        channel: "other".into(),
        home_region: Some("eu-west".into()),
        ..show("w-4", NOW)
    };
    for show in [&second, &third, &elsewhere, &first] {
        let note = entry(&format!("e-{}", show.id));
        let added = catalogue.add_show(show, &note).await;
        assert_eq!(added.unwrap(), ShowAdded::New);
    }
    [first, second, third]
}

async fn shows_are_listed_in_the_order_in_which_they_begin(catalogue: &Catalogue) {
    let [first, second, _] = announce(catalogue).await;
    let found = catalogue.show("demo", "w-3").await.unwrap();
    assert_eq!(found.as_ref(), Some(&first));
    assert_eq!(catalogue.show("demo", "w-4").await.unwrap(), None);
    let listed = async |which, limit| {
        let shows = catalogue.shows("demo", which, limit).await.unwrap();
        shows.into_iter().map(|show| show.id).collect::<Vec<_>>()
    };
    let all = WhichShows::default();
    assert_eq!(listed(all, 9).await, ["w-3", "w-1", "w-2"]);
    assert_eq!(listed(all, 2).await, ["w-3", "w-1"]);
    let after = Some((second.starts_at, &*second.id));
    assert_eq!(listed(WhichShows { after, ..all }, 9).await, ["w-2"]);
    let from = Some(first.starts_at + 1);
    assert_eq!(listed(WhichShows { from, ..all }, 9).await, ["w-1", "w-2"]);
    put(catalogue, "w-1", ShowState::Live).await;
    let state = Some(ShowState::Live);
    assert_eq!(listed(WhichShows { state, ..all }, 9).await, ["w-1"]);
}

/// The ids and states of what everybody is shown.
async fn board(catalogue: &Catalogue, now: i64) -> Vec<(String, &'static str)> {
    let shows = catalogue.shows_on_board(now).await.unwrap();
    let mut named: Vec<_> = shows
        .into_iter()
        .map(|show| (show.id, show.state.name()))
        .collect();
    named.sort();
    named
}

fn named(shows: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    let owned = |(id, state): &(&str, &'static str)| ((*id).to_owned(), *state);
    shows.iter().map(owned).collect()
}

async fn one_show_of_a_channel_is_live_and_one_comes_next(catalogue: &Catalogue) {
    let [_, second, _] = announce(catalogue).await;
    let to_come = [("w-3", "scheduled"), ("w-4", "scheduled")];
    assert_eq!(board(catalogue, NOW).await, named(&to_come));
    let ShowChanged::Made(live) = put(catalogue, "w-3", ShowState::Live).await else {
        panic!("it is not live");
    };
    assert_eq!((live.version, live.state), (2, ShowState::Live));
    assert_eq!(catalogue.show("demo", "w-3").await.unwrap(), Some(*live));
    let other = put(catalogue, "w-1", ShowState::Live).await;
    assert_eq!(other, ShowChanged::Occupied);
    let unknown = put(catalogue, "w-9", ShowState::Live).await;
    assert_eq!(unknown, ShowChanged::Unknown);
    // What is live stays on the board however late it is; what was never started goes with its time.
    let later = [("w-1", "scheduled"), ("w-3", "live")];
    assert_eq!(board(catalogue, NOW + 70_000).await, named(&later));
    let live = named(&[("w-3", "live")]);
    assert_eq!(board(catalogue, second.ends_at).await, live);
    put(catalogue, "w-3", ShowState::Ended).await;
    let next = put(catalogue, "w-1", ShowState::Live).await;
    assert!(matches!(next, ShowChanged::Made(_)), "{next:?}");
}

async fn a_show_is_changed_as_it_was_read_and_removed_when_it_is_over(catalogue: &Catalogue) {
    catalogue
        .add_show(&show("w-1", NOW), &entry("e-1"))
        .await
        .unwrap();
    let rename = |title: &'static str, note: &'static str| {
        move |show: &Show| {
            let title = title.to_owned();
            Ok::<_, ()>((
                Show {
                    title,
                    ..show.clone()
                },
                entry(note),
            ))
        }
    };
    let key = ("demo", "w-1");
    let changed = catalogue.change_show(key, Some(1), rename("Late show", "e-2"));
    let ShowChanged::Made(changed) = changed.await.unwrap() else {
        panic!("it is not changed");
    };
    assert_eq!((&*changed.title, changed.version), ("Late show", 2));
    let moved = catalogue.change_show(key, Some(1), rename("Other show", "e-3"));
    assert_eq!(moved.await.unwrap(), ShowChanged::Moved);
    let refused = catalogue.change_show(key, Some(2), |_| Err("no"));
    assert_eq!(refused.await.unwrap(), ShowChanged::Refused("no"));
    // Nothing of what was not done is left.
    assert_eq!(catalogue.show("demo", "w-1").await.unwrap(), Some(*changed));

    let remove = async |key, note| catalogue.remove_show(key, &entry(note)).await.unwrap();
    assert_eq!(remove(key, "e-4").await, ShowRemoved::NotOver);
    put(catalogue, "w-1", ShowState::Cancelled).await;
    assert_eq!(remove(("other", "w-1"), "e-5").await, ShowRemoved::Unknown);
    assert_eq!(remove(key, "e-6").await, ShowRemoved::Gone);
    assert_eq!(remove(key, "e-7").await, ShowRemoved::Unknown);
    let noted = catalogue.audit_before(None, 9).await.unwrap();
    let ids: Vec<_> = noted.iter().map(|entry| &*entry.id).collect();
    assert_eq!(ids, ["e-w-1-3", "e-6", "e-2", "e-1"]);
}

/// As if they had been added one by one.
async fn fill(catalogue: &Catalogue, shows: u32) {
    let statement = format!(
        "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {shows}) \
         INSERT INTO shows (id, channel, title, artist, languages, state, starts_at, ends_at, created_at, version) \
         SELECT 'x-' || number, 'demo', 'Show', 'Mina', '', 'ended', 1, 2, 0, 1 FROM numbers"
    );
    let statement = sqlx::AssertSqlSafe(statement);
    match &catalogue.pools {
        Pools::Sqlite(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
        Pools::Postgres(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
    }
}

async fn a_channel_has_only_so_many_shows(catalogue: &Catalogue) {
    fill(catalogue, SHOWS_MAX - 1).await;
    for (id, expected) in [("w-1", ShowAdded::New), ("w-2", ShowAdded::Full)] {
        let (show, note) = (show(id, NOW), entry(id));
        assert_eq!(catalogue.add_show(&show, &note).await.unwrap(), expected);
    }
    let elsewhere = Show {
        channel: "other".into(),
        ..show("w-3", NOW)
    };
    let added = catalogue.add_show(&elsewhere, &entry("e-3")).await;
    assert_eq!(added.unwrap(), ShowAdded::New);
}

async fn a_key_for_a_show_is_good_until_that_is_over(catalogue: &Catalogue) {
    catalogue
        .add_show(&show("w-1", NOW), &entry("e-1"))
        .await
        .unwrap();
    let key = StreamKey {
        show: Some("w-1".into()),
        ..stream_key("k-1")
    };
    let (one, made) = (digest(1), entry("e-2"));
    let added = catalogue.add_stream_key(&key, &one, None, &made);
    assert_eq!(added.await.unwrap(), KeyAdded::New);
    for (state, good) in [
        (ShowState::Scheduled, true),
        (ShowState::Live, true),
        (ShowState::Ended, false),
        // Whoever stopped it too early has it back, with its keys.
        (ShowState::Live, true),
        (ShowState::Cancelled, false),
    ] {
        put(catalogue, "w-1", state).await;
        let found = catalogue.stream_key(&one, NOW).await.unwrap();
        assert_eq!(found.is_some(), good, "{state:?}");
        let listed = catalogue.stream_keys("demo", NOW).await.unwrap();
        assert_eq!(listed.len(), usize::from(good));
    }
    let (two, replaced) = (digest(2), Some(("k-1", NOW + 1)));
    let (other, note) = (stream_key("k-2"), entry("e-3"));
    let added = catalogue.add_stream_key(&other, &two, replaced, &note);
    assert_eq!(added.await.unwrap(), KeyAdded::Unknown);
    let day = 24 * 3_600_000;
    assert_eq!(catalogue.purge_stream_keys(NOW + day - 1).await.unwrap(), 0);
    assert_eq!(catalogue.purge_stream_keys(NOW + day).await.unwrap(), 1);
}

super::catalogue::suite!(
    shows_are_listed_in_the_order_in_which_they_begin,
    one_show_of_a_channel_is_live_and_one_comes_next,
    a_show_is_changed_as_it_was_read_and_removed_when_it_is_over,
    a_channel_has_only_so_many_shows,
    a_key_for_a_show_is_good_until_that_is_over,
);
