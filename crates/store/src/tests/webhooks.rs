//! Webhooks and what they are told: one suite, over each database.

use super::postgres::Schema;
use crate::catalogue::{
    Advance, Catalogue, Concluded, Cursor, Database, Delivery, DeliveryState, Entry, OfChannel,
    Stretch, Webhook, WebhookAdded, WebhookChange, WebhookChanged,
    limits::{DELIVERIES_KEPT_MAX, WEBHOOKS_MAX},
};

const NOW: i64 = 1_800_000_000_000;

fn webhook(id: &str) -> Webhook {
    Webhook {
        id: id.into(),
        url: "https://crew.example/events?key='; DROP TABLE webhooks; --".into(),
        kinds: vec!["member.banned".into(), "show.live".into()],
        channel: None,
        enabled: true,
        salt: [7; 32],
        created_at: NOW,
        version: 1,
        due_at: 0,
        failures: 0,
    }
}

fn entry(id: &str) -> Entry {
    Entry {
        id: id.into(),
        at: NOW,
        actor: "a-boss".into(),
        action: "webhook.made".into(),
        subject: "h-1".into(),
        detail: "{}".into(),
    }
}

fn delivery(webhook: &str, event: &str) -> Delivery {
    Delivery {
        id: format!("d-{event}-{webhook}"),
        webhook: webhook.into(),
        event: event.into(),
        kind: "member.banned".into(),
        at: NOW + 1,
        about: Some("u-7".into()),
        body: "{}".into(),
        state: DeliveryState::Waiting,
        attempts: 0,
        queued_at: NOW + 2,
        ended_at: None,
        status: None,
        error: None,
    }
}

fn ended(state: DeliveryState, status: i64) -> Concluded {
    Concluded {
        state,
        status: Some(status),
        error: None,
        at: NOW + 9,
        due_at: 0,
        failures: 0,
    }
}

async fn add(catalogue: &Catalogue, id: &str) {
    let added = catalogue
        .add_webhook(&webhook(id), &entry(&format!("e-{id}")))
        .await;
    assert_eq!(added.unwrap(), WebhookAdded::New);
}

async fn spread(catalogue: &Catalogue, deliveries: &[Delivery]) {
    assert!(catalogue.spread(None, deliveries, NOW).await.unwrap());
}

/// The ids of a webhook's deliveries that are in a state, newest first.
async fn of_state(catalogue: &Catalogue, webhook: &str, state: DeliveryState) -> Vec<String> {
    let found = catalogue
        .deliveries_before((webhook, Some(state)), None, 200)
        .await
        .unwrap();
    found.into_iter().map(|one| one.id).collect()
}

async fn a_webhook_is_changed_as_it_was_read_and_goes_with_all_that_waits(catalogue: &Catalogue) {
    add(catalogue, "h-1").await;
    assert_eq!(catalogue.webhooks().await.unwrap(), [webhook("h-1")]);
    let change = WebhookChange {
        version: Some(1),
        channel: Some(OfChannel::Only("demo".into())),
        kinds: Some(vec!["message.held".into()]),
        ..WebhookChange::default()
    };
    let expected = Webhook {
        channel: Some("demo".into()),
        kinds: vec!["message.held".into()],
        version: 2,
        ..webhook("h-1")
    };
    let made = catalogue
        .change_webhook("h-1", &change, &entry("e-2"))
        .await;
    assert_eq!(made.unwrap(), WebhookChanged::Made(Box::new(expected)));
    let moved = catalogue
        .change_webhook("h-1", &change, &entry("e-3"))
        .await;
    assert_eq!(moved.unwrap(), WebhookChanged::Moved);
    let unknown = catalogue
        .change_webhook("h-9", &change, &entry("e-4"))
        .await;
    assert_eq!(unknown.unwrap(), WebhookChanged::Unknown);
    let everywhere = WebhookChange {
        channel: Some(OfChannel::All),
        salt: Some([8; 32]),
        enabled: Some(false),
        ..WebhookChange::default()
    };
    let made = catalogue
        .change_webhook("h-1", &everywhere, &entry("e-5"))
        .await;
    let WebhookChanged::Made(now) = made.unwrap() else {
        panic!("it is there")
    };
    assert_eq!((now.channel, now.salt, now.enabled), (None, [8; 32], false));
    spread(catalogue, &[delivery("h-1", "1")]).await;
    assert!(
        catalogue.webhooks_due(NOW).await.unwrap().is_empty(),
        "it is off"
    );
    assert!(
        catalogue
            .remove_webhook("h-1", &entry("e-6"))
            .await
            .unwrap()
    );
    assert!(
        !catalogue
            .remove_webhook("h-1", &entry("e-7"))
            .await
            .unwrap()
    );
    assert_eq!(catalogue.next_delivery("h-1").await.unwrap(), None);
    // Whoever has read of it before it went adds nothing to it.
    spread(catalogue, &[delivery("h-1", "2")]).await;
    assert_eq!(catalogue.next_delivery("h-1").await.unwrap(), None);
    let actions = catalogue.audit_before(None, 200).await.unwrap();
    assert_eq!(actions.len(), 4, "what was not done is not in the log");
}

