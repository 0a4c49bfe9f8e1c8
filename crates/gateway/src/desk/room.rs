//! One room of the desk: its machine, what was shown in each lane, who listens, and who waits for an answer.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fanwave_bus::{History, Snapshot};
use fanwave_room::{
    machine::{Input, Output, Reach, Room, Ticket},
    recent::{Recent, Recovery, Stretch},
};
use fanwave_wire::{Channel, Lane, Notice, Offset, Publication, RoomId};
use tokio::sync::{Notify, oneshot};

use super::Outcome;
use crate::{inbox::Item, limits};

/// One room; see the module.
#[derive(Debug)]
pub(super) struct DeskRoom {
    pub(super) id: RoomId,
    /// Held while the room is opened or closed, so that neither overtakes the other at the engine.
    pub(super) door: tokio::sync::Mutex<()>,
    /// Wakes the room's attendant: a deadline may have changed.
    pub(super) wake: Notify,
    /// Tells whoever waits for the room to hear more that it may have.
    pub(super) heard: Notify,
    phase: Mutex<Phase>,
}

/// Where a room is in its life.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its lanes are being subscribed; holds the deliveries that overtake that, and whether none was dropped.
    Opening(Vec<(Lane, Arc<Publication>)>, bool),
    /// It judges and shows.
    Open(Box<Open>),
    /// It is no more; whoever needs the room opens another.
    Closed,
}

/// An open room.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) machine: Room,
    /// By [`place`].
    lanes: [LaneState; LANES.len()],
    /// Who waits for an answer; bounded by the calls that the node has under way.
    tickets: HashMap<Ticket, oneshot::Sender<Outcome>>,
    last_ticket: u64,
    /// What the machine is to be told, in order; empty but for an instant.
    pub(super) inputs: VecDeque<Input>,
    /// Since when nobody has listened and nobody has waited.
    idle_since: Option<Instant>,
}

/// One lane of an open room.
#[derive(Debug)]
pub(super) struct LaneState {
    /// What was shown; returning fans are recovered from copies of it.
    recent: Recent,
    /// The newest offset that the engine has delivered.
    head: Offset,
    /// A stretch that the engine's deliveries skipped is being read back, up to here at least.
    filling: Option<Offset>,
    /// Reactors that have somebody in the lane.
    pub(super) listeners: Vec<usize>,
}

/// All lanes, in the order in which a room is opened.
pub(super) const LANES: [Lane; 4] = [Lane::Room, Lane::Staff, Lane::Vote, Lane::Chat];

fn place(lane: Lane) -> usize {
    match lane {
        Lane::Room => 0,
        Lane::Staff => 1,
        Lane::Vote => 2,
        Lane::Chat => 3,
    }
}

impl DeskRoom {
    /// A room that is to be opened.
    pub(super) fn new(id: RoomId) -> Self {
        Self {
            id,
            door: tokio::sync::Mutex::new(()),
            wake: Notify::new(),
            heard: Notify::new(),
            phase: Mutex::new(Phase::Opening(Vec::new(), true)),
        }
    }

