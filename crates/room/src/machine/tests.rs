use fanwave_wire::{
    Action, Body, ClientMessageId, Draft, HoldReason, Language, Mode, ReactionKind, ReportReason,
    Role, Sender, Text, UserId,
};

use super::*;

const NOON: UnixMillis = UnixMillis(1_800_000_000_000);

fn user(name: &str) -> UserId {
    UserId(name.into())
}

fn sender(name: &str, role: Role) -> Sender {
    Sender::new(user(name), name, role)
}

fn id(text: &str) -> ClientMessageId {
    ClientMessageId(text.into())
}

/// A room and the simplest engine: it stores what the room publishes, and delivers it at once.
struct World {
    room: Room,
    now: UnixMillis,
    heads: BTreeMap<Lane, Offset>,
    log: Vec<(Lane, Arc<Publication>)>,
    /// What is neither published nor shown.
    rest: Vec<Output>,
    shown: Vec<(Lane, Offset, Reach)>,
    tickets: u64,
}

impl World {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        Self {
            room: Room::new(&"demo".parse().unwrap(), settings),
            now: NOON,
            heads: BTreeMap::new(),
            log: Vec::new(),
            rest: Vec::new(),
            shown: Vec::new(),
            tickets: 0,
        }
    }

    /// Brings an input; answers with the room's answer.
    fn ask(&mut self, input: impl FnOnce(Ticket) -> Input) -> Result<Answer, Refusal> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let mut answers = self.drive(input(ticket));
        assert_eq!(answers.len(), 1, "exactly one answer");
        let (to, answer) = answers.remove(0);
        assert_eq!(to, ticket);
        answer
    }

    fn drive(&mut self, input: Input) -> Vec<(Ticket, Result<Answer, Refusal>)> {
        self.room.handle(self.now, input);
        let mut answers = Vec::new();
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Publish(publish) => {
                    answers.extend(publish.ticket.map(|ticket| (ticket, Ok(publish.answer))));
                    self.store(publish.lane, publish.draft);
                    if let Some((lane, draft)) = publish.then {
                        self.store(lane, draft);
                    }
                }
                Output::Refuse { ticket, refusal } => answers.push((ticket, Err(refusal))),
                Output::Done { ticket } => answers.push((ticket, Ok(Answer::Stored))),
                Output::Show {
                    lane,
                    publication,
                    to,
                } => self.shown.push((lane, publication.offset, to)),
                other => self.rest.push(other),
            }
        }
        answers
    }

    /// What the engine does: once for every sender and id.
    fn store(&mut self, lane: Lane, draft: Draft) {
        let is_known = self.log.iter().any(|(known, publication)| {
            let other = &publication.draft;
            *known == lane && other.id == draft.id && other.sender.user == draft.sender.user
        });
        if is_known {
            return;
        }
        let head = self.heads.entry(lane).or_default();
        *head = head.next();
        let publication = Arc::new(Publication {
            offset: *head,
            at: self.now,
            draft,
        });
        self.log.push((lane, Arc::clone(&publication)));
        self.room
            .handle(self.now, Input::Published { lane, publication });
    }

    fn say(&mut self, who: &Sender, text: &str) -> Result<Answer, Refusal> {
        let say = Box::new(Say {
            lane: Lane::Chat,
            sender: who.clone(),
            follows_since: None,
            id: id(&format!("m{}", self.tickets)),
            text: text.into(),
            reply_to: None,
            unpaced: false,
            held: false,
        });
        self.ask(|ticket| Input::Say { ticket, say })
    }

    fn act(&mut self, who: &Sender, action: Action) -> Result<Answer, Refusal> {
        let act = Box::new(Act {
            sender: who.clone(),
            follows_since: None,
            id: id(&format!("a{}", self.tickets)),
            action,
        });
        self.ask(|ticket| Input::Act { ticket, act })
    }

    /// Lets time pass, stopping at every deadline.
    fn wait(&mut self, millis: u64) {
        let end = UnixMillis(self.now.0 + millis);
        while let Some((at, _)) = self.room.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.drive(Input::Timeout);
        }
        self.now = end;
    }

    /// The same room on a node that opens it now.
    fn opened_elsewhere(&self) -> Self {
        let mut opened = Self::new();
        for lane in [Lane::Room, Lane::Staff, Lane::Vote, Lane::Chat] {
            opened.room.resume(lane, self.heads[&lane]);
            for (_, publication) in self.log.iter().filter(|(of, _)| *of == lane) {
                opened.room.restore(NOON, lane, publication);
            }
        }
        opened
    }

    fn newest(&self, lane: Lane) -> &Draft {
        let newest = self.log.iter().rev().find(|(of, _)| *of == lane);
        &newest.unwrap().1.draft
    }
}