async fn there_are_only_so_many_webhooks(catalogue: &Catalogue) {
    for n in 0..WEBHOOKS_MAX {
        add(catalogue, &format!("h-{n:02}")).await;
    }
    let full = catalogue
        .add_webhook(&webhook("h-99"), &entry("e-99"))
        .await;
    assert_eq!(full.unwrap(), WebhookAdded::Full);
    assert_eq!(catalogue.webhook("h-99").await.unwrap(), None);
}

async fn an_event_is_delivered_once_to_each_and_in_order(catalogue: &Catalogue) {
    add(catalogue, "h-1").await;
    add(catalogue, "h-2").await;
    let both = [delivery("h-1", "1"), delivery("h-2", "1")];
    spread(catalogue, &both).await;
    let mut again = delivery("h-1", "1");
    again.id = "d-other".into();
    spread(catalogue, &[again, delivery("h-1", "2")]).await;
    let due = catalogue.webhooks_due(NOW).await.unwrap();
    assert_eq!(due.len(), 2);
    let first = catalogue.next_delivery("h-1").await.unwrap().unwrap();
    assert_eq!(first, delivery("h-1", "1"));
    let later = Concluded {
        error: Some("x".repeat(1_000)),
        due_at: NOW + 5_000,
        failures: 1,
        ..ended(DeliveryState::Waiting, 500)
    };
    catalogue.conclude(&first, &later).await.unwrap();
    let due = catalogue.webhooks_due(NOW + 4_999).await.unwrap();
    assert_eq!(due.iter().map(|one| &*one.id).collect::<Vec<_>>(), ["h-2"]);
    let due = catalogue.webhooks_due(NOW + 5_000).await.unwrap();
    assert_eq!((due.len(), due[0].failures), (2, 1));
    let waiting = catalogue.next_delivery("h-1").await.unwrap().unwrap();
    assert_eq!(
        (&waiting.id, waiting.attempts, waiting.status),
        (&first.id, 1, Some(500))
    );
    assert_eq!(waiting.error.as_deref().map(str::len), Some(200));
    catalogue
        .conclude(&waiting, &ended(DeliveryState::Taken, 204))
        .await
        .unwrap();
    let next = catalogue.next_delivery("h-1").await.unwrap().unwrap();
    assert_eq!(next.event, "2");
    assert_eq!(
        of_state(catalogue, "h-1", DeliveryState::Taken).await,
        ["d-1-h-1"]
    );
}

/// Four events that were given up.
async fn four_dead(catalogue: &Catalogue) {
    add(catalogue, "h-1").await;
    for n in 1..=4 {
        let mut one = delivery("h-1", &n.to_string());
        one.at = NOW + n;
        spread(catalogue, &[one.clone()]).await;
        catalogue
            .conclude(&one, &ended(DeliveryState::Dead, 410))
            .await
            .unwrap();
    }
}

async fn what_is_dead_is_kept_and_sent_again(catalogue: &Catalogue) {
    four_dead(catalogue).await;
    let dead = of_state(catalogue, "h-1", DeliveryState::Dead).await;
    assert_eq!(dead, ["d-4-h-1", "d-3-h-1", "d-2-h-1", "d-1-h-1"]);
    let page = catalogue
        .deliveries_before(("h-1", None), Some("d-3-h-1"), 1)
        .await
        .unwrap();
    assert_eq!(
        (&*page[0].id, page[0].status, page[0].ended_at),
        ("d-2-h-1", Some(410), Some(NOW + 9))
    );
    assert!(
        !catalogue
            .replay(("h-2", "d-1-h-1"), NOW, &entry("e-1"))
            .await
            .unwrap()
    );
    assert!(
        catalogue
            .replay(("h-1", "d-3-h-1"), NOW + 20, &entry("e-2"))
            .await
            .unwrap()
    );
    let waiting = catalogue.next_delivery("h-1").await.unwrap().unwrap();
    assert_eq!(
        (&*waiting.event, waiting.attempts, waiting.status),
        ("3", 0, None)
    );
    // What was under way when somebody had it sent again is sent again.
    catalogue
        .conclude(&delivery("h-1", "3"), &ended(DeliveryState::Dead, 410))
        .await
        .unwrap();
    assert_eq!(
        of_state(catalogue, "h-1", DeliveryState::Waiting).await,
        ["d-3-h-1"]
    );
}

