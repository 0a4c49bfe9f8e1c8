//! What undoing gives back, and what it refuses.

use fanwave_wire::{Body, Draft, Language, Mode, Role, Sender};
use proptest::prelude::*;

use super::*;

const START: u64 = 1_000_000;

/// A lane, written one event after the other, a second apart.
struct Log {
    lane: Lane,
    events: Vec<Arc<Publication>>,
}

impl Log {
    fn new(lane: Lane) -> Self {
        Self {
            lane,
            events: Vec::new(),
        }
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(START + 1_000 * self.events.len() as u64)
    }

    fn write(&mut self, id: ClientMessageId, event: Event) -> Offset {
        let offset = Offset(self.events.len() as u64 + 1);
        let sender = Sender::new(UserId("mod".into()), "Mod", Role::Moderator);
        self.events.push(Arc::new(Publication {
            offset,
            at: self.now(),
            draft: Draft {
                id,
                sender,
                body: Body::Event(Box::new(event)),
            },
        }));
        offset
    }

    fn push(&mut self, event: Event) -> Offset {
        let id = format!("e{}", self.events.len());
        self.write(ClientMessageId(id.into()), event)
    }

    fn policy(&self) -> Policy {
        let mut policy = Policy::new();
        for event in &self.events {
            policy.fold(self.lane, event);
        }
        policy
    }

    fn inquire(&self, act: Offset) -> Inquiry {
        let mut inquiry = Inquiry::new(self.lane, act);
        for event in &self.events {
            inquiry.read(event);
        }
        inquiry
    }

    /// Undoes an act as the room would.
    fn undo(&mut self, act: Offset) -> Result<usize, UndoRefusal> {
        let now = self.now();
        let actions = self.inquire(act).conclude(now)?;
        for (part, action) in actions.iter().enumerate() {
            let id = undo_id(act, part);
            let event = event_of(now, &id, action.clone());
            self.write(id, event);
        }
        Ok(actions.len())
    }
}

fn event_of(now: UnixMillis, id: &ClientMessageId, action: Action) -> Event {
    let until = |seconds: Option<u32>| {
        seconds.map(|seconds| UnixMillis(now.0 + u64::from(seconds) * 1_000))
    };
    match action {
        Action::Ban { user, seconds } => Event::Banned {
            user,
            until: until(seconds),
        },
        Action::Mute { user, seconds } => Event::Muted {
            user,
            until: until(seconds),
        },
        Action::Pardon { user } => Event::Pardoned { user },
        Action::Mode(mode) => Event::Mode(mode),
        Action::Pin { text, offset, .. } => Event::Pinned {
            pin: id.clone(),
            text,
            offset,
        },
        Action::Unpin { pin } => Event::Unpinned { pin },
        Action::Words { language, words } => Event::Words { language, words },
        other => unreachable!("nothing is undone by {other:?}"),
    }
}

fn user(name: &str) -> UserId {
    UserId(name.into())
}

fn banned(name: &str, until: Option<u64>) -> Event {
    Event::Banned {
        user: user(name),
        until: until.map(UnixMillis),
    }
}

fn muted(name: &str, until: Option<u64>) -> Event {
    Event::Muted {
        user: user(name),
        until: until.map(UnixMillis),
    }
}

fn slow(slow_seconds: u32) -> Event {
    Event::Mode(Mode {
        slow_seconds,
        ..Mode::default()
    })
}

#[test]
fn an_id_names_what_it_undoes_in_one_way_only() {
    assert_eq!(undone(&undo_id(Offset(17), 0)), Some(Offset(17)));
    assert_eq!(
        undone(&undo_id(Offset(u64::MAX), 1)),
        Some(Offset(u64::MAX))
    );
    for other in ["undo:", "undo:x", "undo:017", "undo:+1", "17", "undo: 1"] {
        assert_eq!(undone(&ClientMessageId(other.into())), None, "{other}");
    }
}

#[test]
fn a_ban_is_lifted_once() {
    let mut log = Log::new(Lane::Room);
    let ban = log.push(banned("ana", None));
    assert_eq!(log.undo(ban), Ok(1));
    assert_eq!(log.policy().ban_of(log.now(), &user("ana")), None);
    assert_eq!(log.policy().undone_by(Lane::Room, ban), Some(Offset(2)));
    let again = UndoRefusal::AlreadyUndone { by: Offset(2) };
    assert_eq!(log.undo(ban), Err(again));
    assert_eq!(log.policy().undone_by(Lane::Staff, ban), None);
}

