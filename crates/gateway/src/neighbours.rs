//! The other nodes: what this one tells them about itself, and what it has heard of them.
//!
//! What is told when, and what follows from what is heard, is decided in `fanwave_room` (`herald`, `census`). Here are the
//! figures, the clock and the way to the engine: one task tells, the engine's sink hears. An engine that has no other
//! nodes has no such task, and nobody is ever heard.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use fanwave_bus::{Engine, clock::now};
use fanwave_room::{
    census::{Heard, Node},
    herald::{Crowds, Herald},
    presence::{Page, Stats},
    reactions::Counts,
};
use fanwave_wire::{
    Channel, RoomId, UnixMillis, UserId,
    envelope::{About, Crowd, Hearsay, NodeId, NodeName, NodeState, Sent},
};
use prometheus_client::metrics::counter::Counter;
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    GatewayConfig, admission::Admission, beside::Beside, limits, reactor::Shared,
    reactors::Reactors,
};

/// This node among the others; see the module.
pub(crate) struct Neighbours {
    id: NodeId,
    name: NodeName,
    region: Option<Arc<str>>,
    beside: Option<Arc<dyn Beside>>,
    started_at: UnixMillis,
    connections_max: usize,
    engine: Arc<dyn Engine>,
    admission: Arc<Admission>,
    reactors: Arc<Reactors>,
    shared: Shared,
    sent_bytes: Counter,
    herald: Mutex<Herald>,
    load: Mutex<Load>,
    /// It was told to stop: soon its fans are moved.
    leaves: AtomicBool,
    /// Whether the operator knows that there are more nodes than can be known.
    complained: AtomicBool,
}

/// How busy the reactors have been between two looks.
#[derive(Debug)]
struct Load {
    looked_at: Instant,
    busy: Duration,
    permille: u16,
}

/// What the figures are taken from.
pub(crate) struct Sources {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) reactors: Arc<Reactors>,
    pub(crate) shared: Shared,
    /// What was sent to fans.
    pub(crate) sent_bytes: Counter,
}

impl Neighbours {
    /// A node that has told nothing yet.
    pub(crate) fn new(id: NodeId, config: &GatewayConfig, from: Sources) -> Self {
        Self {
            id,
            name: config.name.clone(),
            region: config.region.clone(),
            beside: config.beside.clone(),
            started_at: now(),
            connections_max: config.connections_max,
            engine: from.engine,
            admission: from.admission,
            reactors: from.reactors,
            shared: from.shared,
            sent_bytes: from.sent_bytes,
            herald: Mutex::new(Herald::new(id)),
            load: Mutex::new(Load {
                looked_at: Instant::now(),
                busy: Duration::ZERO,
                permille: 0,
            }),
            leaves: AtomicBool::new(false),
            complained: AtomicBool::new(false),
        }
    }

