use fanwave_wire::{Language, ReportReason};
use proptest::prelude::*;

use super::*;

const NOON: UnixMillis = UnixMillis(1_800_000_000_000);
const MINUTE: u64 = 60_000;

fn user(name: &str) -> UserId {
    UserId(name.into())
}

fn happened(offset: u64, by: Role, event: Event) -> Arc<Publication> {
    let id = ClientMessageId(format!("e{offset}").into());
    let sender = Sender::new(user("somebody"), "Somebody", by);
    let body = fanwave_wire::Body::Event(Box::new(event));
    Arc::new(Publication {
        offset: Offset(offset),
        at: UnixMillis(NOON.0 + offset),
        draft: fanwave_wire::Draft { id, sender, body },
    })
}

fn folded(lane: Lane, events: impl IntoIterator<Item = (Role, Event)>) -> Policy {
    let mut policy = Policy::new();
    for (offset, (by, event)) in (1..).zip(events) {
        policy.fold(lane, &happened(offset, by, event));
    }
    policy
}

fn in_mode(mode: Mode) -> Policy {
    folded(Lane::Room, [(Role::Moderator, Event::Mode(mode))])
}

fn writer(user: &UserId, role: Role) -> Writer<'_> {
    Writer {
        user,
        role,
        follows_since: None,
    }
}

fn banned(name: &str, until: Option<u64>) -> Event {
    Event::Banned {
        user: user(name),
        until: until.map(|after| UnixMillis(NOON.0 + after)),
    }
}

#[test]
fn a_penalty_ends_at_its_time_and_binds_only_those_below() {
    let until = Some(UnixMillis(NOON.0 + MINUTE));
    let mute = Event::Muted {
        user: user("m"),
        until,
    };
    let policy = folded(
        Lane::Room,
        [(Role::Moderator, banned("b", None)), (Role::Artist, mute)],
    );
    let judge = |after: u64, name: &str, role| {
        policy.judge_writer(UnixMillis(NOON.0 + after), writer(&user(name), role))
    };
    assert_eq!(
        judge(0, "b", Role::Fan),
        Err(Refusal::Banned { until: None })
    );
    assert_eq!(
        judge(u64::MAX / 2, "b", Role::Member),
        Err(Refusal::Banned { until: None })
    );
    assert_eq!(
        judge(0, "b", Role::Moderator),
        Ok(()),
        "a moderator does not bind their equals"
    );
    assert_eq!(
        judge(0, "m", Role::Moderator),
        Err(Refusal::Muted { until })
    );
    assert_eq!(
        judge(MINUTE - 1, "m", Role::Fan),
        Err(Refusal::Muted { until })
    );
    assert_eq!(judge(MINUTE, "m", Role::Fan), Ok(()));
    assert_eq!(judge(0, "x", Role::Fan), Ok(()));
    assert_eq!(
        policy.judge_presence(NOON, &user("m"), Role::Fan),
        Ok(()),
        "the muted may read"
    );
    let wait = Refusal::Muted { until }.retry_after(NOON);
    assert_eq!(wait, Some(Duration::from_secs(60)));
}

#[test]
fn a_pardon_needs_somebody_as_high_as_the_author() {
    let mut policy = folded(Lane::Room, [(Role::Artist, banned("b", None))]);
    let judge = |policy: &Policy, role, name| policy.judge_pardon(NOON, role, &user(name));
    assert_eq!(judge(&policy, Role::Member, "b"), Err(Refusal::NotAllowed));
    assert_eq!(
        judge(&policy, Role::Moderator, "b"),
        Err(Refusal::Outranked)
    );
    assert_eq!(judge(&policy, Role::Artist, "b"), Ok(()));
    assert_eq!(judge(&policy, Role::Staff, "x"), Err(Refusal::NotFound));
    policy.fold(
        Lane::Room,
        &happened(9, Role::Artist, Event::Pardoned { user: user("b") }),
    );
    assert_eq!(policy.judge_presence(NOON, &user("b"), Role::Fan), Ok(()));
}

#[test]
fn moderators_act_upon_those_below_them() {
    let roles = [
        Role::Fan,
        Role::Member,
        Role::Moderator,
        Role::Artist,
        Role::Staff,
    ];
    for actor in roles {
        for upon in roles {
            let expected = match actor {
                Role::Fan | Role::Member => Err(Refusal::NotAllowed),
                _ if upon >= actor => Err(Refusal::Outranked),
                _ => Ok(()),
            };
            assert_eq!(Policy::judge_moderator(actor, upon), expected);
        }
    }
}