async fn a_stretch_is_sent_again_in_its_order_and_all_is_forgotten(catalogue: &Catalogue) {
    four_dead(catalogue).await;
    let stretch = Stretch {
        state: DeliveryState::Dead,
        from: NOW + 2,
        to: NOW + 4,
    };
    let again = catalogue
        .replay_stretch("h-1", stretch, NOW + 30, &entry("e-3"))
        .await;
    assert_eq!(again.unwrap(), 3);
    let mut order = Vec::new();
    while let Some(next) = catalogue.next_delivery("h-1").await.unwrap() {
        catalogue
            .conclude(&next, &ended(DeliveryState::Taken, 200))
            .await
            .unwrap();
        order.push(next.event);
    }
    assert_eq!(order, ["2", "3", "4"]);
    assert_eq!(
        of_state(catalogue, "h-1", DeliveryState::Dead).await,
        ["d-1-h-1"]
    );
    assert_eq!(catalogue.purge_deliveries(NOW + 9).await.unwrap(), 0);
    assert_eq!(catalogue.forget_deliveries("u-7").await.unwrap(), 4);
    assert!(
        of_state(catalogue, "h-1", DeliveryState::Dead)
            .await
            .is_empty()
    );
    spread(catalogue, &[delivery("h-1", "5"), delivery("h-1", "6")]).await;
    let old = delivery("h-1", "5");
    catalogue
        .conclude(&old, &ended(DeliveryState::Taken, 200))
        .await
        .unwrap();
    assert_eq!(catalogue.purge_deliveries(NOW + 10).await.unwrap(), 1);
    assert_eq!(
        of_state(catalogue, "h-1", DeliveryState::Waiting).await,
        ["d-6-h-1"]
    );
}

async fn a_crowd_costs_the_oldest(catalogue: &Catalogue) {
    add(catalogue, "h-1").await;
    let most = usize::try_from(DELIVERIES_KEPT_MAX).unwrap();
    let all: Vec<Delivery> = (0..most + 3)
        .map(|n| delivery("h-1", &format!("{n:05}")))
        .collect();
    spread(catalogue, &all).await;
    let next = catalogue.next_delivery("h-1").await.unwrap().unwrap();
    assert_eq!(next.event, "00003");
    let dead = catalogue
        .deliveries_before(("h-1", Some(DeliveryState::Dead)), None, 200)
        .await;
    let dead: Vec<_> = dead
        .unwrap()
        .into_iter()
        .map(|one| (one.event, one.error))
        .collect();
    assert_eq!(dead.len(), 3);
    assert_eq!(dead[2], ("00000".into(), Some("too many waited".into())));
}

async fn a_lane_is_taken_over_by_one(catalogue: &Catalogue) {
    add(catalogue, "h-1").await;
    let cursor = |read_to| Cursor {
        epoch: "e1".into(),
        read_to,
    };
    let advance = |from, to| Advance {
        lane: "room:demo".into(),
        from,
        to: cursor(to),
    };
    assert_eq!(catalogue.cursor("room:demo").await.unwrap(), None);
    let begin = advance(None, 3);
    assert!(catalogue.spread(Some(&begin), &[], NOW).await.unwrap());
    assert!(!catalogue.spread(Some(&begin), &[], NOW).await.unwrap());
    let step = advance(Some(cursor(3)), 5);
    let told = [delivery("h-1", "1")];
    assert!(catalogue.spread(Some(&step), &told, NOW).await.unwrap());
    let late = [delivery("h-1", "2")];
    assert!(!catalogue.spread(Some(&step), &late, NOW).await.unwrap());
    assert_eq!(
        catalogue.cursor("room:demo").await.unwrap(),
        Some(cursor(5))
    );
    assert_eq!(
        of_state(catalogue, "h-1", DeliveryState::Waiting).await,
        ["d-1-h-1"]
    );
}

async fn a_work_is_done_by_one_until_it_ends_or_lets_go(catalogue: &Catalogue) {
    let take = async |holder, now| {
        let taken = catalogue.take_lease(("h-1", holder), now, now + 10).await;
        taken.unwrap()
    };
    assert!(take("a", NOW).await);
    assert!(!take("b", NOW + 9).await);
    assert!(take("a", NOW + 9).await, "it goes on");
    assert!(!take("b", NOW + 18).await);
    assert!(take("b", NOW + 19).await, "it has ended");
    catalogue.end_leases(Some("h-1"), "a").await.unwrap();
    assert!(!take("a", NOW + 20).await, "another's stays");
    catalogue.end_leases(None, "b").await.unwrap();
    assert!(take("a", NOW + 20).await);
}

super::catalogue::suite!(
    a_webhook_is_changed_as_it_was_read_and_goes_with_all_that_waits,
    there_are_only_so_many_webhooks,
    an_event_is_delivered_once_to_each_and_in_order,
    what_is_dead_is_kept_and_sent_again,
    a_stretch_is_sent_again_in_its_order_and_all_is_forgotten,
    a_crowd_costs_the_oldest,
    a_lane_is_taken_over_by_one,
    a_work_is_done_by_one_until_it_ends_or_lets_go,
);