#[test]
fn who_was_muted_before_the_ban_is_muted_after_it() {
    let mut log = Log::new(Lane::Room);
    log.push(muted("ana", None));
    let ban = log.push(banned("ana", None));
    assert_eq!(log.undo(ban), Ok(2));
    assert_eq!(log.policy().ban_of(log.now(), &user("ana")), None);
    assert!(log.policy().mute_of(log.now(), &user("ana")).is_some());
}

#[test]
fn a_longer_ban_becomes_the_shorter_one_that_was_before() {
    let mut log = Log::new(Lane::Room);
    let until = START + 3_600_000;
    log.push(banned("ana", Some(until)));
    let for_ever = log.push(banned("ana", None));
    assert_eq!(log.undo(for_ever), Ok(1));
    let policy = log.policy();
    let ban = policy.ban_of(log.now(), &user("ana")).unwrap();
    assert_eq!(ban.until, Some(UnixMillis(until)));
}

#[test]
fn a_pardon_that_is_undone_binds_again() {
    let mut log = Log::new(Lane::Room);
    log.push(banned("ana", None));
    let pardon = log.push(Event::Pardoned { user: user("ana") });
    assert_eq!(log.undo(pardon), Ok(1));
    assert!(log.policy().ban_of(log.now(), &user("ana")).is_some());
}

#[test]
fn the_former_mode_comes_back() {
    let mut log = Log::new(Lane::Room);
    log.push(slow(5));
    let slower = log.push(slow(30));
    assert_eq!(log.undo(slower), Ok(1));
    assert_eq!(log.policy().mode().slow_seconds, 5);
    let same = log.push(slow(5));
    assert_eq!(log.undo(same), Err(UndoRefusal::Over));
}

#[test]
fn what_was_changed_since_is_not_undone() {
    let mut log = Log::new(Lane::Room);
    let ban = log.push(banned("ana", None));
    log.push(banned("minji", None));
    let mode = log.push(slow(5));
    assert!(
        log.inquire(ban).conclude(log.now()).is_ok(),
        "others do not count"
    );
    let pardon = log.push(Event::Pardoned { user: user("ana") });
    assert_eq!(log.undo(ban), Err(UndoRefusal::Superseded { by: pardon }));
    let later = log.push(slow(6));
    assert_eq!(log.undo(mode), Err(UndoRefusal::Superseded { by: later }));
}

#[test]
fn pins_go_and_come_back_under_another_id() {
    let mut log = Log::new(Lane::Room);
    let pin = ClientMessageId("p1".into());
    let pinned = log.write(
        pin.clone(),
        Event::Pinned {
            pin,
            text: "encore?".into(),
            offset: Some(Offset(3)),
        },
    );
    assert_eq!(log.undo(pinned), Ok(1));
    assert!(log.policy().pins().is_empty());
    // The undo is an act, too.
    assert_eq!(log.undo(Offset(2)), Ok(1));
    let policy = log.policy();
    let Some(Event::Pinned { text, offset, .. }) = policy.pins()[0].draft.body.as_event() else {
        panic!("it is a pin");
    };
    assert_eq!((&**text, *offset), ("encore?", Some(Offset(3))));
}

#[test]
fn a_list_of_words_comes_back() {
    let mut log = Log::new(Lane::Staff);
    let words = |words: &[&str]| Event::Words {
        language: Language::Unknown,
        words: words.iter().map(|word| Arc::from(*word)).collect(),
    };
    log.push(words(&["spoiler"]));
    let emptied = log.push(words(&[]));
    assert_eq!(log.undo(emptied), Ok(1));
    let policy = log.policy();
    assert_eq!(policy.lists().of(Language::Unknown), [Arc::from("spoiler")]);
}