fn mode(mode: Mode) -> Action {
    Action::Mode(mode)
}

#[test]
fn what_is_said_is_stored_and_then_shown_in_its_language() {
    let mut world = World::new();
    assert_eq!(
        world.say(&sender("f", Role::Fan), "  사랑해요 여러분 \n"),
        Ok(Answer::Stored)
    );
    assert_eq!(world.shown, [(Lane::Chat, Offset(1), Reach::Everyone)]);
    let text = world.newest(Lane::Chat).body.as_text().unwrap();
    assert_eq!(
        (&*text.text, text.language),
        ("사랑해요 여러분", Language::Korean)
    );
    assert_eq!(
        world.say(&sender("f", Role::Fan), "\u{200b}"),
        Err(Refusal::Empty)
    );
    let say = Box::new(Say {
        lane: Lane::Room,
        sender: sender("f", Role::Fan),
        follows_since: None,
        id: id("x"),
        text: "hi".into(),
        reply_to: None,
        unpaced: false,
        held: false,
    });
    assert_eq!(
        world.ask(|ticket| Input::Say { ticket, say }),
        Err(Refusal::NotAllowed)
    );
}

#[test]
fn pace_is_kept_for_each_sender_and_refusals_are_free() {
    let mut world = World::new();
    let (fan, moderator) = (sender("f", Role::Fan), sender("m", Role::Moderator));
    world
        .act(
            &moderator,
            mode(Mode {
                slow_seconds: 5,
                ..Mode::default()
            }),
        )
        .unwrap();
    world.say(&fan, "one").unwrap();
    world.now.0 += 1_000;
    let wait = Err(Refusal::TooFast {
        retry_after: std::time::Duration::from_secs(4),
    });
    assert_eq!(world.say(&fan, "two"), wait);
    assert_eq!(
        world.say(&fan, "two"),
        wait,
        "a refusal does not begin the wait anew"
    );
    world.say(&moderator, "one").unwrap();
    world.say(&moderator, "the slow mode is for fans").unwrap();
    world.now.0 += 4_000;
    world.say(&fan, "two").unwrap();
    world.act(&moderator, mode(Mode::default())).unwrap();
    world.now.0 += 60_000;
    let sent = (0..20).filter(|_| world.say(&fan, "again").is_ok()).count();
    assert_eq!(
        sent,
        crate::limits::BURST_DEFAULT as usize,
        "the allowance is the gate's"
    );
}