#[test]
fn a_mode_asks_fans_and_nobody_of_rank() {
    let (fan, hour) = (user("f"), 60 * MINUTE);
    let follower = |since: u64| Writer {
        follows_since: Some(UnixMillis(NOON.0 - since)),
        ..writer(&fan, Role::Fan)
    };
    let members = in_mode(Mode {
        members_only: true,
        ..Mode::default()
    });
    assert_eq!(
        members.judge_writer(NOON, follower(hour)),
        Err(Refusal::MembersOnly)
    );
    assert_eq!(
        members.judge_writer(NOON, writer(&fan, Role::Member)),
        Ok(())
    );

    let followers = in_mode(Mode {
        followers_minutes: Some(60),
        ..Mode::default()
    });
    let refused = |left: Option<u64>| {
        let retry_after = left.map(Duration::from_millis);
        Err(Refusal::FollowersOnly {
            minutes: 60,
            retry_after,
        })
    };
    assert_eq!(
        followers.judge_writer(NOON, writer(&fan, Role::Fan)),
        refused(None)
    );
    assert_eq!(
        followers.judge_writer(NOON, follower(hour - 1)),
        refused(Some(1))
    );
    assert_eq!(followers.judge_writer(NOON, follower(hour)), Ok(()));
    assert_eq!(
        followers.judge_writer(NOON, writer(&fan, Role::Moderator)),
        Ok(())
    );
}

#[test]
fn a_mode_asks_for_emoji_or_holds_what_is_said() {
    let words = Words::default();
    let emoji = in_mode(Mode {
        emoji_only: true,
        ..Mode::default()
    });
    for text in [
        "😀 👍🏽",
        "👩\u{200d}👩\u{200d}👧",
        "🇰🇷",
        "❤\u{fe0f}",
        "1\u{fe0f}\u{20e3} #\u{20e3}",
    ] {
        assert_eq!(
            emoji.judge_text(Role::Fan, text, &words),
            Verdict::Welcome,
            "{text}"
        );
    }
    for text in ["hi 😀", "1", "#", "1\u{fe0f}", "사랑"] {
        assert_eq!(
            emoji.judge_text(Role::Fan, text, &words),
            Verdict::Refuse(Refusal::EmojiOnly),
            "{text}"
        );
    }
    assert_eq!(
        emoji.judge_text(Role::Moderator, "hi", &words),
        Verdict::Welcome
    );

    let hold = in_mode(Mode {
        hold: true,
        ..Mode::default()
    });
    assert_eq!(
        hold.judge_text(Role::Member, "hi", &words),
        Verdict::Hold(HoldReason::Room)
    );
    assert_eq!(
        in_mode(Mode {
            slow_seconds: 7,
            ..Mode::default()
        })
        .slow(),
        Duration::from_secs(7)
    );
}

#[test]
fn the_shield_is_one_switch() {
    let mut policy = in_mode(Mode {
        shield: true,
        ..Mode::default()
    });
    let list = Event::Words {
        language: Language::English,
        words: vec!["raid".into()],
    };
    assert_eq!(
        policy.fold(Lane::Staff, &happened(2, Role::Moderator, list)),
        Effect::Words
    );
    let words = Words::compile(policy.lists());
    let fan = user("f");
    assert!(matches!(
        policy.judge_writer(NOON, writer(&fan, Role::Fan)),
        Err(Refusal::FollowersOnly { .. })
    ));
    assert_eq!(
        policy.judge_writer(NOON, writer(&fan, Role::Member)),
        Ok(())
    );
    assert_eq!(policy.slow(), SHIELD_SLOW);
    assert_eq!(
        policy.judge_text(Role::Member, "join t.me/raiders", &words),
        Verdict::Refuse(Refusal::Links)
    );
    assert_eq!(
        policy.judge_text(Role::Member, "r a i d", &words),
        Verdict::Refuse(Refusal::Word)
    );
    policy.fold(
        Lane::Room,
        &happened(3, Role::Moderator, Event::Mode(Mode::default())),
    );
    assert_eq!(policy.judge_writer(NOON, writer(&fan, Role::Fan)), Ok(()));
    assert_eq!(
        policy.judge_text(Role::Fan, "r a i d", &words),
        Verdict::Hold(HoldReason::Word)
    );
}

