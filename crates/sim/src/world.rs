//! The whole: time, nodes, the engine and the fans, and how what one puts out reaches the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fanwave_room::{
    machine::{Input, Output, Publish, Settings, Ticket},
    reactions::Counts,
};
use fanwave_wire::{Draft, Lane, Offset, Publication, UnixMillis};

use crate::{
    Plan, Report, VIOLATIONS_MAX,
    clock::Agenda,
    dice::{Dice, mix},
    engine::{Answered, Does, Engine},
    fan::{Fan, FanId, Whereabouts},
    node::Node,
};

/// When it all begins.
const NOON: UnixMillis = UnixMillis(1_800_000_000_000);

/// How often a node writes to its fans, milliseconds.
const SWEEP_MILLIS: u64 = 100;

/// How long a node's words take to another, milliseconds.
const HEARSAY_MILLIS: u64 = 150;

/// How long all has to come to rest after the last deed, seconds: longer than a client's backoff.
const REST_SECONDS: u64 = 30;

/// What happens.
#[derive(Debug)]
pub(crate) enum Happens {
    /// A node gets what the engine delivers.
    Delivery {
        node: usize,
        lane: Lane,
        publication: Arc<Publication>,
    },
    /// A node hears what fans of another have tapped.
    Taps { node: usize, taps: Counts },
    /// The log has been written.
    Flush(Lane),
    /// A node writes to its fans.
    Sweep(usize),
    /// A node's room wants to be woken.
    Wake(usize),
    /// Fans write, tap, vote, drop out.
    Crowd,
    /// A fan sends a message again.
    Resend { fan: FanId, number: u64 },
    /// A fan comes back.
    Return(FanId),
    /// Moderators and artists do something.
    Staff,
    /// The engine fails, or works again.
    Outage(bool),
}

/// Somebody waits for the engine.
#[derive(Debug)]
struct Waiting {
    lane: Lane,
    /// What is published next.
    then: Option<(Lane, Draft)>,
    /// Which message of the chat lane, and whose.
    message: Option<(FanId, u64)>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    pub(crate) agenda: Agenda<Happens>,
    pub(crate) engine: Engine,
    pub(crate) nodes: Vec<Node>,
    pub(crate) fans: Vec<Fan>,
    pub(crate) report: Report,
    /// Numbers messages and batches.
    pub(crate) sent: u64,
    /// The fan's own messages that must still be shown to them.
    pub(crate) own: BTreeMap<FanId, BTreeSet<Offset>>,
    /// Taps that must be told in the end.
    pub(crate) taps_taken: u64,
    /// Staff-lane offsets of messages that wait for review.
    pub(crate) to_review: Vec<Offset>,
    waiting: BTreeMap<u64, Waiting>,
    tickets: u64,
    /// When the newest delivery of a lane reaches a node: each lane is ordered.
    links: BTreeMap<(usize, Lane), UnixMillis>,
}