#[test]
fn a_ban_silences_ejects_and_is_lifted() {
    let mut world = World::new();
    let (fan, moderator, staff) = (
        sender("f", Role::Fan),
        sender("m", Role::Moderator),
        sender("s", Role::Staff),
    );
    world.say(&staff, "hello").unwrap();
    let ban = |who: &Sender| Action::Ban {
        user: who.user.clone(),
        seconds: Some(60),
    };
    assert_eq!(world.act(&fan, ban(&staff)), Err(Refusal::NotAllowed));
    assert_eq!(world.act(&moderator, ban(&staff)), Err(Refusal::Outranked));
    assert_eq!(
        world.act(&moderator, ban(&moderator)),
        Err(Refusal::Outranked)
    );
    world.act(&moderator, ban(&fan)).unwrap();
    let eject = Output::Eject {
        user: fan.user.clone(),
        below: Role::Moderator,
    };
    world.drive(Input::Timeout);
    assert_eq!(world.rest, [eject]);
    let until = Some(UnixMillis(NOON.0 + 60_000));
    assert_eq!(world.say(&fan, "hi"), Err(Refusal::Banned { until }));
    let taps = BTreeMap::from([("heart".parse::<ReactionKind>().unwrap(), 1)]);
    let react = |ticket| Input::React {
        ticket,
        sender: fan.clone(),
        batch: id("b"),
        taps,
    };
    assert_eq!(world.ask(react), Err(Refusal::Banned { until }));
    world
        .act(
            &moderator,
            Action::Pardon {
                user: fan.user.clone(),
            },
        )
        .unwrap();
    world.say(&fan, "thank you").unwrap();
}

#[test]
fn what_is_deleted_leaves_the_governor_the_windows_and_the_future() {
    let mut world = World::new();
    let (fan, moderator) = (sender("f", Role::Fan), sender("m", Role::Moderator));
    assert_eq!(
        world.act(&moderator, Action::Delete { offset: Offset(1) }),
        Err(Refusal::NotFound)
    );
    world.say(&fan, "사랑해요").unwrap();
    world.say(&fan, "사랑해요 여러분").unwrap();
    assert_eq!(world.shown, [(Lane::Chat, Offset(1), Reach::Everyone)]);
    world
        .act(&moderator, Action::Delete { offset: Offset(2) })
        .unwrap();
    world.wait(2_000);
    let chat: Vec<_> = world
        .shown
        .iter()
        .filter(|(lane, ..)| *lane == Lane::Chat)
        .collect();
    assert_eq!(chat.len(), 1, "what was held back is gone");
    assert_eq!(
        world.rest,
        [Output::Erase(Event::Deleted { offset: Offset(2) })]
    );

    // A node that hears of the deletion before the message never shows it.
    let deleted = world
        .log
        .iter()
        .find(|(lane, _)| *lane == Lane::Room)
        .unwrap()
        .1
        .clone();
    let message = world.log[1].1.clone();
    let mut late = World::new();
    late.drive(Input::Published {
        lane: Lane::Room,
        publication: deleted,
    });
    late.drive(Input::Published {
        lane: Lane::Chat,
        publication: message,
    });
    late.wait(2_000);
    assert!(late.shown.iter().all(|(lane, ..)| *lane == Lane::Room));
    assert_eq!(
        world.act(
            &moderator,
            Action::Clear {
                user: fan.user.clone()
            }
        ),
        Ok(Answer::Stored)
    );
    let cleared = Event::Cleared {
        user: fan.user,
        through: Offset(2),
    };
    assert_eq!(world.newest(Lane::Room).body.as_event(), Some(&cleared));
}

#[test]
fn moderators_do_not_delete_what_stands_above_them() {
    let mut world = World::new();
    let (moderator, other, artist) = (
        sender("m", Role::Moderator),
        sender("o", Role::Moderator),
        sender("a", Role::Artist),
    );
    world.say(&artist, "by the artist").unwrap();
    world.say(&moderator, "by the moderator").unwrap();
    let delete = |offset| Action::Delete {
        offset: Offset(offset),
    };
    assert_eq!(world.act(&moderator, delete(1)), Err(Refusal::Outranked));
    assert_eq!(world.act(&other, delete(2)), Err(Refusal::Outranked));
    assert_eq!(
        world.act(&moderator, delete(2)),
        Ok(Answer::Stored),
        "their own"
    );
    assert_eq!(world.act(&artist, delete(1)), Ok(Answer::Stored));
}

