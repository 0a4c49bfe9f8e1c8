use std::{collections::BTreeSet, sync::Arc};

use fanwave_store::{Kind as Wanted, Order};
use fanwave_wire::{
    Body as Said, ClientMessageId, Draft, Event, Offset, Role, Sender, UnixMillis, UserId,
    envelope::Record,
};
use proptest::prelude::*;

use super::*;
use crate::kafka::{
    entry::Seen,
    snapshot::{self, Pieces, Snapshot},
};

/// What one of several servers does.
#[derive(Debug, Clone)]
enum Act {
    /// Says so many messages, with ids from there on.
    Say {
        lane: usize,
        id: u8,
        count: u8,
    },
    Delete {
        offset: u64,
    },
    Clear {
        user: u8,
        through: u64,
    },
    Renew {
        lane: usize,
    },
    Loss,
}

/// An act, and how many entries behind its server was.
fn acts() -> impl Strategy<Value = Vec<(Act, usize)>> {
    let say = (0..LANES.len(), 0..20_u8, 1..5_u8);
    let act = prop_oneof![
        8 => say.prop_map(|(lane, id, count)| Act::Say { lane, id, count }),
        1 => (1..20_u64).prop_map(|offset| Act::Delete { offset }),
        1 => (0..3_u8, 1..20_u64).prop_map(|(user, through)| Act::Clear { user, through }),
        1 => (0..LANES.len()).prop_map(|lane| Act::Renew { lane }),
        1 => Just(Act::Loss),
    ];
    prop::collection::vec((act, 0..6_usize), 0..60)
}

const LANES: [&str; 4] = ["chat:a", "room:a", "vote:a", "chat:b"];

fn channel(lane: usize) -> Channel {
    LANES[lane].parse().unwrap()
}

fn record(user: u8, id: &str, body: Said) -> Record {
    let sender = Sender::new(UserId(user.to_string().into()), "Mina", Role::Moderator);
    let id = ClientMessageId(id.into());
    Record {
        at: UnixMillis(1_000),
        draft: Draft { id, sender, body },
    }
}

fn text(id: u8) -> Record {
    let said = Said::Text(fanwave_wire::Text::plain("hello"));
    record(id % 3, &id.to_string(), said)
}

fn act(id: &str, event: Event) -> Record {
    record(9, id, Said::Event(Box::new(event)))
}

/// The log of several servers that do all this, each with what it knew then.
fn log(acts: &[(Act, usize)]) -> Vec<Entry> {
    let mut folds = vec![Fold::default()];
    let mut log = Vec::new();
    for (index, (act_of, behind)) in acts.iter().enumerate() {
        let known = &folds[folds.len() - 1 - behind.min(&(folds.len() - 1))];
        let append = |channel: Channel, records| {
            let unknown = || Standing {
                epoch: Epoch("".into()),
                head: Offset(0),
            };
            let known = known.standing(&channel).cloned().unwrap_or_else(unknown);
            Body::Append {
                channel,
                known,
                records,
            }
        };
        let id = format!("act-{index}");
        let body = match act_of {
            Act::Say { lane, id, count } => {
                append(channel(*lane), (*id..*id + *count).map(text).collect())
            }
            Act::Delete { offset } => {
                let offset = Offset(*offset);
                append(channel(1), vec![act(&id, Event::Deleted { offset })])
            }
            Act::Clear { user, through } => {
                let user = UserId(user.to_string().into());
                let through = Offset(*through);
                append(channel(1), vec![act(&id, Event::Cleared { user, through })])
            }
            Act::Renew { lane } => {
                let channel = channel(*lane);
                let standing = known.standing(&channel);
                let none = Epoch("none".into());
                let lost = standing.map_or(none, |standing| standing.epoch.clone());
                Body::Renew { channel, lost }
            }
            Act::Loss => Body::Loss {
                losses: known.losses(),
            },
        };
        let mark = index as u128 + 1;
        let entry = Entry {
            mark,
            seen: None,
            body,
        };
        let mut fold = folds[folds.len() - 1].clone();
        fold.apply(i64::try_from(index).unwrap(), &entry);
        folds.push(fold);
        log.push(entry);
    }
    log
}

