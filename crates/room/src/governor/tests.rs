use std::collections::{BTreeMap, BTreeSet};

use fanwave_wire::{Body, ClientMessageId, Draft, ReplyTo, Role, Sender, Text};
use proptest::prelude::*;

use super::*;

/// The beginning of a tick.
const NOON: u64 = 1_800_000_000_000;
const TICK: u64 = 500;

/// A message to be: what the governor looks at.
#[derive(Debug, Clone)]
struct Said {
    sender: u8,
    language: Language,
    has_badge: bool,
    answers: Option<u8>,
    at: u64,
}

impl Said {
    fn by(sender: u8, at: u64) -> Self {
        Self {
            sender,
            language: Language::Korean,
            has_badge: false,
            answers: None,
            at: NOON + at,
        }
    }

    fn publication(&self, offset: u64) -> Arc<Publication> {
        let reply_to = self.answers.map(|answered| {
            Box::new(ReplyTo {
                offset: Offset(1),
                user: user(answered),
            })
        });
        let mut sender = Sender::new(user(self.sender), "Mina", Role::Fan);
        sender.badge = self.has_badge.then(|| "VIP".into());
        Arc::new(Publication {
            offset: Offset(offset),
            at: UnixMillis(self.at),
            draft: Draft {
                id: ClientMessageId(format!("m{offset}").into()),
                sender,
                body: Body::Text(Text {
                    text: "hello".into(),
                    language: self.language,
                    reply_to,
                }),
            },
        })
    }
}

fn user(index: u8) -> UserId {
    UserId(format!("user-{index}").into())
}

fn governor(shown_per_second: u32) -> Governor {
    let settings = Settings {
        shown_per_second,
        tick: Duration::from_millis(TICK),
    };
    Governor::new(&"demo".parse().unwrap(), settings)
}

fn log(said: &[Said]) -> Vec<Arc<Publication>> {
    let numbered = (1..).zip(said);
    numbered
        .map(|(offset, said)| said.publication(offset))
        .collect()
}

fn drain(governor: &mut Governor) -> Vec<Output> {
    std::iter::from_fn(|| governor.poll_output()).collect()
}

/// Brings a log in the given order, each publication `latency` after it was stamped, with timeouts when they are due.
fn run(governor: &mut Governor, publications: &[Arc<Publication>], latency: u64) -> Vec<Output> {
    let mut outputs = Vec::new();
    let mut now = UnixMillis(0);
    for publication in publications {
        now = now.max(UnixMillis(publication.at.0 + latency));
        while let Some(due) = governor.poll_timeout().filter(|due| *due <= now) {
            governor.handle_timeout(due);
        }
        governor.handle(now, publication.clone());
        outputs.extend(drain(governor));
    }
    if let Some(due) = governor.poll_timeout() {
        governor.handle_timeout(due);
    }
    assert_eq!(governor.poll_timeout(), None, "nothing waits after the end");
    outputs.extend(drain(governor));
    outputs
}

/// Offsets shown to everyone, in order.
fn sample(outputs: &[Output]) -> Vec<u64> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Show {
                publication,
                to: Reach::Everyone,
            } => Some(publication.offset.0),
            _ => None,
        })
        .collect()
}

fn more(outputs: &[Output], of: Language) -> u64 {
    outputs
        .iter()
        .map(|output| match output {
            Output::More { language, count } if *language == of => *count,
            _ => 0,
        })
        .sum()
}

/// Six messages in one tick of five, so that the next tick is busy.
fn rush(at: u64) -> Vec<Said> {
    (0..6)
        .map(|sender| Said::by(100 + sender, at + u64::from(sender)))
        .collect()
}

#[test]
fn in_a_quiet_room_a_message_leaves_at_once() {
    let mut governor = governor(10);
    let said: Vec<Said> = (0..20).map(|index| Said::by(1, index * TICK)).collect();
    for publication in log(&said) {
        governor.handle(publication.at, publication.clone());
        assert_eq!(drain(&mut governor), [shown(publication)]);
        assert_eq!(governor.poll_timeout(), None);
    }
}