#[test]
fn a_held_message_waits_and_is_let_in_under_its_own_name() {
    let mut world = World::new();
    let (fan, moderator) = (sender("f", Role::Fan), sender("m", Role::Moderator));
    let words = Action::Words {
        language: Language::Korean,
        words: vec!["시발".into()],
    };
    world.act(&moderator, words).unwrap();
    assert_eq!(world.say(&fan, "ㅅ ㅣ ㅂ ㅏ ㄹ"), Ok(Answer::Waits));
    let held = Offset(2);
    let waiting = world.room.policy().held(held).unwrap().clone();
    assert_eq!(
        (waiting.sender.clone(), waiting.id.clone()),
        (fan.clone(), world.newest(Lane::Staff).id.clone())
    );
    let review = |approve| Action::Review { held, approve };
    assert_eq!(world.act(&fan, review(true)), Err(Refusal::NotAllowed));
    world.act(&moderator, review(true)).unwrap();
    let chat = world.newest(Lane::Chat);
    assert_eq!(
        (&chat.sender, &chat.id, chat.body.as_text()),
        (&fan, &waiting.id, Some(&waiting.text))
    );
    assert_eq!(
        world.newest(Lane::Staff).body.as_event(),
        Some(&Event::Reviewed {
            held,
            approved: true
        })
    );
    assert_eq!(
        world.act(&moderator, review(true)),
        Err(Refusal::NotFound),
        "it no longer waits"
    );
    world
        .act(
            &moderator,
            mode(Mode {
                hold: true,
                ..Mode::default()
            }),
        )
        .unwrap();
    world.say(&fan, "hello").unwrap();
    let Some(Event::Held { reason, .. }) = world.newest(Lane::Staff).body.as_event() else {
        panic!("it is held");
    };
    assert_eq!(*reason, HoldReason::Room);
}

#[test]
fn fans_report_a_message_to_the_moderators_who_may_leave_it() {
    let mut world = World::new();
    let (fan, troll, moderator) = (
        sender("f", Role::Fan),
        sender("t", Role::Fan),
        sender("m", Role::Moderator),
    );
    let report = |offset| Action::Report {
        offset: Offset(offset),
        reason: ReportReason::Abuse,
    };
    let dismiss = Action::DismissReports { offset: Offset(1) };
    assert_eq!(
        world.act(&fan, report(1)),
        Err(Refusal::NotFound),
        "not said yet"
    );
    world.say(&troll, "nasty").unwrap();
    assert_eq!(
        world.act(&moderator, dismiss.clone()),
        Err(Refusal::NotFound)
    );
    assert_eq!(world.act(&fan, report(1)), Ok(Answer::Waits));
    let (draft, event) = (
        world.newest(Lane::Staff),
        Event::Reported {
            offset: Offset(1),
            reason: ReportReason::Abuse,
        },
    );
    assert_eq!((&draft.sender, draft.body.as_event()), (&fan, Some(&event)));
    assert_eq!(draft.id, id("report:1"), "one of each fan");
    assert_eq!(world.act(&fan, dismiss.clone()), Err(Refusal::NotAllowed));
    assert_eq!(world.act(&moderator, dismiss.clone()), Ok(Answer::Stored));
    assert_eq!(
        world.newest(Lane::Staff).body.as_event(),
        Some(&Event::ReportsDismissed { offset: Offset(1) })
    );
    assert_eq!(
        world.act(&moderator, dismiss),
        Err(Refusal::NotFound),
        "it is done with"
    );
    let kept = world.log.len();
    assert!(world.act(&troll, report(1)).is_ok(), "and stays so");
    assert_eq!(world.log.len(), kept);
    world
        .act(
            &moderator,
            Action::Ban {
                user: user("f"),
                seconds: None,
            },
        )
        .unwrap();
    assert_eq!(
        world.act(&fan, report(1)),
        Err(Refusal::Banned { until: None })
    );
}