/// How a room has answered a request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Published,
    Done,
    Refused,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let nodes = plan.nodes.clamp(1, 16);
        let mut dice = Dice::new(mix(plan.seed));
        let fans = (0..plan.fans)
            .map(|_| Fan::new(dice.per_mille(10)))
            .collect();
        Self {
            dice,
            agenda: Agenda::starting_at(NOON),
            engine: Engine::new(),
            nodes: (0..nodes).map(|_| Node::new(Settings::default())).collect(),
            fans,
            report: Report::default(),
            sent: 0,
            own: BTreeMap::new(),
            taps_taken: 0,
            to_review: Vec::new(),
            waiting: BTreeMap::new(),
            tickets: 0,
            links: BTreeMap::new(),
            plan,
        }
    }

    /// Plays until nothing is left to happen.
    pub(crate) fn play(&mut self) {
        for fan in 0..self.plan.fans {
            self.join(FanId(fan));
        }
        let millis = self.plan.seconds * 1_000;
        for node in 0..self.nodes.len() {
            self.agenda.after(SWEEP_MILLIS, Happens::Sweep(node));
        }
        self.agenda.after(10, Happens::Crowd);
        self.agenda.after(100, Happens::Staff);
        self.agenda.after(millis * 7 / 10, Happens::Outage(true));
        self.agenda.after(millis * 8 / 10, Happens::Outage(false));
        while let Some(happens) = self.agenda.next() {
            self.happen(happens);
        }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.agenda.now()
    }

    /// Virtual milliseconds since the beginning.
    pub(crate) fn elapsed(&self) -> u64 {
        self.now().0 - NOON.0
    }

    /// Whether the crowd and the staff are still at it.
    pub(crate) fn is_busy(&self) -> bool {
        self.elapsed() < self.plan.seconds * 1_000
    }

    fn happen(&mut self, happens: Happens) {
        match happens {
            Happens::Delivery {
                node,
                lane,
                publication,
            } => {
                self.drive(node, Input::Published { lane, publication });
            }
            Happens::Taps { node, taps } => {
                self.drive(node, Input::Heard { taps });
            }
            Happens::Flush(lane) => {
                let does = self.engine.flush(self.agenda.now(), lane);
                self.obey_engine(does);
            }
            Happens::Sweep(node) => {
                self.sweep(node, self.elapsed() / SWEEP_MILLIS);
                if self.elapsed() < (self.plan.seconds + REST_SECONDS) * 1_000 {
                    self.agenda.after(SWEEP_MILLIS, Happens::Sweep(node));
                }
            }
            Happens::Wake(node) => {
                self.nodes[node].wakes_at = None;
                self.drive(node, Input::Timeout);
            }
            Happens::Crowd => self.crowd(),
            Happens::Resend { fan, number } => self.say(fan, number),
            Happens::Return(fan) => {
                self.report.returns += 1;
                self.join(fan);
            }
            Happens::Staff => self.staff(),
            Happens::Outage(is_down) => self.engine.is_down = is_down,
        }
    }

    /// Requests that the engine has not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.waiting.len()
    }

    /// A new ticket for a request.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Brings an input to a node's room, and does what it says.
    pub(crate) fn drive(&mut self, node: usize, input: Input) -> Option<Reply> {
        self.drive_for(node, input, None)
    }

    /// The same, for a message of a fan.
    pub(crate) fn drive_for(
        &mut self,
        node: usize,
        input: Input,
        message: Option<(FanId, u64)>,
    ) -> Option<Reply> {
        let now = self.agenda.now();
        self.nodes[node].room.handle(now, input);
        let mut reply = None;
        while let Some(output) = self.nodes[node].room.poll_output() {
            match output {
                Output::Publish(publish) => {
                    reply = publish.ticket.map(|_| Reply::Published).or(reply);
                    self.publish(*publish, message);
                }
                Output::Refuse { refusal, .. } => {
                    self.trace(&[2, refusal.to_string().len() as u64]);
                    self.report.refused += 1;
                    reply = Some(Reply::Refused);
                }
                Output::Done { .. } => reply = Some(Reply::Done),
                Output::Show {
                    lane,
                    publication,
                    to,
                } => {
                    self.trace(&[3, node as u64, lane as u64, publication.offset.0]);
                    match lane {
                        Lane::Room => self.nodes[node].show_room(&publication),
                        Lane::Chat => self.nodes[node].show_chat(&publication, &to),
                        Lane::Staff => self.note_held(node, &publication),
                        Lane::Vote => self.violated("a vote was shown"),
                    }
                }
                Output::Notice(notice) => self.nodes[node].note(&notice),
                Output::Erase(event) => self.nodes[node].erase(&event),
                Output::Eject { user, .. } => {
                    if let Some(fan) = FanId::of(&user) {
                        self.eject(node, fan);
                    }
                }
                Output::Tapped { taps } => {
                    for node in (0..self.nodes.len()).filter(|other| *other != node) {
                        let taps = taps.clone();
                        self.agenda
                            .after(HEARSAY_MILLIS, Happens::Taps { node, taps });
                    }
                }
                Output::Joined { .. } | Output::Left { .. } => {}
            }
        }
        self.plan_wake(node);
        reply
    }

    fn plan_wake(&mut self, node: usize) {
        let wanted = self.nodes[node].room.poll_timeout().map(|(at, _)| at);
        let Some(at) = wanted else { return };
        if self.nodes[node].wakes_at.is_none_or(|planned| at < planned) {
            self.nodes[node].wakes_at = Some(at);
            self.agenda.at(at, Happens::Wake(node));
        }
    }

    fn publish(&mut self, publish: Publish, message: Option<(FanId, u64)>) {
        let Publish {
            lane, draft, then, ..
        } = publish;
        self.submit(
            draft,
            Waiting {
                lane,
                then,
                message,
            },
        );
    }

    fn submit(&mut self, draft: Draft, waiting: Waiting) {
        let lane = waiting.lane;
        let Ticket(ticket) = self.ticket();
        self.waiting.insert(ticket, waiting);
        let does = self.engine.submit(self.agenda.now(), lane, ticket, draft);
        self.obey_engine(does);
    }

    fn obey_engine(&mut self, does: Vec<Does>) {
        for does in does {
            match does {
                Does::Write(lane) => {
                    let millis = self.dice.between(1, 8);
                    self.agenda.after(millis, Happens::Flush(lane));
                }
                Does::Deliver(lane, publication) => self.deliver(lane, &publication),
                Does::Answer(ticket, answered) => self.answered(ticket, answered),
            }
        }
    }

    /// Sends a publication to all nodes: each link has its own latency, and each lane on it its order.
    fn deliver(&mut self, lane: Lane, publication: &Arc<Publication>) {
        for node in 0..self.nodes.len() {
            let soon = UnixMillis(self.now().0 + self.dice.between(1, 20));
            let newest = self.links.entry((node, lane)).or_default();
            *newest = soon.max(*newest);
            let happens = Happens::Delivery {
                node,
                lane,
                publication: Arc::clone(publication),
            };
            self.agenda.at(*newest, happens);
        }
    }

    fn answered(&mut self, ticket: u64, answered: Answered) {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            self.violated("an answer for nobody");
            return;
        };
        match answered {
            Answered::Stored { offset, is_first } => {
                self.trace(&[4, offset.0]);
                if let Some((lane, draft)) = waiting.then {
                    let waiting = Waiting {
                        lane,
                        then: None,
                        message: None,
                    };
                    self.submit(draft, waiting);
                } else if let Some((fan, _)) = waiting.message
                    && is_first
                    && waiting.lane == Lane::Chat
                {
                    self.expect_own(fan, offset);
                }
            }
            Answered::NotStored => {
                if let Some((fan, number)) = waiting.message {
                    let millis = self.dice.between(500, 2_000);
                    self.agenda.after(millis, Happens::Resend { fan, number });
                }
            }
        }
    }

    /// From now on the fan must be shown their own message, as long as they stay connected.
    fn expect_own(&mut self, fan: FanId, offset: Offset) {
        if let Whereabouts::On { .. } = self.fans[fan.place()].whereabouts {
            self.own.entry(fan).or_default().insert(offset);
        }
    }

    pub(crate) fn trace(&mut self, what: &[u64]) {
        for part in what {
            self.report.trace = mix(self.report.trace ^ part).wrapping_add(*part);
        }
        self.report.trace ^= self.agenda.now().0;
    }

    pub(crate) fn violated(&mut self, what: &str) {
        let at = self.elapsed();
        if self.report.violations.len() < VIOLATIONS_MAX {
            self.report.violations.push(format!("at {at} ms: {what}"));
        }
    }
}