#[test]
fn a_second_message_of_a_sender_waits_and_those_behind_it_too() {
    let mut governor = governor(10);
    let publications = log(&[
        Said::by(1, 0),
        Said::by(1, 10),
        Said::by(2, 20),
        Said::by(1, 900),
    ]);
    for publication in &publications[..3] {
        governor.handle(publication.at, publication.clone());
    }
    assert_eq!(sample(&drain(&mut governor)), [1]);
    let due = governor.poll_timeout().unwrap();
    assert_eq!(
        due,
        UnixMillis(NOON + TICK + u64::try_from(LATE_MAX.as_millis()).unwrap())
    );
    governor.handle_timeout(UnixMillis(due.0 - 1));
    assert_eq!(drain(&mut governor), []);
    // A message of the next tick closes this one before its time.
    governor.handle(publications[3].at, publications[3].clone());
    assert_eq!(sample(&drain(&mut governor)), [2, 3, 4]);
}

#[test]
fn what_is_sampled_away_reaches_its_sender_and_whom_it_answers() {
    let mut said: Vec<Said> = (0..50).map(|sender| Said::by(sender, 0)).collect();
    for message in &mut said {
        message.answers = Some(message.sender / 2);
    }
    let publications = log(&said);
    let outputs = run(&mut governor(10), &publications, 0);
    let mut away = 0;
    for output in &outputs {
        if let Output::Show {
            publication,
            to: Reach::Only(users),
        } = output
        {
            away += 1;
            let sender = said[usize::try_from(publication.offset.0).unwrap() - 1].sender;
            let answered = (sender > 0).then(|| user(sender / 2));
            assert_eq!(*users, [Some(user(sender)), answered]);
        }
    }
    assert_eq!(away, 45);
    assert_eq!(more(&outputs, Language::Korean), 45);
    assert_eq!(sample(&outputs).len(), 5);
}

#[test]
fn badges_moderators_and_artists_pass_at_nobodys_expense() {
    let mut said = rush(0);
    said.extend((0..40).map(|sender| Said::by(sender, TICK)));
    let mut publications = log(&said);
    let exempt = [Role::Moderator, Role::Artist, Role::Staff, Role::Fan];
    for (offset, role) in (100..).zip(exempt) {
        let mut said = Said::by(200, TICK + 1);
        said.has_badge = role == Role::Fan;
        let mut publication = Arc::unwrap_or_clone(said.publication(offset));
        publication.draft.sender.role = role;
        publications.push(Arc::new(publication));
    }
    let outputs = run(&mut governor(10), &publications, 0);
    let shown = sample(&outputs);
    assert_eq!(shown[shown.len() - 4..], [100, 101, 102, 103]);
    assert_eq!(shown.len(), 5 + 5 + 4);
    assert_eq!(more(&outputs, Language::Korean), 1 + 35);
}

#[test]
fn speed_zero_shows_everything() {
    let said: Vec<Said> = (0..100).map(|_| Said::by(1, 0)).collect();
    let outputs = run(&mut governor(0), &log(&said), 0);
    assert_eq!(sample(&outputs), (1..=100).collect::<Vec<_>>());
}

#[test]
fn languages_do_not_take_each_others_room() {
    let mut said: Vec<Said> = (0..100).map(|sender| Said::by(sender, 0)).collect();
    said.extend((0..5).map(|sender| Said {
        language: Language::Thai,
        ..Said::by(sender, 1)
    }));
    let outputs = run(&mut governor(10), &log(&said), 0);
    assert_eq!(more(&outputs, Language::Korean), 95);
    assert_eq!(more(&outputs, Language::Thai), 0);
}

#[test]
fn a_message_too_late_for_its_tick_counts_in_the_open_one() {
    let mut governor = governor(10);
    let said: Vec<Said> = (0..8).map(|sender| Said::by(sender, 0)).collect();
    let publications = log(&said);
    for publication in &publications[..7] {
        governor.handle(publication.at, publication.clone());
    }
    governor.handle_timeout(governor.poll_timeout().unwrap());
    let outputs = drain(&mut governor);
    assert_eq!(
        (sample(&outputs).len(), more(&outputs, Language::Korean)),
        (5, 2)
    );
    // That tick was full; this one is busy after it, so that the message waits, and then there is room for it.
    governor.handle(UnixMillis(NOON + 600), publications[7].clone());
    assert_eq!(drain(&mut governor), []);
    governor.handle_timeout(governor.poll_timeout().unwrap());
    assert_eq!(sample(&drain(&mut governor)), [8]);
}