#[test]
fn reports_are_paced_and_no_flood_of_them_reaches_the_moderators() {
    let mut world = World::new();
    let report = |offset| Action::Report {
        offset: Offset(offset),
        reason: ReportReason::Spam,
    };
    for name in 0..60 {
        world
            .say(&sender(&format!("t{name}"), Role::Fan), "again")
            .unwrap();
    }
    let fan = sender("f", Role::Fan);
    let burst = u64::from(crate::limits::BURST_DEFAULT);
    for offset in 1..=burst {
        world.act(&fan, report(offset)).unwrap();
    }
    let too_fast = world.act(&fan, report(burst + 1));
    assert!(
        matches!(too_fast, Err(Refusal::TooFast { .. })),
        "{too_fast:?}"
    );

    world.now = UnixMillis(NOON.0 + 60_000);
    let stored = |world: &World| {
        let reports = world.log.iter().filter(|(lane, _)| *lane == Lane::Staff);
        reports.count()
    };
    let before = stored(&world);
    for name in 0..2 * crate::limits::REPORTS_OF_MESSAGE_MAX {
        world
            .act(&sender(&format!("r{name}"), Role::Fan), report(60))
            .unwrap();
    }
    let kept = crate::limits::REPORTS_OF_MESSAGE_MAX as usize;
    assert_eq!(
        stored(&world),
        before + kept,
        "what so many have seen is seen"
    );

    world.now = UnixMillis(NOON.0 + 120_000);
    let fans = u64::from(REPORTS_BURST.get());
    let answers: Vec<_> = (1..=fans + 1)
        .map(|place| {
            world.act(
                &sender(&format!("s{place}"), Role::Fan),
                report(place % 50 + 1),
            )
        })
        .collect();
    assert!(
        matches!(answers.last(), Some(Err(Refusal::Busy { .. }))),
        "{answers:?}"
    );
    assert!(answers[..answers.len() - 1].iter().all(Result::is_ok));
}

#[test]
fn a_poll_takes_one_vote_of_each_fan_and_closes_at_its_time() {
    let mut world = World::new();
    let artist = sender("a", Role::Artist);
    let open = Action::OpenPoll {
        id: Some(id("p")),
        question: "which?".into(),
        choices: vec!["x".into(), "y".into()],
        seconds: Some(10),
    };
    assert_eq!(
        world.act(&sender("f", Role::Fan), open.clone()),
        Err(Refusal::NotAllowed)
    );
    world.act(&artist, open).unwrap();
    let vote = |world: &mut World, name: &str, choice| {
        let (sender, poll) = (sender(name, Role::Fan), id("p"));
        world.ask(|ticket| Input::Vote {
            ticket,
            sender,
            poll,
            choice,
        })
    };
    vote(&mut world, "f", 1).unwrap();
    vote(&mut world, "g", 1).unwrap();
    assert_eq!(vote(&mut world, "f", 0), Err(Refusal::HasVoted));
    assert_eq!(vote(&mut world, "h", 2), Err(Refusal::NotFound));
    let standing = world.room.standing();
    let tally = Notice::Tally {
        poll: id("p"),
        counts: vec![0, 2],
    };
    assert_eq!(
        (standing.events.len(), &standing.tallies),
        (1, &vec![tally.clone()])
    );
    world.wait(5_000);
    assert_eq!(world.rest, [Output::Notice(tally)]);
    world.wait(10_000);
    let closed = Event::PollClosed {
        poll: id("p"),
        counts: vec![0, 2],
    };
    assert_eq!(world.newest(Lane::Room).body.as_event(), Some(&closed));
    assert_eq!(vote(&mut world, "i", 0), Err(Refusal::NotFound));
    assert!(world.room.standing().events.is_empty());
    assert_eq!(world.room.poll_timeout(), None);
}

#[test]
fn a_vote_that_overtakes_its_poll_counts() {
    let mut world = World::new();
    let open = Action::OpenPoll {
        id: Some(id("p")),
        question: "which?".into(),
        choices: vec!["x".into(), "y".into()],
        seconds: None,
    };
    world.act(&sender("a", Role::Artist), open).unwrap();
    let vote = |ticket| Input::Vote {
        ticket,
        sender: sender("f", Role::Fan),
        poll: id("p"),
        choice: 1,
    };
    world.ask(vote).unwrap();
    let mut other = World::new();
    for (lane, publication) in world.log.iter().rev() {
        let (lane, publication) = (*lane, Arc::clone(publication));
        other.drive(Input::Published { lane, publication });
    }
    assert_eq!(other.room.standing().tallies, world.room.standing().tallies);
    let tally = Notice::Tally {
        poll: id("p"),
        counts: vec![0, 1],
    };
    assert_eq!(other.room.standing().tallies, [tally]);
}