#[test]
fn what_is_kept_is_bounded() {
    let pin = |place: usize| Event::Pinned {
        pin: ClientMessageId(format!("p{place}").into()),
        text: "text".into(),
        offset: None,
    };
    let policy = folded(
        Lane::Room,
        (0..=PINS_MAX).map(|place| (Role::Artist, pin(place))),
    );
    assert_eq!(policy.pins().len(), PINS_MAX);
    assert!(!policy.has_pin(&ClientMessageId("p0".into())));

    let held = |place: usize| Event::Held {
        sender: Sender::new(user("f"), "F", Role::Fan),
        id: ClientMessageId(format!("h{place}").into()),
        text: Text::plain("hm"),
        reason: HoldReason::Room,
    };
    let policy = folded(
        Lane::Staff,
        (0..=HELD_MAX).map(|place| (Role::Fan, held(place))),
    );
    assert!(policy.held(Offset(1)).is_none() && policy.held(Offset(2)).is_some());
    assert!(!policy.has_room_to_hold());

    let until = |place: usize| (place % 7 != 3).then_some(MINUTE + place as u64);
    let bans =
        (0..=BANS_MAX).map(|place| (Role::Moderator, banned(&format!("b{place}"), until(place))));
    let policy = folded(Lane::Room, bans);
    let is_banned = |place: usize| {
        policy
            .judge_presence(NOON, &user(&format!("b{place}")), Role::Fan)
            .is_err()
    };
    assert!(!is_banned(0), "the ban that ends first has made way");
    assert!(is_banned(1) && is_banned(3) && is_banned(BANS_MAX));
}

fn any_event() -> impl Strategy<Value = (Lane, Event)> {
    let name = || (0..4u8).prop_map(|name| user(&format!("u{name}")));
    let until = || prop::option::of((0..200u64).prop_map(|after| UnixMillis(NOON.0 + after)));
    let pin = || (0..3u8).prop_map(|pin| ClientMessageId(format!("p{pin}").into()));
    let mode = (
        any::<u8>(),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0..9u32),
    )
        .prop_map(|(slow, members_only, shield, followers_minutes)| Mode {
            slow_seconds: slow.into(),
            members_only,
            shield,
            followers_minutes,
            ..Mode::default()
        });
    let room = prop_oneof![
        (name(), until()).prop_map(|(user, until)| Event::Muted { user, until }),
        (name(), until()).prop_map(|(user, until)| Event::Banned { user, until }),
        name().prop_map(|user| Event::Pardoned { user }),
        mode.prop_map(Event::Mode),
        pin().prop_map(|pin| Event::Pinned {
            pin,
            text: "t".into(),
            offset: None
        }),
        pin().prop_map(|pin| Event::Unpinned { pin }),
    ];
    let staff = prop_oneof![
        Just(Event::Held {
            sender: Sender::new(user("f"), "F", Role::Fan),
            id: ClientMessageId("h".into()),
            text: Text::plain("hm"),
            reason: HoldReason::Word,
        }),
        (0..40u64).prop_map(|held| Event::Reviewed {
            held: Offset(held),
            approved: true
        }),
        (0..40u64).prop_map(|message| Event::Reported {
            offset: Offset(message),
            reason: ReportReason::Spam,
        }),
        (0..40u64).prop_map(|message| Event::ReportsDismissed {
            offset: Offset(message),
        }),
        ("[a-z]{1,4}").prop_map(|word| Event::Words {
            language: Language::English,
            words: vec![word.into()]
        }),
    ];
    prop_oneof![
        room.prop_map(|event| (Lane::Room, event)),
        staff.prop_map(|event| (Lane::Staff, event)),
    ]
}

proptest! {
    /// A policy is the fold of its events: who replays one lane after the other, as a node does that opens the room, or
    /// from any snapshot on, has the rules of whoever saw them live.
    #[test]
    fn replay_gives_the_same_policy(
        events in prop::collection::vec((any_event(), 0..5u8), 0..40),
        cut in 0..40usize,
    ) {
        let roles = [Role::Fan, Role::Member, Role::Moderator, Role::Artist, Role::Staff];
        let log: Vec<_> = (1..)
            .zip(events)
            .map(|(offset, ((lane, event), role))| (lane, happened(offset, roles[usize::from(role)], event)))
            .collect();
        let fold = |policy: &mut Policy, log: &[(Lane, Arc<Publication>)]| {
            for (lane, publication) in log {
                policy.fold(*lane, publication);
            }
        };
        let mut live = Policy::new();
        fold(&mut live, &log);
        let (mut room, mut staff) = (log.clone(), log.clone());
        room.retain(|(lane, _)| *lane == Lane::Room);
        staff.retain(|(lane, _)| *lane == Lane::Staff);
        let mut replayed = Policy::new();
        fold(&mut replayed, &room);
        fold(&mut replayed, &staff);
        prop_assert_eq!(&live, &replayed);

        let cut = cut.min(log.len());
        let mut snapshot = Policy::new();
        fold(&mut snapshot, &log[..cut]);
        let mut resumed = snapshot.clone();
        fold(&mut resumed, &log[cut..]);
        fold(&mut snapshot, &log[cut..]);
        prop_assert_eq!(&snapshot, &resumed);
        prop_assert_eq!(&live, &resumed);

        for name in 0..4u8 {
            let name = user(&format!("u{name}"));
            let now = UnixMillis(NOON.0 + 100);
            prop_assert_eq!(live.judge_writer(now, writer(&name, Role::Staff)), Ok(()), "nothing binds the highest");
        }
    }
}