/// What a reader gets of a channel.
fn read(fold: &Fold, log: &[Entry], channel: &Channel, order: Order) -> Vec<Arc<Publication>> {
    let block = Block {
        after: Offset(0),
        through: Offset(u64::MAX),
        order,
        kind: Wanted::Everything,
        messages: u64::MAX,
    };
    let spans = fold.spans(channel, block);
    let publications = spans.iter().flat_map(|span| {
        let Body::Append { records, .. } = &log[usize::try_from(span.at).unwrap()].body else {
            unreachable!("a span is of an append");
        };
        span.publications(records.clone())
    });
    publications
        .filter(|publication| !fold.is_erased(channel, publication))
        .collect()
}

proptest! {
    #[test]
    fn servers_that_read_one_log_agree_wherever_they_begin_to_be_asked(acts in acts(), at in 0..60_usize) {
        let log = log(&acts);
        let mut whole = Fold::default();
        let mut outcomes = Vec::new();
        let mut middle = None;
        for (place, entry) in (0..).zip(&log) {
            if usize::try_from(place) == Ok(at) {
                middle = Some(whole.clone());
            }
            outcomes.push(whole.apply(place, entry));
        }
        // A fold that was put aside, and taken up again from where it was.
        if let Some(mut fold) = middle {
            let rest: Vec<_> = (0..).zip(&log).skip(at).map(|(place, entry)| fold.apply(place, entry)).collect();
            prop_assert_eq!(&fold, &whole);
            prop_assert_eq!(&outcomes[at..], &rest[..]);
        }
        // And one that was written down, and read by another server.
        let last = Seen { at: 7, mark: 8 };
        let mut pieces = Pieces::default();
        for piece in snapshot::pieces(9, last, &whole) {
            pieces.add(&piece);
        }
        prop_assert_eq!(pieces.newest(), Some(Ok(Snapshot { last, fold: whole })));
    }

    #[test]
    fn an_offset_of_an_epoch_is_one_message_and_there_is_no_gap(acts in acts()) {
        let log = log(&acts);
        let mut fold = Fold::default();
        let mut heads: BTreeMap<Channel, u64> = BTreeMap::new();
        let mut said: BTreeMap<(Channel, UserId, ClientMessageId), Offset> = BTreeMap::new();
        let mut epochs: BTreeSet<(Channel, String)> = BTreeSet::new();
        for (place, entry) in (0..).zip(&log) {
            let (outcome, news) = fold.apply(place, entry);
            if let Some(batch) = news {
                for publication in &batch.publications {
                    let head = heads.entry(batch.channel.clone()).or_default();
                    *head += 1;
                    prop_assert_eq!(publication.offset.0, *head, "offsets have no gap, and none comes twice");
                    let draft = &publication.draft;
                    let key = (batch.channel.clone(), draft.sender.user.clone(), draft.id.clone());
                    prop_assert!(said.insert(key, publication.offset).is_none(), "a copy has no place of its own");
                }
                epochs.insert((batch.channel.clone(), batch.epoch.0.to_string()));
            }
            if let (Outcome::Appended(Appended::Stored { placed, .. }), Body::Append { channel, records, .. }) = (outcome, &entry.body) {
                for (record, placed) in records.iter().zip(placed) {
                    let key = (channel.clone(), record.draft.sender.user.clone(), record.draft.id.clone());
                    prop_assert_eq!(said.get(&key), Some(&placed.offset), "a copy is where the first is");
                }
            }
        }
        let names: BTreeSet<&String> = epochs.iter().map(|(_, epoch)| epoch).collect();
        prop_assert_eq!(names.len(), epochs.len(), "each run of offsets has its own name");
    }

    #[test]
    fn what_is_read_is_what_was_told_and_not_deleted_since(acts in acts()) {
        let log = log(&acts);
        let mut fold = Fold::default();
        let mut model: BTreeMap<Channel, Vec<Arc<Publication>>> = BTreeMap::new();
        for (place, entry) in (0..).zip(&log) {
            let (_, news) = fold.apply(place, entry);
            let Some(batch) = news else { continue };
            let lane = model.entry(batch.channel.clone()).or_default();
            lane.extend(batch.publications.iter().cloned());
            if batch.channel == channel(1)
                && let Some(chat) = model.get_mut(&channel(0))
            {
                for publication in &batch.publications {
                    if let Said::Event(event) = &publication.draft.body {
                        chat.retain(|held| !fanwave_room::recent::deletes(event, held));
                    }
                }
            }
        }
        for lane in 0..LANES.len() {
            let channel = channel(lane);
            let expected = model.remove(&channel).unwrap_or_default();
            prop_assert_eq!(read(&fold, &log, &channel, Order::OldestFirst), expected);
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written(acts in acts(), at in any::<Option<u16>>()) {
        for mut entry in log(&acts) {
            entry.seen = at.map(|at| Seen { at: at.into(), mark: entry.mark + 7 });
            let bytes = entry.encode();
            prop_assert_eq!(Entry::decode(&bytes), Ok(entry));
            for cut in 0..bytes.len() {
                // What is cut between two records is an entry with fewer of them: Kafka cuts none.
                drop(Entry::decode(&bytes[..cut]));
            }
        }
    }

    #[test]
    fn bytes_of_strangers_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut pieces = Pieces::default();
        pieces.add(&bytes);
        pieces.add(&[b"FWS\x01".as_slice(), &[0; 16], &[0, 0, 0, 0, 0, 0, 0, 1], &bytes].concat());
        let too_short = bytes.len() < 36;
        let usable = pieces.newest().is_some_and(|newest| newest.is_ok());
        prop_assert!(!(too_short && usable));
        prop_assert!(Entry::decode(&bytes).is_err());
        let ours = [b"FWK\x01".as_slice(), &bytes].concat();
        drop(Entry::decode(&ours));
    }
}

#[test]
fn an_append_whose_server_has_seen_more_is_void() {
    let mut fold = Fold::default();
    let append = |mark: u128, epoch: Epoch, head: u64| Entry {
        mark,
        seen: None,
        body: Body::Append {
            channel: channel(0),
            known: Standing {
                epoch,
                head: Offset(head),
            },
            records: vec![text(u8::try_from(mark).unwrap())],
        },
    };
    fold.apply(0, &append(1, Epoch("".into()), 0));
    let before = fold.clone();
    let epoch = fold.standing(&channel(0)).unwrap().epoch.clone();
    let (outcome, news) = fold.apply(1, &append(2, epoch, 2));
    assert_eq!((outcome, news), (Outcome::Appended(Appended::Lost), None));
    assert_eq!(fold, before);
}

#[test]
fn a_copy_in_the_chat_is_known_for_five_minutes_and_a_vote_for_ever() {
    for (lane, known) in [(0, false), (2, true)] {
        let mut fold = Fold::default();
        let mut say = |id: u8, at: u64| {
            let entry = Entry {
                mark: at.into(),
                seen: None,
                body: Body::Append {
                    channel: channel(lane),
                    known: Standing {
                        epoch: Epoch("".into()),
                        head: Offset(0),
                    },
                    records: vec![Record {
                        at: UnixMillis(at),
                        ..text(id)
                    }],
                },
            };
            let (outcome, _) = fold.apply(i64::try_from(at).unwrap(), &entry);
            let Outcome::Appended(Appended::Stored { placed, .. }) = outcome else {
                unreachable!("{outcome:?}");
            };
            placed[0].offset.0
        };
        assert_eq!(say(1, 1), 1);
        assert_eq!(say(1, 300_001), 1, "the last moment");
        assert_eq!(say(1, 300_002) == 1, known);
    }
}