#[test]
fn pins_gifts_and_taps() {
    let mut world = World::new();
    let (fan, artist) = (sender("f", Role::Fan), sender("a", Role::Artist));
    let pin = Action::Pin {
        id: Some(id("p")),
        text: " hello ".into(),
        offset: None,
    };
    assert_eq!(world.act(&fan, pin.clone()), Err(Refusal::NotAllowed));
    world.act(&artist, pin).unwrap();
    assert_eq!(world.room.standing().events.len(), 1);
    world.act(&artist, Action::Unpin { pin: id("p") }).unwrap();
    assert_eq!(
        world.act(&artist, Action::Unpin { pin: id("p") }),
        Err(Refusal::NotFound)
    );

    let gift = |text: &str| Action::Gift {
        id: None,
        gift: "rose".into(),
        count: 3,
        text: Some(text.into()),
    };
    world.act(&fan, gift("for you")).unwrap();
    let words = Action::Words {
        language: Language::English,
        words: vec!["rude".into()],
    };
    world.act(&artist, words).unwrap();
    assert_eq!(world.act(&fan, gift("so RUDE")), Err(Refusal::Word));
    let taken = (0..100).filter(|n| {
        world
            .act(&sender(&format!("g{n}"), Role::Fan), gift("hi"))
            .is_ok()
    });
    assert_eq!(
        taken.count(),
        GIFTS_BURST.get() as usize - 1,
        "a room's gifts are paced"
    );

    for (batch, taps) in [("b1", 2), ("b1", 2), ("b2", 3)] {
        let taps = BTreeMap::from([("heart".parse::<ReactionKind>().unwrap(), taps)]);
        let sender = fan.clone();
        world
            .ask(|ticket| Input::React {
                ticket,
                sender,
                batch: id(batch),
                taps,
            })
            .unwrap();
    }
    world.rest.clear();
    world.wait(1_000);
    let five = BTreeMap::from([("heart".parse().unwrap(), 5)]);
    let told = Output::Notice(Notice::Reactions {
        counts: five.clone(),
    });
    let passed_on = Output::Tapped { taps: five.clone() };
    assert_eq!(world.rest, [told.clone(), passed_on]);
    // What another node passes on is told here, and goes no further.
    world.rest.clear();
    world.drive(Input::Heard { taps: five });
    world.wait(1_000);
    assert_eq!(world.rest, [told]);
}

#[test]
fn comings_and_goings_are_told_in_small_rooms() {
    let mut world = World::new();
    for name in ["f", "f", "g"] {
        world.drive(Input::Joined { user: user(name) });
    }
    for name in ["f", "f", "f"] {
        world.drive(Input::Left { user: user(name) });
    }
    let (f, g) = (user("f"), user("g"));
    let told = [
        Output::Joined { user: f.clone() },
        Output::Joined { user: g },
        Output::Left { user: f },
    ];
    assert_eq!(world.rest, told);
    assert_eq!(world.room.audience().stats().num_users, 1);
}

