//! The cases that a log passes in whichever database it is, each one promise of the contract. A case panics with what was
//! promised and not kept.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::Arc,
};

use fanwave_wire::{Body, Event, Offset, Role, Text, UnixMillis, UserId};

use super::{Place, channel, event, message, offsets, run};
pub(super) use super::{forgetting::*, retention::*};
use crate::{
    Appended, Archive, Format, Held, Kind, Order, Page, Position, Search, Standing, Store,
    StoreError,
    limits::{APPEND_MAX, SETTING_KEY_BYTES_MAX, SETTING_VALUE_BYTES_MAX},
};

pub(super) async fn what_was_appended_is_there_after_the_log_is_opened_again<P: Place>(place: P) {
    let lane = channel("chat:demo");
    let store = place.open().await;
    let begun = store.standing(&lane).await.unwrap();
    assert_eq!(begun.head, Offset(0));
    assert_eq!(
        store.append(&lane, run(1, 3)).await.unwrap(),
        Appended::Stored
    );
    assert_eq!(
        store.append(&lane, run(4, 5)).await.unwrap(),
        Appended::Stored
    );
    store.close().await;

    let store = place.open().await;
    let standing = store.standing(&lane).await.unwrap();
    assert_eq!(
        standing,
        Standing {
            epoch: begun.epoch,
            head: Offset(5)
        }
    );
    assert_eq!(store.tail(&lane, 100).await.unwrap(), run(1, 5));
    assert_eq!(offsets(&store.tail(&lane, 2).await.unwrap()), [4, 5]);
    store.close().await;
}

pub(super) async fn every_role_is_read_as_it_was_written<P: Place>(place: P) {
    let lane = channel("room:demo");
    let store = place.open().await;
    store.standing(&lane).await.unwrap();
    let mut written = run(1, 3);
    for (publication, role) in written
        .iter_mut()
        .zip([Role::Fan, Role::Artist, Role::Staff])
    {
        Arc::get_mut(publication).unwrap().draft.sender.role = role;
    }
    store.append(&lane, written.clone()).await.unwrap();
    assert_eq!(store.tail(&lane, 3).await.unwrap(), written);
    store.close().await;
}

pub(super) async fn a_page_is_a_stretch_in_either_order<P: Place>(place: P) {
    let (lane, other) = (channel("chat:demo"), channel("room:demo"));
    let store = place.open().await;
    for lane in [&lane, &other] {
        store.standing(lane).await.unwrap();
        store.append(lane, run(1, 20)).await.unwrap();
    }
    let page = async |after, through, limit, order| {
        let page = Page {
            after: Offset(after),
            through: Offset(through),
            limit,
            order,
            kind: Kind::Everything,
        };
        offsets(&store.read(&lane, page).await.unwrap())
    };
    assert_eq!(page(3, 8, 100, Order::OldestFirst).await, [4, 5, 6, 7, 8]);
    assert_eq!(page(3, 8, 2, Order::OldestFirst).await, [4, 5]);
    assert_eq!(page(3, 8, 2, Order::NewestFirst).await, [8, 7]);
    assert_eq!(page(18, u64::MAX, 100, Order::OldestFirst).await, [19, 20]);
    assert!(page(20, u64::MAX, 100, Order::OldestFirst).await.is_empty());
    assert!(page(0, 20, 0, Order::OldestFirst).await.is_empty());
    store.close().await;
}

pub(super) async fn channels_have_offsets_and_epochs_of_their_own<P: Place>(place: P) {
    let store = place.open().await;
    let chat = store.standing(&channel("chat:demo")).await.unwrap();
    let room = store.standing(&channel("room:demo")).await.unwrap();
    assert_ne!(chat.epoch, room.epoch);
    store
        .append(&channel("chat:demo"), run(1, 2))
        .await
        .unwrap();
    store
        .append(&channel("room:demo"), run(1, 1))
        .await
        .unwrap();
    assert_eq!(
        store.standing(&channel("chat:demo")).await.unwrap().head,
        Offset(2)
    );
    assert_eq!(
        store.standing(&channel("room:demo")).await.unwrap().head,
        Offset(1)
    );
    store.close().await;
}

pub(super) async fn a_message_that_is_held_is_named_and_nothing_of_its_append_is_written<
    P: Place,