#[test]
fn what_is_gone_is_gone() {
    let mut log = Log::new(Lane::Room);
    let deleted = log.push(Event::Deleted { offset: Offset(9) });
    let cleared = log.push(Event::Cleared {
        user: user("ana"),
        through: Offset(9),
    });
    let poll = log.push(Event::PollClosed {
        poll: ClientMessageId("p".into()),
        counts: vec![1, 2],
    });
    assert_eq!(log.undo(deleted), Err(UndoRefusal::TextIsGone));
    assert_eq!(log.undo(cleared), Err(UndoRefusal::TextIsGone));
    assert_eq!(log.undo(poll), Err(UndoRefusal::NotUndoable));
    assert_eq!(log.undo(Offset(77)), Err(UndoRefusal::NotFound));
    let over = log.push(muted("ana", Some(START)));
    assert_eq!(log.undo(over), Err(UndoRefusal::Over));
}

#[test]
fn what_a_fan_calls_an_undo_is_none() {
    let mut log = Log::new(Lane::Room);
    let ban = log.push(banned("ana", None));
    let gift = |role| {
        let sender = Sender::new(UserId("fan".into()), "Fan", role);
        let body = Body::Event(Box::new(Event::Gift {
            gift: "rose".into(),
            count: 1,
            text: None,
        }));
        let id = undo_id(ban, 0);
        Arc::new(Publication {
            offset: Offset(2),
            at: UnixMillis(START),
            draft: Draft { id, sender, body },
        })
    };
    for role in [Role::Fan, Role::Moderator] {
        let mut policy = log.policy();
        policy.fold(Lane::Room, &gift(role));
        assert_eq!(policy.undone_by(Lane::Room, ban), None);
    }
}

fn act() -> impl Strategy<Value = Event> {
    let user = prop_oneof![Just("ana"), Just("minji")];
    let until = prop_oneof![Just(None), (START..START + 40_000).prop_map(Some)];
    prop_oneof![
        (user.clone(), until.clone()).prop_map(|(user, until)| banned(user, until)),
        (user.clone(), until).prop_map(|(user, until)| muted(user, until)),
        user.prop_map(|name| Event::Pardoned {
            user: user_id(name)
        }),
        (0..3_u32).prop_map(slow),
    ]
}

fn user_id(name: &str) -> UserId {
    user(name)
}

/// Seconds that a penalty is left, for ever where it has no end.
const FOR_EVER: u64 = u64::MAX;

/// What binds whom at a time, to the second: that is how exactly a penalty is imposed again.
fn standing(policy: &Policy, now: UnixMillis) -> Vec<Option<u64>> {
    let seconds = |penalty: &Penalty| {
        penalty.until.map_or(FOR_EVER, |until| {
            until.0.saturating_sub(now.0).div_ceil(1_000)
        })
    };
    ["ana", "minji"]
        .into_iter()
        .flat_map(|name| {
            let user = user(name);
            [
                policy.ban_of(now, &user).map(seconds),
                policy.mute_of(now, &user).map(seconds),
            ]
        })
        .collect()
}

proptest! {
    /// Whatever somebody calls an event, it undoes what its id says in one way, or nothing.
    #[test]
    fn any_id_is_read_or_says_nothing(text in "(undo|undo:|)[0-9:+ ]{0,24}") {
        if let Some(act) = undone(&ClientMessageId(text.as_str().into())) {
            let canonical = undo_id(act, 0);
            prop_assert!(text.starts_with(&*canonical.0), "{}", text);
        }
    }

    /// The newest act, undone, leaves what there would be without it.
    #[test]
    fn undoing_the_newest_act_is_as_if_it_had_not_been(events in prop::collection::vec(act(), 1..24)) {
        let mut log = Log::new(Lane::Room);
        for event in events {
            log.push(event);
        }
        let act = Offset(log.events.len() as u64);
        let mut without = Log::new(Lane::Room);
        without.events = log.events[..log.events.len() - 1].to_vec();
        let (now, before) = (log.now(), without.policy());
        match log.undo(act) {
            Ok(parts) => {
                prop_assert!((1..=3).contains(&parts));
                let by = log.policy().undone_by(Lane::Room, act);
                prop_assert_eq!(by, Some(act.next()));
            }
            Err(refusal) => prop_assert_eq!(refusal, UndoRefusal::Over),
        }
        let after = log.policy();
        prop_assert_eq!(after.mode(), before.mode());
        prop_assert_eq!(standing(&after, now), standing(&before, now));
    }
}