#[test]
fn the_chat_lane_leaves_in_order_whatever_its_languages() {
    let mut world = World::new();
    let said = |offset: u64, at: u64, language| {
        let text = Text {
            text: "x".into(),
            language,
            reply_to: None,
        };
        Arc::new(Publication {
            offset: Offset(offset),
            at: UnixMillis(NOON.0 + at),
            draft: Draft {
                id: id(&format!("m{offset}")),
                sender: sender(&format!("u{offset}"), Role::Fan),
                body: Body::Text(text),
            },
        })
    };
    // A flood of Korean makes its lane wait for the tick; single messages in Thai come between.
    let mut offset = 0;
    for step in 0..300u64 {
        world.now = UnixMillis(NOON.0 + step * 10);
        let language = if step % 50 == 17 {
            Language::Thai
        } else {
            Language::Korean
        };
        offset += 1;
        let publication = said(offset, step * 10, language);
        world.drive(Input::Published {
            lane: Lane::Chat,
            publication,
        });
    }
    world.wait(5_000);
    let offsets: Vec<_> = world.shown.iter().map(|(_, offset, _)| offset.0).collect();
    assert_eq!(
        offsets,
        (1..=300).collect::<Vec<_>>(),
        "each once, in order"
    );
    let away = world
        .shown
        .iter()
        .filter(|(.., to)| *to != Reach::Everyone)
        .count() as u64;
    let more: u64 = world
        .rest
        .iter()
        .map(|output| match output {
            Output::Notice(Notice::More {
                language: Language::Korean,
                count,
            }) => *count,
            other => panic!("nothing else: {other:?}"),
        })
        .sum();
    assert!(away > 200 && more == away, "{more} of {away}");
}

#[test]
fn a_room_that_is_opened_elsewhere_knows_the_rules() {
    let mut world = World::new();
    let (fan, moderator, artist) = (
        sender("f", Role::Fan),
        sender("m", Role::Moderator),
        sender("a", Role::Artist),
    );
    world.say(&fan, "one").unwrap();
    world
        .act(
            &moderator,
            Action::Mute {
                user: fan.user.clone(),
                seconds: None,
            },
        )
        .unwrap();
    world
        .act(
            &moderator,
            Action::Words {
                language: Language::English,
                words: vec!["rude".into()],
            },
        )
        .unwrap();
    let open = Action::OpenPoll {
        id: None,
        question: "?".into(),
        choices: vec!["x".into(), "y".into()],
        seconds: None,
    };
    world.act(&artist, open).unwrap();
    let poll = world.newest(Lane::Room).id.clone();
    let (voter, of) = (sender("v", Role::Fan), poll.clone());
    world
        .ask(|ticket| Input::Vote {
            ticket,
            sender: voter,
            poll: of,
            choice: 0,
        })
        .unwrap();
    let mut opened = world.opened_elsewhere();
    assert_eq!(opened.room.policy(), world.room.policy());
    assert!(
        opened.room.poll_output().is_none(),
        "what is old is told to nobody"
    );
    assert_eq!(opened.say(&fan, "hi"), Err(Refusal::Muted { until: None }));
    assert_eq!(
        opened.say(&sender("g", Role::Fan), "RUDE"),
        Ok(Answer::Waits)
    );
    assert_eq!(
        opened.room.standing().tallies,
        [Notice::Tally {
            poll,
            counts: vec![1, 0]
        }]
    );
    opened
        .act(&moderator, Action::Clear { user: fan.user })
        .unwrap();
    let Some(Event::Cleared { through, .. }) = opened.newest(Lane::Room).body.as_event() else {
        panic!("it is cleared");
    };
    assert_eq!(*through, Offset(1));
}

#[test]
fn a_back_end_is_not_paced_and_is_held_to_all_else() {
    let mut world = World::new();
    let say = |n: u32| {
        Box::new(Say {
            lane: Lane::Chat,
            sender: sender("bridge", Role::Fan),
            follows_since: None,
            id: id(&format!("b{n}")),
            text: "hello".into(),
            reply_to: None,
            unpaced: true,
            held: false,
        })
    };
    for n in 0..100 {
        let say = say(n);
        assert!(world.ask(|ticket| Input::Say { ticket, say }).is_ok());
    }
    let slow = Mode {
        slow_seconds: 5,
        ..Mode::default()
    };
    let moderator = sender("mod", Role::Moderator);
    assert!(world.act(&moderator, mode(slow)).is_ok());
    let say = say(100);
    let refused = world.ask(|ticket| Input::Say { ticket, say });
    assert!(
        matches!(refused, Err(Refusal::TooFast { .. })),
        "{refused:?}"
    );
}