#[test]
fn a_clock_that_was_ahead_does_not_stop_the_room() {
    let hour = 3_600_000;
    let mut said = vec![Said::by(0, hour)];
    said.extend((1..40).map(|index| Said::by(index, u64::from(index) * 200)));
    let publications = log(&said);
    let mut governor = governor(10);
    governor.handle(UnixMillis(NOON), publications[0].clone());
    let outputs = run(&mut governor, &publications[1..], 0);
    assert_eq!(sample(&outputs).len(), 40);
    assert_eq!(more(&outputs, Language::Korean), 0);
}

#[test]
fn what_is_deleted_while_it_waits_is_neither_shown_nor_counted() {
    let mut governor = governor(10);
    let mut said = rush(0);
    said.extend((0..3).map(|sender| Said::by(sender, TICK)));
    for publication in log(&said) {
        governor.handle(publication.at, publication);
    }
    drain(&mut governor);
    governor.erase(&Event::Deleted { offset: Offset(8) });
    governor.erase(&Event::Cleared {
        user: user(2),
        through: Offset(9),
    });
    governor.handle_timeout(governor.poll_timeout().unwrap());
    let outputs = drain(&mut governor);
    assert_eq!(sample(&outputs), [7]);
    assert_eq!(more(&outputs, Language::Korean), 0);
    governor.erase(&Event::Deleted { offset: Offset(7) });
    assert_eq!(governor.poll_timeout(), None);
}

/// A flooder is one sender: as many seats as anybody, and no better a lot.
#[test]
fn sending_more_gives_no_better_chance() {
    let mut said = rush(0);
    for tick in 1..=400 {
        said.extend((0..20).map(|sender| Said::by(sender, tick * TICK)));
        said.extend((0..50).map(|_| Said::by(99, tick * TICK)));
    }
    let outputs = run(&mut governor(10), &log(&said), 0);
    let mut times: BTreeMap<UserId, u32> = BTreeMap::new();
    for output in outputs {
        if let Output::Show {
            publication,
            to: Reach::Everyone,
        } = output
        {
            *times
                .entry(publication.draft.sender.user.clone())
                .or_default() += 1;
        }
    }
    // 400 ticks of 5 seats among 21 senders: 95 each, with a deviation of 9.
    for (user, times) in times.iter().filter(|(user, _)| user.0.len() <= 7) {
        assert!((60..=130).contains(times), "{user:?}: {times}");
    }
}

#[test]
fn more_than_can_wait_is_sampled_as_if_all_had_waited() {
    let count = 3 * GOVERNED_WAITING_MAX as u64;
    let mut said = rush(0);
    said.extend((0..count).map(|index| {
        let mut said = Said::by(u8::try_from(index % 100).unwrap(), TICK);
        said.has_badge = index % 10 == 0;
        said
    }));
    let publications = log(&said);
    let mut governor = governor(400);
    governor.lanes[Language::Korean.index()].busy = true;
    governor.tick = NOON / TICK + 1;
    let draw = Draw {
        key: governor.key,
        tick: governor.tick,
    };
    let busy: Vec<_> = publications[6..].to_vec();
    let plain: Vec<_> = busy
        .iter()
        .filter(|publication| !is_exempt(publication))
        .cloned()
        .collect();
    let fates = draw.winners(&plain, &[], busy[0].offset, 200);
    let mut expected: BTreeSet<u64> = plain
        .iter()
        .zip(fates)
        .filter(|(_, fate)| *fate == Fate::Drawn)
        .map(|(publication, _)| publication.offset.0)
        .collect();
    assert_eq!(expected.len(), 200);
    expected.extend(
        busy.iter()
            .filter(|publication| is_exempt(publication))
            .map(|publication| publication.offset.0),
    );
    let mut outputs = Vec::new();
    for publication in &busy {
        governor.handle(publication.at, publication.clone());
        assert!(governor.lanes[Language::Korean.index()].waiting.len() <= GOVERNED_WAITING_MAX);
        outputs.extend(drain(&mut governor));
    }
    governor.handle_timeout(governor.poll_timeout().unwrap());
    outputs.extend(drain(&mut governor));
    assert_eq!(
        sample(&outputs).into_iter().collect::<BTreeSet<_>>(),
        expected
    );
    assert_eq!(
        more(&outputs, Language::Korean),
        plain.len() as u64 - 200,
        "all the others are counted"
    );
}