>(
    place: P,
) {
    let lane = channel("chat:demo");
    let store = place.open().await;
    store.standing(&lane).await.unwrap();
    store.append(&lane, run(1, 3)).await.unwrap();
    let again = vec![message(4, "new"), message(5, "m2"), message(6, "m1")];
    let Appended::Held(mut held) = store.append(&lane, again).await.unwrap() else {
        panic!("not held")
    };
    held.sort_by_key(|held| held.proposed);
    let at = |offset: u64| UnixMillis(1_800_000_000_000 + offset);
    assert_eq!(
        held,
        [
            Held {
                proposed: Offset(5),
                offset: Offset(2),
                at: at(2)
            },
            Held {
                proposed: Offset(6),
                offset: Offset(1),
                at: at(1)
            },
        ]
    );
    assert_eq!(store.standing(&lane).await.unwrap().head, Offset(3));
    assert_eq!(
        store.append(&lane, vec![message(4, "new")]).await.unwrap(),
        Appended::Stored
    );
    // The same id of another channel is another message.
    store.standing(&channel("room:demo")).await.unwrap();
    assert_eq!(
        store
            .append(&channel("room:demo"), run(1, 1))
            .await
            .unwrap(),
        Appended::Stored
    );
    store.close().await;
}

pub(super) async fn an_append_fits_the_head_or_is_refused_without_disturbing_others<P: Place>(
    place: P,
) {
    let (lane, other) = (channel("chat:demo"), channel("chat:other"));
    let never_begun = channel("chat:never-begun");
    let store = place.open().await;
    store.standing(&lane).await.unwrap();
    store.standing(&other).await.unwrap();
    store.append(&lane, run(1, 3)).await.unwrap();
    let (hole, overlap, unknown, fine) = tokio::join!(
        store.append(&lane, run(5, 6)),
        store.append(&lane, vec![message(3, "other")]),
        store.append(&never_begun, run(1, 1)),
        store.append(&other, run(1, 2)),
    );
    for refused in [hole, overlap, unknown] {
        assert!(matches!(refused, Err(StoreError::Moved)), "{refused:?}");
    }
    assert_eq!(fine.unwrap(), Appended::Stored);
    assert_eq!(store.tail(&lane, 10).await.unwrap(), run(1, 3));
    store.close().await;
}

pub(super) async fn many_channels_append_at_once<P: Place>(place: P) {
    let store = place.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..50 {
        let store = store.clone();
        tasks.spawn(async move {
            let lane = channel(&format!("chat:{index}"));
            store.standing(&lane).await.unwrap();
            for from in [1, 11, 21] {
                assert_eq!(
                    store.append(&lane, run(from, from + 9)).await.unwrap(),
                    Appended::Stored
                );
            }
            assert_eq!(store.tail(&lane, 100).await.unwrap(), run(1, 30));
        });
    }
    tasks.join_all().await;
    store.close().await;
}

pub(super) async fn settings_are_bytes_that_last<P: Place>(place: P) {
    let store = place.open().await;
    assert_eq!(store.setting("secret").await.unwrap(), None);
    store.put_setting("secret", vec![0, 255, 1]).await.unwrap();
    store.put_setting("secret", vec![7; 32]).await.unwrap();
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.setting("secret").await.unwrap(), Some(vec![7; 32]));
    store.close().await;
}

pub(super) async fn what_is_too_large_is_refused<P: Place>(place: P) {
    let store = place.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    let size_max = APPEND_MAX;
    let error = store
        .append(&lane, run(1, size_max as u64 + 1))
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::TooLarge { size, size_max: max } if size == max + 1),
        "{error:?}"
    );
    assert_eq!(
        store.append(&lane, run(1, size_max as u64)).await.unwrap(),
        Appended::Stored
    );
    let error = store
        .put_setting("k", vec![0; SETTING_VALUE_BYTES_MAX + 1])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    let error = store
        .put_setting(&"k".repeat(SETTING_KEY_BYTES_MAX + 1), vec![])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    store.close().await;
}

pub(super) async fn a_closed_store_has_written_what_waited_and_says_that_it_is_closed<P: Place>(
    place: P,
) {
    let store = place.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    let (appended, ()) = tokio::join!(store.append(&lane, run(1, 9)), store.close());
    assert_eq!(appended.unwrap(), Appended::Stored);
    assert!(matches!(
        store.append(&lane, run(10, 10)).await,
        Err(StoreError::Closed)
    ));
    assert!(matches!(
        store.tail(&lane, 1).await,
        Err(StoreError::Closed)
    ));
    store.close().await;
}

