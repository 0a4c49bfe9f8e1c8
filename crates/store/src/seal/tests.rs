//! What is sealed opens where it was written, and nowhere else.

use fanwave_wire::{
    ClientMessageId, Draft, HoldReason, Language, Offset, ReplyTo, Role, Text, UnixMillis,
};
use proptest::{option, prelude::*};

use super::*;

const CHANNEL: &str = "chat:demo";

/// What nobody may find in what is written.
const CANARY: &str = "canary";

fn user(name: &str) -> UserId {
    UserId(name.into())
}

fn people_of(names: &[&str]) -> Keys {
    let mut keys = Keys::default();
    for name in names {
        keys.add(Arc::new(Key::new(user(name)).unwrap()));
    }
    keys
}

/// All keys but that of one person.
fn without(keys: &Keys, person: &str) -> Keys {
    let mut left = Keys::default();
    for (of, key) in &keys.by_person {
        if *of.0 != *person {
            left.add(Arc::clone(key));
        }
    }
    left
}

const PEOPLE: [&str; 3] = ["canary-mina", "canary-정국", "canary-%_!\""];

fn anybody() -> impl Strategy<Value = UserId> {
    prop::sample::select(&PEOPLE[..]).prop_map(user)
}

fn words() -> impl Strategy<Value = Arc<str>> {
    any::<String>().prop_map(|text| format!("{CANARY}{text}").into())
}

fn sender() -> impl Strategy<Value = Sender> {
    (anybody(), words(), option::of(words())).prop_map(|(user, name, badge)| Sender {
        user,
        name,
        role: Role::Member,
        badge,
    })
}