    /// One of its channels.
    pub(super) fn channel(&self, lane: Lane) -> Channel {
        Channel {
            lane,
            room: self.id.clone(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Phase> {
        // The machine's panics are caught inside; what remains is a state between two turns.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new ticket, if the room is open.
    pub(super) fn take_ticket(&self) -> Option<(Ticket, oneshot::Receiver<Outcome>)> {
        let mut phase = self.lock();
        let open = phase.open_mut()?;
        open.last_ticket += 1;
        let ticket = Ticket(open.last_ticket);
        let (sender, receiver) = oneshot::channel();
        open.tickets.insert(ticket, sender);
        Some((ticket, receiver))
    }

    /// Takes a delivery, and says what it asks for.
    pub(super) fn take_delivery(&self, lane: Lane, publication: &Arc<Publication>) -> Taken {
        let mut phase = self.lock();
        match &mut *phase {
            Phase::Opening(early, complete) => {
                if early.len() < limits::EARLY_DELIVERIES_MAX {
                    early.push((lane, Arc::clone(publication)));
                } else {
                    *complete = false;
                }
                Taken::Known
            }
            Phase::Open(open) => open.take_delivery(lane, publication),
            Phase::Closed => Taken::Known,
        }
    }
}

/// What a delivery asks for.
#[derive(Debug)]
pub(super) enum Taken {
    /// The machine is to be told, which is noted: it is the next of its lane.
    Turn,
    /// Something before it is missing, and is to be read back.
    Gap,
    /// Nothing: the room has it, or will read it back.
    Known,
}

impl Phase {
    pub(super) fn open(&self) -> Option<&Open> {
        match self {
            Self::Open(open) => Some(open),
            Self::Opening(..) | Self::Closed => None,
        }
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Open> {
        match self {
            Self::Open(open) => Some(open),
            Self::Opening(..) | Self::Closed => None,
        }
    }
}

impl Open {
    /// A room whose lanes stand as these snapshots say.
    pub(super) fn new(machine: Room, snapshots: [Snapshot; LANES.len()]) -> Self {
        Self {
            machine,
            lanes: snapshots.map(LaneState::new),
            tickets: HashMap::new(),
            last_ticket: 0,
            inputs: VecDeque::new(),
            idle_since: None,
        }
    }

    pub(super) fn lane_mut(&mut self, lane: Lane) -> Option<&mut LaneState> {
        self.lanes.get_mut(place(lane))
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = (Lane, &LaneState)> {
        LANES.into_iter().zip(&self.lanes)
    }

    pub(super) fn take_delivery(&mut self, lane: Lane, publication: &Arc<Publication>) -> Taken {
        let offset = publication.offset;
        let Some(state) = self.lane_mut(lane) else {
            return Taken::Known;
        };
        if let Some(newest) = &mut state.filling {
            *newest = offset.max(*newest);
            Taken::Known
        } else if offset == state.head.next() {
            state.head = offset;
            let publication = Arc::clone(publication);
            self.inputs
                .push_back(Input::Published { lane, publication });
            Taken::Turn
        } else if offset > state.head {
            state.filling = Some(offset);
            Taken::Gap
        } else {
            Taken::Known
        }
    }

    /// Takes what was read back of a gap, and notes what the machine is to be told.
    pub(super) fn take_fill(&mut self, lane: Lane, history: History, complete: bool) -> Filled {
        let Some(state) = self.lanes.get_mut(place(lane)) else {
            return Filled::Lost;
        };
        let (filled, publications) = state.take_fill(history, complete);
        let inputs = publications.into_iter();
        self.inputs
            .extend(inputs.map(|publication| Input::Published { lane, publication }));
        filled
    }

    /// Answers whoever holds a ticket. They may have given up.
    pub(super) fn answer(&mut self, ticket: Ticket, outcome: Outcome) {
        if let Some(waiting) = self.tickets.remove(&ticket) {
            drop(waiting.send(outcome));
        }
        self.note_idleness();
    }

    /// Notes since when nobody needs the room.
    pub(super) fn note_idleness(&mut self) {
        let needed =
            !self.tickets.is_empty() || self.lanes.iter().any(|lane| !lane.listeners.is_empty());
        self.idle_since = match self.idle_since {
            _ if needed => None,
            Some(since) => Some(since),
            None => Some(Instant::now()),
        };
    }

    /// How long the room may stay open although nobody needs it; `None` while somebody does.
    pub(super) fn idle_left(&mut self) -> Option<Duration> {
        self.note_idleness();
        let idle = self.idle_since?.elapsed();
        Some(limits::DESK_ROOM_IDLE.saturating_sub(idle))
    }

    /// Makes of an output what each reactor is to be told.
    pub(super) fn address(&mut self, room: &RoomId, output: Output) -> Vec<(usize, Item)> {
        match output {
            Output::Show {
                lane,
                publication,
                to,
            } => self.address_show(room, lane, &publication, to),
            Output::Notice(notice) => self.tell(room, Lane::Chat, |channel| {
                Item::Notice(channel, Arc::new(notice.clone()))
            }),
            Output::Erase(event) => {
                if let Some(state) = self.lane_mut(Lane::Chat) {
                    state.recent.erase(&event);
                }
                self.tell(room, Lane::Chat, |channel| {
                    Item::Erase(channel, Box::new(event.clone()))
                })
            }
            Output::Eject { user, below } => {
                let mut reactors: Vec<usize> = self
                    .lanes
                    .iter()
                    .flat_map(|lane| lane.listeners.iter().copied())
                    .collect();
                reactors.sort_unstable();
                reactors.dedup();
                let item = |_| Item::Eject(room.clone(), user.clone(), below);
                reactors
                    .iter()
                    .map(|reactor| (*reactor, item(())))
                    .collect()
            }
            Output::Publish(_)
            | Output::Refuse { .. }
            | Output::Done { .. }
            | Output::Tapped { .. }
            | Output::Joined { .. }
            | Output::Left { .. } => Vec::new(),
        }
    }

    /// What each reactor is to be told in the lanes that fans follow.
    pub(super) fn tell_all(&self, room: &RoomId, notice: &Arc<Notice>) -> Vec<(usize, Item)> {
        [Lane::Room, Lane::Chat]
            .into_iter()
            .flat_map(|lane| {
                self.tell(room, lane, |channel| {
                    Item::Notice(channel, Arc::clone(notice))
                })
            })
            .collect()
    }

    fn address_show(
        &mut self,
        room: &RoomId,
        lane: Lane,
        publication: &Arc<Publication>,
        to: Reach,
    ) -> Vec<(usize, Item)> {
        match to {
            Reach::Everyone => {
                if let Some(state) = self.lane_mut(lane) {
                    state.show(publication);
                }
                self.tell(room, lane, |channel| {
                    Item::Show(channel, Arc::clone(publication))
                })
            }
            Reach::Only(users) => {
                if let Some(state) = self.lane_mut(lane) {
                    // Those few stand there from now on, and may come back from there.
                    state
                        .recent
                        .pass(state.recent.head().max(publication.offset));
                }
                self.tell(room, lane, |channel| {
                    Item::Personal(channel, Arc::clone(publication), Box::new(users.clone()))
                })
            }
        }
    }

    fn tell(
        &self,
        room: &RoomId,
        lane: Lane,
        item: impl Fn(Channel) -> Item,
    ) -> Vec<(usize, Item)> {
        let Some(state) = self.lanes.get(place(lane)) else {
            return Vec::new();
        };
        let channel = || Channel {
            lane,
            room: room.clone(),
        };
        let told = state.listeners.iter();
        told.map(|reactor| (*reactor, item(channel()))).collect()
    }
}

impl LaneState {
    fn new(snapshot: Snapshot) -> Self {
        let Snapshot {
            epoch,
            head,
            floor,
            recent,
        } = snapshot;
        let stretch = Stretch {
            floor,
            head,
            publications: recent,
        };
        Self {
            recent: Recent::resume(epoch, stretch),
            head,
            filling: None,
            listeners: Vec::new(),
        }
    }

    /// Adds a listener, once.
    pub(super) fn listen(&mut self, reactor: usize) {
        if !self.listeners.contains(&reactor) {
            self.listeners.push(reactor);
        }
    }

    /// The newest offset that the machine has been told of.
    pub(super) fn head(&self) -> Offset {
        self.head
    }

    /// What was shown, as a reactor that begins to listen takes it over.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            epoch: self.recent.epoch().clone(),
            head: self.recent.head(),
            floor: self.recent.floor(),
            recent: self.recent.all().cloned().collect(),
        }
    }

    /// What was shown after an offset, if all of it is remembered.
    pub(super) fn since(&self, offset: Offset) -> Option<History> {
        match self.recent.after(offset) {
            Recovery::Recovered(missed) => Some(History {
                epoch: self.recent.epoch().clone(),
                head: self.recent.head(),
                publications: missed.cloned().collect(),
            }),
            Recovery::Unrecoverable => None,
        }
    }

    fn show(&mut self, publication: &Arc<Publication>) {
        // The machine shows in order; a late one would have been shown before the window's head.
        if publication.offset > self.recent.head() {
            self.recent.push(Arc::clone(publication));
        }
    }

    /// Takes what was read back of a gap; answers whether that closes it, and what the machine is to be told.
    fn take_fill(&mut self, history: History, complete: bool) -> (Filled, Vec<Arc<Publication>>) {
        if history.epoch != *self.recent.epoch() {
            return (Filled::Lost, Vec::new());
        }
        let before = self.head;
        let mut news = history.publications;
        news.retain(|publication| publication.offset > before);
        self.head = news.last().map_or(before, |newest| newest.offset);
        if complete {
            // What the page does not have is deleted.
            self.head = self.head.max(history.head);
        }
        let newest = self.filling.unwrap_or_default().max(history.head);
        if self.head >= newest {
            self.filling = None;
            (Filled::Whole, news)
        } else if self.head == before {
            (Filled::Lost, news)
        } else {
            (Filled::Partly, news)
        }
    }
}

/// What came of reading a gap back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// It is closed.
    Whole,
    /// There is more of it.
    Partly,
    /// The log cannot say what is missing.
    Lost,
}