pub(super) async fn a_damaged_row_is_found_and_the_rest_stays_readable<P: Place>(place: P) {
    let (lane, other) = (channel("chat:demo"), channel("chat:other"));
    let store = place.open().await;
    for lane in [&lane, &other] {
        store.standing(lane).await.unwrap();
        store.append(lane, run(1, 9)).await.unwrap();
    }
    store.close().await;
    for changed in [
        "UPDATE messages SET role = 'f@n' WHERE channel_id = 1 AND message_offset = 4",
        "UPDATE messages SET role = 'staff' WHERE channel_id = 1 AND message_offset = 5",
        "UPDATE messages SET at = at + 1 WHERE channel_id = 1 AND message_offset = 7",
    ] {
        place.tamper(changed).await;
    }
    let store = place.open().await;
    let rest = [run(1, 3), run(6, 6), run(8, 9)].concat();
    for _ in 0..2 {
        assert_eq!(store.tail(&lane, 9).await.unwrap(), rest);
    }
    assert_eq!(store.tail(&lane, 5).await.unwrap(), rest[1..]);
    let mut registry = prometheus_client::registry::Registry::default();
    store.register(&mut registry);
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    assert!(
        metrics.contains("fanwave_log_damaged_total 3\n"),
        "{metrics}"
    );
    assert_eq!(store.tail(&other, 9).await.unwrap(), run(1, 9));
    assert_eq!(
        store.append(&lane, run(10, 10)).await.unwrap(),
        Appended::Stored
    );
    store.close().await;
}

pub(super) async fn what_a_moderator_deletes_is_gone_with_the_acknowledgement<P: Place>(place: P) {
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    let store = place.open().await;
    for lane in [&chat, &room] {
        store.standing(lane).await.unwrap();
    }
    let mut written = run(1, 6);
    Arc::get_mut(&mut written[4]).unwrap().draft.sender.user = UserId("fan-2".into());
    store.append(&chat, written).await.unwrap();
    let deleted = event(1, "e1", Event::Deleted { offset: Offset(2) });
    let user = UserId("fan-1".into());
    let through = Offset(5);
    let cleared = event(2, "e2", Event::Cleared { user, through });
    store
        .append(&room, vec![Arc::clone(&deleted), Arc::clone(&cleared)])
        .await
        .unwrap();
    assert_eq!(offsets(&store.tail(&chat, 9).await.unwrap()), [5, 6]);
    assert_eq!(store.tail(&room, 9).await.unwrap(), [deleted, cleared]);
    // Neither their offsets nor their ids are given again.
    assert_eq!(store.standing(&chat).await.unwrap().head, Offset(6));
    let again = store.append(&chat, vec![message(7, "m2")]).await.unwrap();
    assert!(matches!(again, Appended::Held(held) if held[0].offset == Offset(2)));
    store.close().await;
}

pub(super) async fn events_are_read_alone<P: Place>(place: P) {
    let lane = channel("room:demo");
    let store = place.open().await;
    store.standing(&lane).await.unwrap();
    let mut written = run(1, 3);
    written.push(event(4, "e4", Event::Deleted { offset: Offset(9) }));
    written.extend(run(5, 6));
    store.append(&lane, written).await.unwrap();
    let page = Page {
        after: Offset(0),
        through: Offset(u64::MAX),
        limit: 100,
        order: Order::OldestFirst,
        kind: Kind::Events,
    };
    assert_eq!(offsets(&store.read(&lane, page).await.unwrap()), [4]);
    store.close().await;
}

pub(super) async fn an_epoch_is_the_same_for_all_who_begin_a_channel<P: Place>(place: P) {
    let store = place.open().await;
    let lane = channel("chat:demo");
    let (one, other) = tokio::join!(store.standing(&lane), store.standing(&lane));
    assert_eq!(one.unwrap(), other.unwrap());
    store.close().await;
}

pub(super) async fn what_was_said_is_found_page_by_page<P: Place>(place: P) {
    let lane = channel("chat:demo");
    let store = place.open().await;
    store.standing(&lane).await.unwrap();
    let mut written = run(1, 600);
    for (offset, text) in [
        (3, "What a NIGHT"),
        (550, "오늘무대 최고"),
        (590, "another night"),
    ] {
        let publication = Arc::get_mut(&mut written[offset - 1]).unwrap();
        publication.draft.body = Body::Text(Text::plain(text));
    }
    Arc::get_mut(&mut written[589]).unwrap().draft.sender.user = UserId("fan-2".into());
    for batch in written.chunks(200) {
        store.append(&lane, batch.to_vec()).await.unwrap();
    }
    // A store is its own archive.
    let archive = Archive::from(store.clone());
    let epoch = store.standing(&lane).await.unwrap().epoch;
    let found_before = async |search: Search, before: Option<u64>| {
        let before = before.map(|offset| Position {
            epoch: epoch.clone(),
            offset: Offset(offset),
        });
        let sought = archive.search(&lane, &search, before.as_ref()).await;
        let sought = sought.unwrap();
        let next = sought.next.map(|next| next.offset.0);
        (offsets(&sought.found.publications), next)
    };
    let found = async |search: Search| found_before(search, None).await;
    let limit = 10;
    let night = Search {
        text: "night".into(),
        limit,
        ..Search::default()
    };
    assert_eq!(found(night.clone()).await, (vec![590, 3], None));
    let one = Search {
        limit: 1,
        ..night.clone()
    };
    assert_eq!(found(one.clone()).await, (vec![590], Some(590)));
    assert_eq!(found_before(one, Some(590)).await, (vec![3], Some(3)));
    // What one person has said, and when; the card of a fan is a search without words.
    let by = Some(UserId("fan-2".into()));
    let card = Search {
        by,
        limit,
        ..Search::default()
    };
    assert_eq!(found(card).await, (vec![590], None));
    let at = |offset: u64| Some(UnixMillis(1_800_000_000_000 + offset));
    let (from, until) = (at(100), at(590));
    let text = "무대".into();
    let stage = Search {
        text,
        from,
        until,
        limit,
        ..Search::default()
    };
    assert_eq!(found(stage).await, (vec![550], None));
    store.close().await;
}