#[test]
fn budgets_add_up_to_the_speed_whatever_the_tick() {
    for (per_second, tick) in [(10, 500), (3, 500), (7, 300), (1, 20), (33, 20), (999, 700)] {
        let tick = Duration::from_millis(tick);
        let pace = Pace::new(Settings {
            shown_per_second: per_second,
            tick,
        });
        let Pace::Limited { tick_millis, .. } = pace else {
            panic!("limited");
        };
        let budgets: Vec<usize> = (5_000..6_000).map(|tick| pace.budget(tick)).collect();
        assert!(budgets.iter().all(|budget| *budget >= 1));
        let expected = tick_millis * u64::from(per_second);
        assert_eq!(budgets.iter().sum::<usize>() as u64, expected);
    }
    let most = Pace::new(Settings {
        shown_per_second: u32::MAX,
        tick: Duration::MAX,
    });
    assert_eq!(most.budget(u64::MAX), SHOWN_PER_TICK_MAX);
}

/// Two versions of the program that run side by side must draw alike.
#[test]
fn the_draw_stays_what_it_is() {
    let mut said = rush(0);
    said.extend((0..100).map(|index| Said::by(index % 30, TICK)));
    let outputs = run(&mut governor(10), &log(&said), 0);
    assert_eq!(sample(&outputs)[5..], [28, 54, 74, 94, 101]);
}

fn said() -> impl Strategy<Value = (Said, u64)> {
    let language = prop_oneof![Just(Language::Korean), Just(Language::Thai)];
    let answers = prop::option::of(0u8..12);
    (
        0u8..12,
        language,
        prop::bool::weighted(0.1),
        answers,
        0u64..120,
    )
        .prop_map(|(sender, language, has_badge, answers, gap)| {
            let said = Said {
                sender,
                language,
                has_badge,
                answers,
                at: 0,
            };
            (said, gap)
        })
}

/// A log in which time goes on, with bursts and silences.
fn history() -> impl Strategy<Value = Vec<Arc<Publication>>> {
    let bursts = prop::collection::vec(
        (prop::collection::vec(said(), 0..60), 0u64..4, 0u64..1_500),
        1..6,
    );
    bursts.prop_map(|bursts| {
        let mut at = NOON;
        let mut all = Vec::new();
        for (burst, divisor, silence) in bursts {
            for (mut said, gap) in burst {
                at += gap / (1 + divisor * 10);
                said.at = at;
                all.push(said);
            }
            at += silence;
        }
        log(&all)
    })
}

/// What a tick of a language was offered and has shown.
#[derive(Debug, Default)]
struct Tally {
    exempt: usize,
    /// By sender: offered, and shown.
    senders: BTreeMap<UserId, (usize, usize)>,
}