fn text() -> impl Strategy<Value = Text> {
    let reply = (any::<u32>(), anybody()).prop_map(|(offset, user)| {
        let offset = Offset(offset.into());
        Box::new(ReplyTo { offset, user })
    });
    (words(), option::of(reply)).prop_map(|(text, reply_to)| Text {
        text,
        language: Language::Unknown,
        reply_to,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let until = || option::of(any::<u32>().prop_map(|at| UnixMillis(at.into())));
    let pin = || ClientMessageId("p".into());
    prop_oneof![
        any::<u32>().prop_map(|offset| Event::Deleted {
            offset: Offset(offset.into())
        }),
        (anybody(), any::<u32>()).prop_map(|(user, through)| Event::Cleared {
            user,
            through: Offset(through.into())
        }),
        (anybody(), until()).prop_map(|(user, until)| Event::Muted { user, until }),
        (anybody(), until()).prop_map(|(user, until)| Event::Banned { user, until }),
        anybody().prop_map(|user| Event::Pardoned { user }),
        (words(), 1..9_u64).prop_map(move |(text, offset)| Event::Pinned {
            pin: pin(),
            text,
            offset: Some(Offset(offset))
        }),
        option::of(words()).prop_map(|text| Event::Gift {
            gift: "rose".into(),
            count: 3,
            text
        }),
        (sender(), text()).prop_map(|(sender, text)| Event::Held {
            sender,
            id: ClientMessageId("m9".into()),
            text,
            reason: HoldReason::Word
        }),
        (0..9_u8).prop_map(|choice| Event::Voted { choice }),
    ]
}

fn publication() -> impl Strategy<Value = Publication> {
    let body = prop_oneof![
        text().prop_map(Body::Text),
        event().prop_map(|event| Body::Event(Box::new(event))),
    ];
    (1..1_u64 << 62, any::<u32>(), sender(), body).prop_map(|(offset, at, sender, body)| {
        Publication {
            offset: Offset(offset),
            at: UnixMillis(at.into()),
            draft: Draft {
                id: ClientMessageId("m1".into()),
                sender,
                body,
            },
        }
    })
}

/// All texts of a message, for whoever looks for one in them.
fn shown(publication: &Publication) -> String {
    format!(
        "{:?} {}",
        publication.draft.sender,
        serde_json::to_string(&publication.draft.body).unwrap()
    )
}

proptest! {
    #[test]
    fn what_is_sealed_names_and_tells_nobody_and_opens_as_it_was(publication in publication(), author in 0..4_usize) {
        let keys = people_of(&PEOPLE);
        let author = PEOPLE.get(author).and_then(|name| keys.of_person(&user(name)));
        let sealed = seal(CHANNEL, &publication, &keys, author.map(|key| &**key)).unwrap();
        prop_assert!(!shown(&sealed).contains(CANARY), "{}", shown(&sealed));
        let rest = (sealed.offset, sealed.at, &sealed.draft.id, sealed.draft.sender.role);
        let before = (publication.offset, publication.at, &publication.draft.id, publication.draft.sender.role);
        prop_assert_eq!(rest, before);
        prop_assert!(pseudonyms(&sealed).all(|one| keys.of_pseudonym(&one).is_some()));
        prop_assert_eq!(open(CHANNEL, &sealed, &keys).unwrap(), Some(publication));
    }

    #[test]
    fn one_person_is_one_pseudonym(one in publication(), other in publication()) {
        let keys = people_of(&PEOPLE);
        let sealed = |of: &Publication| seal(CHANNEL, of, &keys, None).unwrap();
        let (first, second) = (sealed(&one), sealed(&other));
        prop_assert_eq!(
            one.draft.sender.user == other.draft.sender.user,
            first.draft.sender.user == second.draft.sender.user
        );
        // The same twice is not the same, but for who it is.
        prop_assert_eq!(&first.draft.sender.user, &sealed(&one).draft.sender.user);
        prop_assert_ne!(&first.draft.sender.name, &sealed(&one).draft.sender.name);
    }

    #[test]
    fn whoever_has_no_key_is_nowhere(publication in publication(), author in 0..4_usize, gone in 0..3_usize) {
        let keys = people_of(&PEOPLE);
        let author = PEOPLE.get(author).and_then(|name| keys.of_person(&user(name)));
        let sealed = seal(CHANNEL, &publication, &keys, author.map(|key| &**key)).unwrap();
        let gone = PEOPLE[gone];
        let left = without(&keys, gone);
        let Some(opened) = open(CHANNEL, &sealed, &left).unwrap() else {
            let pinned = author.map(|key| &key.person).filter(|_| matches!(publication.draft.body.as_event(), Some(Event::Pinned { .. })));
            prop_assert!(people(&publication).chain(pinned).any(|named| *named.0 == *gone));
            return Ok(());
        };
        prop_assert!(!shown(&opened).contains(&serde_json::to_string(gone).unwrap()), "{}", shown(&opened));
        prop_assert!(!all_people(&opened).any(|named| *named.0 == *gone));
        // Everybody else is there as they were.
        if all_people(&publication).all(|named| *named.0 != *gone) {
            prop_assert_eq!(opened, publication);
        } else if *publication.draft.sender.user.0 == *gone {
            prop_assert!(opened.draft.sender.user.0.starts_with("erased-"));
            prop_assert!(opened.draft.body.as_event().is_some());
        }
    }

    #[test]
    fn what_was_written_elsewhere_or_changed_does_not_open(words in words(), flip in any::<prop::sample::Index>(), bit in 0..6_u8) {
        let keys = people_of(&PEOPLE);
        let key = keys.of_person(&user(PEOPLE[0])).unwrap();
        let other = keys.of_person(&user(PEOPLE[1])).unwrap();
        let place = Place { channel: CHANNEL, offset: 7 };
        let sealed = place.seal(key, Column::Text, &words).unwrap();
        prop_assert_eq!(place.open(key, Column::Text, &sealed), Ok(words));
        let room = Place { channel: "room:demo", ..place };
        let next = Place { offset: 8, ..place };
        for wrong in [
            room.open(key, Column::Text, &sealed),
            next.open(key, Column::Text, &sealed),
            place.open(key, Column::Name, &sealed),
            place.open(other, Column::Text, &sealed),
        ] {
            prop_assert_eq!(wrong, Err(SealError::Changed));
        }
        // One letter is another one: of what is sealed, of its nonce or of its tag.
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed[2..]).unwrap();
        let at = flip.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let changed = format!("{MARK}{VERSION}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        prop_assert_eq!(place.open(key, Column::Text, &changed), Err(SealError::Changed));
    }

    #[test]
    fn what_is_not_sealed_is_refused_and_nothing_worse(text: String, marked: bool) {
        let keys = people_of(&PEOPLE);
        let key = keys.of_person(&user(PEOPLE[0])).unwrap();
        let place = Place { channel: CHANNEL, offset: 7 };
        let text = if marked { format!("{MARK}{VERSION}{text}") } else { text };
        prop_assert!(place.open(key, Column::Text, &text).is_err());
    }

    #[test]
    fn what_was_never_sealed_is_read_as_it_is(publication in publication()) {
        prop_assert_eq!(open(CHANNEL, &publication, &Keys::default()).unwrap(), Some(publication.clone()));
        prop_assert_eq!(pseudonyms(&publication).count(), 0);
    }
}

#[test]
fn what_somebody_did_is_counted_when_they_are_gone() {
    let keys = people_of(&PEOPLE);
    let by = |name: &str, event: Event| Publication {
        offset: Offset(1),
        at: UnixMillis(1),
        draft: Draft {
            id: ClientMessageId("m1".into()),
            sender: Sender::new(user(name), "canary", Role::Fan),
            body: Body::Event(Box::new(event)),
        },
    };
    let read = |publication: &Publication| {
        let sealed = seal(CHANNEL, publication, &keys, None).unwrap();
        open(CHANNEL, &sealed, &Keys::default()).unwrap().unwrap()
    };
    let gift = read(&by(
        PEOPLE[0],
        Event::Gift {
            gift: "rose".into(),
            count: 3,
            text: Some("canary".into()),
        },
    ));
    let Some(Event::Gift { gift, count, text }) = gift.draft.body.as_event() else {
        panic!("it stays");
    };
    assert_eq!((&**gift, *count, text), ("rose", 3, &None));
    let vote = |name: &str| read(&by(name, Event::Voted { choice: 1 })).draft.sender;
    let (one, same, other) = (vote(PEOPLE[0]), vote(PEOPLE[0]), vote(PEOPLE[1]));
    assert_eq!(one, same);
    assert_ne!(one.user, other.user);
    assert_eq!(&*one.name, NO_NAME);
}

#[test]
fn a_later_release_is_told_from_damage() {
    let keys = people_of(&PEOPLE);
    let key = keys.of_person(&user(PEOPLE[0])).unwrap();
    let place = Place {
        channel: CHANNEL,
        offset: 1,
    };
    let newer = format!("{MARK}2AAAA");
    assert_eq!(place.open(key, Column::Text, &newer), Err(SealError::Newer));
    assert_eq!(
        place.open(key, Column::Text, "plain"),
        Err(SealError::Shape)
    );
}