    /// Begins to tell the others, if there can be any.
    pub(crate) fn speak(self: &Arc<Self>, runtime: &Handle) -> Option<JoinHandle<()>> {
        let neighbours = Arc::clone(self);
        let speak = async move {
            let mut tick = interval(limits::HEARSAY_TICK);
            // While the engine cannot tell anything, nothing gathers.
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                neighbours.shared.census().handle_timeout(now());
                neighbours.tell().await;
            }
        };
        self.engine.has_others().then(|| runtime.spawn(speak))
    }

    /// This node is going to move its fans.
    pub(crate) fn leave(&self) {
        self.leaves.store(true, Ordering::Release);
    }

    /// The last words: the others need not wait until they notice.
    pub(crate) async fn farewell(&self) {
        let about = About {
            state: NodeState::Gone,
            ..self.figures().0
        };
        let told = self.herald().tell(now(), &about, Crowds::new());
        // Where it cannot be told, they notice.
        drop(timeout(limits::FAREWELL_MAX, self.hand_over(told)).await);
    }

    /// What fans here have tapped in a room.
    pub(crate) fn take_taps(&self, room: &RoomId, taps: &Counts) {
        if self.engine.has_others() {
            self.herald().take_taps(room, taps);
        }
    }

    /// Takes what was heard, and answers with what is to be told to the rooms: taps.
    pub(crate) fn hear(&self, hearsay: Hearsay) -> Vec<(RoomId, Counts)> {
        let heard = self.shared.census().hear(now(), hearsay);
        match heard {
            Heard::Taken(taps) => taps.into_iter().collect(),
            Heard::Own | Heard::Late => Vec::new(),
            Heard::Full => {
                if !self.complained.swap(true, Ordering::AcqRel) {
                    let most = fanwave_room::limits::NODES_MAX;
                    tracing::warn!(most, "there are more servers than are counted");
                }
                Vec::new()
            }
        }
    }

    /// How many follow a channel: here, and at all nodes.
    pub(crate) fn stats(&self, channel: &Channel) -> (Stats, Stats) {
        let here = self.shared.presence().stats(channel);
        (here, self.shared.stats(channel))
    }

    /// Some of the users who follow a channel here.
    pub(crate) fn page(&self, channel: &Channel, after: Option<&UserId>, limit: usize) -> Page {
        let presence = self.shared.presence();
        let audience = presence.audience(channel);
        audience.map_or_else(Page::default, |audience| audience.page(after, limit))
    }

    /// All nodes that are there, this one first.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let own = Node {
            id: self.id,
            about: self.figures().0,
            heard_at: now(),
        };
        let mut nodes = vec![own];
        nodes.extend(self.shared.census().nodes());
        nodes
    }

    async fn tell(&self) {
        let (about, crowds) = self.figures();
        let told = self.herald().tell(now(), &about, crowds);
        self.hand_over(told).await;
    }

    async fn hand_over(&self, told: Vec<Hearsay>) {
        for hearsay in told {
            self.engine.tell(&hearsay).await;
        }
    }

    /// The node as it is now, and who follows what on it.
    fn figures(&self) -> (About, Crowds) {
        let crowds: Crowds = {
            let presence = self.shared.presence();
            let channels = presence.channels().map(|channel| {
                let stats = presence.stats(channel);
                let crowd = Crowd {
                    clients: narrow(stats.num_clients),
                    users: narrow(stats.num_users),
                };
                (channel.clone(), crowd)
            });
            channels.collect()
        };
        let mut rooms: Vec<&RoomId> = crowds.keys().map(|channel| &channel.room).collect();
        rooms.sort_unstable();
        rooms.dedup();
        let drains = self.leaves.load(Ordering::Acquire) || self.shared.board.is_draining();
        let about = About {
            name: self.name.clone(),
            release: env!("CARGO_PKG_VERSION").into(),
            started_at: self.started_at,
            state: if drains {
                NodeState::Draining
            } else {
                NodeState::Serving
            },
            connections: narrow(self.admission.open()),
            connections_max: narrow(self.connections_max),
            rooms: narrow(rooms.len()),
            busy_permille: self.busy_permille(),
            region: self.region.clone(),
            viewers: self.beside.as_ref().map_or(0, |beside| beside.viewers()),
            sent: Sent {
                chat_bytes: self.sent_bytes.get(),
                http_bytes: self.beside.as_ref().map_or(0, |beside| beside.http_bytes()),
            },
        };
        (about, crowds)
    }

    /// How much of their time the reactors have worked since the last look, which was a heartbeat ago or longer.
    fn busy_permille(&self) -> u16 {
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = self.reactors.seats();
        let passed = load.looked_at.elapsed() * u32::try_from(seats.len()).unwrap_or(1);
        if load.looked_at.elapsed() >= fanwave_room::limits::HEARTBEAT {
            let busy: Duration = seats.iter().map(|seat| seat.pulse.busy()).sum();
            let worked = busy.saturating_sub(load.busy).as_millis() * 1_000;
            let permille = worked / passed.as_millis().max(1);
            *load = Load {
                looked_at: Instant::now(),
                busy,
                permille: u16::try_from(permille.min(1_000)).unwrap_or(1_000),
            };
        }
        load.permille
    }

    fn herald(&self) -> MutexGuard<'_, Herald> {
        // A poisoned lock guards counts that the next heartbeat tells anew.
        self.herald.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Neighbours")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