pub(super) async fn a_channel_is_exported_in_pieces<P: Place>(place: P) {
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    let store = place.open().await;
    for lane in [&chat, &room] {
        store.standing(lane).await.unwrap();
    }
    for batch in run(1, 600).chunks(200) {
        store.append(&chat, batch.to_vec()).await.unwrap();
    }
    let deleted = event(1, "e1", Event::Deleted { offset: Offset(2) });
    store.append(&room, vec![deleted]).await.unwrap();
    let mut file = Vec::new();
    let archive = Archive::from(store.clone());
    let mut after = None;
    let mut pieces = 0;
    loop {
        let piece = archive.export(&chat, Format::JsonLines, after.as_ref());
        let piece = piece.await.unwrap();
        file.extend(piece.bytes);
        pieces += 1;
        after = piece.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pieces, 2);
    let lines: Vec<_> = std::str::from_utf8(&file).unwrap().lines().collect();
    assert_eq!(lines.len(), 599, "what is deleted is in no export");
    assert!(lines[0].starts_with("{\"offset\":1,"), "{}", lines[0]);
    assert!(lines[1].starts_with("{\"offset\":3,"), "{}", lines[1]);
    store.close().await;
}

/// What the child of the test below is told to work on.
const CHILD_PLACE: &str = "FANWAVE_STORE_TEST_PLACE";

/// A place with nothing in it; in a child, the one that it is told of.
pub(super) async fn place<P: Place>() -> P {
    match std::env::var(CHILD_PLACE) {
        Ok(name) => P::called(&name),
        Err(_) => P::new().await,
    }
}

/// The test runs itself as a child that says which messages were acknowledged, and kills it in the middle.
pub(super) async fn what_was_acknowledged_survives_a_kill<P: Place>(place: P) {
    const ROUNDS: usize = 3;
    const ACKS_PER_ROUND: usize = 40;
    if std::env::var_os(CHILD_PLACE).is_some() {
        return append_for_ever(place.open().await).await;
    }
    let this = format!(
        "tests::{}::what_was_acknowledged_survives_a_kill",
        P::MODULE
    );
    let lane = channel("chat:demo");
    let mut acknowledged = 0;
    for _ in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([&this, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD_PLACE, place.name())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acks = lines.filter_map(|line| {
            line.unwrap()
                .strip_prefix("acknowledged ")?
                .parse::<u64>()
                .ok()
        });
        for offset in acks.take(ACKS_PER_ROUND) {
            assert_eq!(offset, acknowledged + 7, "each append has seven messages");
            acknowledged = offset;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        place.settle().await;
        let store = place.open().await;
        let head = store.standing(&lane).await.unwrap().head.0;
        assert!(head >= acknowledged, "{head} >= {acknowledged}");
        assert_eq!(head % 7, 0, "an append is there as a whole or not at all");
        assert_eq!(store.tail(&lane, 200).await.unwrap(), run(head - 199, head));
        acknowledged = head;
        store.close().await;
    }
}

async fn append_for_ever(store: Store) {
    let lane = channel("chat:demo");
    let mut head = store.standing(&lane).await.unwrap().head.0;
    loop {
        assert_eq!(
            store.append(&lane, run(head + 1, head + 7)).await.unwrap(),
            Appended::Stored
        );
        head += 7;
        // Straight to the pipe: a line that waits in a buffer would be an acknowledgement nobody heard.
        let mut out = std::io::stdout();
        writeln!(out, "\nacknowledged {head}")
            .and_then(|()| out.flush())
            .unwrap();
    }
}