proptest! {
    /// Every message goes exactly one way; ticks keep their budget and use it up; nobody has two where another who
    /// wants one has none; and what a language shows is in the order of the offsets.
    #[test]
    fn shown_and_counted_make_offered(publications in history(), speed in 2u32..40, latency in 0u64..40) {
        let outputs = run(&mut governor(speed), &publications, latency);
        let mut shown = BTreeSet::new();
        let mut told = BTreeSet::new();
        let mut newest: BTreeMap<Language, Offset> = BTreeMap::new();
        for output in &outputs {
            let Output::Show { publication, to } = output else { continue };
            prop_assert!(told.insert(publication.offset), "told twice: {}", publication.offset.0);
            match to {
                Reach::Everyone => {
                    shown.insert(publication.offset);
                    let newest = newest.entry(language_of(publication)).or_default();
                    prop_assert!(*newest < publication.offset, "out of order");
                    *newest = publication.offset;
                }
                Reach::Only(users) => {
                    let sender = &publication.draft.sender.user;
                    let answered = publication.draft.body.as_text().and_then(|text| text.reply_to.as_ref());
                    prop_assert_eq!(users[0].as_ref(), Some(sender));
                    prop_assert_eq!(users[1].as_ref(), answered.map(|to| &to.user).filter(|user| *user != sender));
                }
            }
        }
        prop_assert_eq!(told.len(), publications.len(), "every sender sees their own message");
        let pace = Pace::new(Settings { shown_per_second: speed, tick: Duration::from_millis(TICK) });
        let Pace::Limited { tick_millis, .. } = pace else { panic!("limited") };
        let mut tallies: BTreeMap<(Language, u64), Tally> = BTreeMap::new();
        for publication in &publications {
            let is_shown = shown.contains(&publication.offset);
            let tally = tallies.entry((language_of(publication), publication.at.0 / tick_millis)).or_default();
            if is_exempt(publication) {
                prop_assert!(is_shown, "a badge passes");
                tally.exempt += 1;
            } else {
                let sender = tally.senders.entry(publication.draft.sender.user.clone()).or_default();
                sender.0 += 1;
                sender.1 += usize::from(is_shown);
            }
        }
        let mut away: BTreeMap<Language, u64> = BTreeMap::new();
        for ((language, tick), tally) in &tallies {
            let offered: usize = tally.senders.values().map(|sender| sender.0).sum();
            let shown: usize = tally.senders.values().map(|sender| sender.1).sum();
            prop_assert_eq!(shown, offered.min(pace.budget(*tick)));
            *away.entry(*language).or_default() += (offered - shown) as u64;
            let poorest = tally.senders.values().filter(|sender| sender.1 < sender.0).map(|sender| sender.1).min();
            for (sender, (_, shown)) in &tally.senders {
                prop_assert!(poorest.is_none_or(|poorest| *shown <= poorest + 1), "{sender:?} has too much");
            }
        }
        for (language, away) in away {
            prop_assert_eq!(more(&outputs, language), away);
        }
    }

    /// Nodes that get the log sooner or later, and look at their clocks often or never, show the same.
    #[test]
    fn every_node_shows_the_same(publications in history(), speed in 1u32..40, latency in 0u64..40, skew in 0u64..5_000) {
        let here = run(&mut governor(speed), &publications, 0);
        let there = run(&mut governor(speed), &publications, latency + skew);
        prop_assert_eq!(sample(&here), sample(&there));
        let mut idle = governor(speed);
        let mut outputs = Vec::new();
        for publication in &publications {
            idle.handle(UnixMillis(0), publication.clone());
            outputs.extend(drain(&mut idle));
        }
        idle.handle_timeout(UnixMillis(u64::MAX));
        outputs.extend(drain(&mut idle));
        prop_assert_eq!(sample(&here), sample(&outputs));
    }

    /// Of a busy tick only the set counts, not the order in which it comes.
    #[test]
    fn in_a_busy_tick_order_does_not_matter(
        (tick, shuffled) in prop::collection::vec(said(), 1..80).prop_flat_map(|tick| {
            let mut said = rush(0);
            said.extend(tick.into_iter().map(|(said, gap)| Said { language: Language::Korean, at: NOON + TICK + gap, ..said }));
            let tick = log(&said).split_off(6);
            (Just(tick.clone()), Just(tick).prop_shuffle())
        }),
        speed in 2u32..40,
    ) {
        let mut outcomes = [&tick, &shuffled].map(|publications| {
            let mut governor = governor(speed);
            governor.tick = NOON / TICK + 1;
            governor.lanes[Language::Korean.index()].busy = true;
            // An exempt message leaves at once when nothing waits; what is shown in all is what must not change.
            let outputs = run(&mut governor, publications, 0);
            (sample(&outputs), more(&outputs, Language::Korean))
        });
        for outcome in &mut outcomes {
            outcome.0.sort_unstable();
        }
        prop_assert_eq!(&outcomes[0], &outcomes[1]);
    }

    /// Whatever the order, the clock and the stamps: no message is lost or told twice, and nothing waits for ever.
    #[test]
    fn disorder_loses_nothing(
        stamps in prop::collection::vec((0u64..3_000, 0u8..6, 0u64..400), 0..150),
        speed in 1u32..30,
    ) {
        let mut governor = governor(speed);
        let mut now = NOON;
        let mut outputs = Vec::new();
        for (offset, (at, sender, gap)) in (1..).zip(&stamps) {
            now += gap;
            governor.handle_timeout(UnixMillis(now));
            governor.handle(UnixMillis(now), Said::by(*sender, *at).publication(offset));
            outputs.extend(drain(&mut governor));
            let patience = u64::from(1_000 / speed).max(TICK) + 50 + 1;
            prop_assert!(governor.poll_timeout().is_none_or(|due| due.0 <= now + patience));
        }
        governor.handle_timeout(UnixMillis(u64::MAX));
        outputs.extend(drain(&mut governor));
        let told = outputs.iter().filter(|output| matches!(output, Output::Show { .. })).count();
        prop_assert_eq!(told, stamps.len());
        let shown = sample(&outputs);
        prop_assert!(shown.is_sorted());
        prop_assert_eq!(shown.len() as u64 + more(&outputs, Language::Korean), stamps.len() as u64);
    }
}
