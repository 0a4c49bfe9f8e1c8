//! The node's rooms: one [`Room`](fanwave_room::machine::Room) for each that somebody here follows or speaks in.
//!
//! 1. A room is opened by whoever first needs it: its lanes are subscribed at the engine, and its rules are the fold of
//!    its events. It closes when nobody has needed it for a while.
//! 2. What fans ask for is judged by the room; what it lets in goes to the engine; the engine's answer goes back to the
//!    reactor that asked. Nothing is acknowledged that the engine has not acknowledged.
//! 3. What the engine delivers goes through the room, which says who is shown it; that goes to the inboxes of all
//!    reactors that have somebody in the lane, as one shared pointer.
//!
//! Each room has a lock of its own, held for one turn of its machine and never across a wait. A room whose machine
//! panics is dropped and opened anew; its fans subscribe again, and other rooms are not touched. The desk knows no
//! sockets and no encodings.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fanwave_bus::{
    BoxFuture, Engine, EngineError, History, HistoryQuery, Sink, Snapshot, clock::now,
};
use fanwave_room::machine::{Input, Output, Refusal, Room, Settings};
use fanwave_wire::{
    Channel, Notice, Offset, Publication, Role, RoomId, UnixMillis, UserId, envelope::Hearsay,
    limits::HISTORY_PAGE_MAX,
};
use tokio::runtime::Handle;

pub use self::request::Outcome;
pub(crate) use self::request::Request;
use self::room::{DeskRoom, Open, Phase, Taken};
use crate::{
    dismissal::{self, Dismissals},
    inbox::Item,
    limits,
    neighbours::Neighbours,
    reactors::Reactors,
    roll_call::{self, Present},
};

mod opening;
mod publishing;
mod request;
mod room;

/// The desk; see the module.
pub(crate) struct Desk {
    engine: Arc<dyn Engine>,
    neighbours: Arc<Neighbours>,
    reactors: Arc<Reactors>,
    runtime: Handle,
    settings: Settings,
    pub(crate) dismissals: Dismissals,
    /// At most [`DESK_ROOMS_MAX`](limits::DESK_ROOMS_MAX).
    rooms: Mutex<HashMap<RoomId, Arc<DeskRoom>>>,
    stopping: AtomicBool,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// Where the engine delivers: the desk, as long as there is one. The desk holds the engine, so the engine must not hold
/// the desk.
struct DeskSink(Weak<Desk>);

impl Sink for DeskSink {
    fn deliver(&self, channel: &Channel, publication: &Arc<Publication>) {
        if let Some(desk) = self.0.upgrade() {
            desk.deliver(channel, publication);
        }
    }

    fn restarted(&self, channel: &Channel) {
        if let Some(desk) = self.0.upgrade() {
            desk.begin_anew(channel);
        }
    }

    fn heard(&self, hearsay: Hearsay) {
        if let Some(desk) = self.0.upgrade() {
            desk.hear(hearsay);
        }
    }

    fn reaches_log(&self, reaches: bool) {
        if let Some(desk) = self.0.upgrade() {
            desk.tell_reach(reaches);
        }
    }
}

impl Desk {
    /// A desk without a room, attached to the engine.
    pub(crate) fn open(
        engine: Arc<dyn Engine>,
        neighbours: Arc<Neighbours>,
        reactors: Arc<Reactors>,
        runtime: Handle,
        settings: Settings,
    ) -> Arc<Self> {
        let desk = Arc::new(Self {
            engine,
            neighbours,
            reactors,
            runtime,
            settings,
            dismissals: Dismissals::new(now()),
            rooms: Mutex::new(HashMap::new()),
            stopping: AtomicBool::new(false),
        });
        desk.engine
            .attach(Arc::new(DeskSink(Arc::downgrade(&desk))));
        desk.runtime.spawn(dismissal::follow(Arc::downgrade(&desk)));
        desk
    }

    /// The engine, for what is not said in a room.
    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Hands something to all reactors.
    pub(crate) fn tell_all(&self, item: &Item) {
        for seat in self.reactors.seats() {
            seat.inbox.put(item.clone());
        }
    }

    /// No room needs attendance any more.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for room in self.rooms().values() {
            room.wake.notify_one();
        }
        self.dismissals.wake();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Has a room judge a request, and waits for what becomes of it.
    pub(crate) async fn ask(self: &Arc<Self>, room: &RoomId, request: Request) -> Outcome {
        let room = match self.room(room).await {
            Ok(room) => room,
            Err(error) => return Outcome::Failed(error),
        };
        let Some((ticket, answer)) = room.take_ticket() else {
            return Outcome::Failed(EngineError::Busy);
        };
        self.turn(&room, Some(request.into_input(ticket)));
        // A room that broke in between answers nobody.
        answer.await.unwrap_or(Outcome::Failed(EngineError::Busy))
    }

    /// Looks at a room, opened first when it is not.
    pub(crate) async fn look<T>(
        self: &Arc<Self>,
        room: &RoomId,
        look: impl FnOnce(&Room) -> T + Send,
    ) -> Result<T, EngineError> {
        let room = self.room(room).await?;
        let phase = room.lock();
        let seen = phase.open().map(|open| look(&open.machine));
        seen.ok_or(EngineError::Busy)
    }

    /// Waits until a room knows everything of a lane up to an offset that the log has, as whoever has read that wants it
    /// judged.
    pub(crate) async fn catch_up(
        self: &Arc<Self>,
        channel: &Channel,
        offset: Offset,
    ) -> Result<(), EngineError> {
        let room = self.room(&channel.room).await?;
        let caught_up = async {
            loop {
                let heard = room.heard.notified();
                let head = {
                    let mut phase = room.lock();
                    let open = phase.open_mut();
                    let lane = open.and_then(|open| open.lane_mut(channel.lane));
                    lane.map(|lane| lane.head())
                };
                match head {
                    None => return Err(EngineError::Busy),
                    Some(head) if head >= offset => return Ok(()),
                    Some(_) => heard.await,
                }
            }
        };
        in_time(Box::pin(caught_up)).await
    }

    /// A reactor has somebody who follows a channel: where it stands, and everything that is shown after that comes to
    /// the reactor's inbox.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        reactor: usize,
        channel: &Channel,
    ) -> Result<Snapshot, EngineError> {
        let room = self.room(&channel.room).await?;
        let mut phase = room.lock();
        let lane = phase
            .open_mut()
            .and_then(|open| open.lane_mut(channel.lane));
        let Some(lane) = lane else {
            return Err(EngineError::Busy);
        };
        lane.listen(reactor);
        Ok(lane.snapshot())
    }

    /// A reactor has nobody any more who follows a channel.
    pub(crate) fn unfollow(&self, reactor: usize, channel: &Channel) {
        let Some(room) = self.rooms().get(&channel.room).cloned() else {
            return;
        };
        if let Some(lane) = room
            .lock()
            .open_mut()
            .and_then(|open| open.lane_mut(channel.lane))
        {
            lane.listeners.retain(|listener| *listener != reactor);
        }
        room.wake.notify_one();
    }

    /// What was shown in a channel after an offset, for a reactor whose inbox has lost some of it: from memory, or a
    /// page of the log where memory does not reach so far.
    pub(crate) async fn shown_since(
        &self,
        channel: &Channel,
        since: Offset,
    ) -> Result<History, EngineError> {
        let room = self.rooms().get(&channel.room).cloned();
        let remembered = room.and_then(|room| {
            let mut phase = room.lock();
            let lane = phase
                .open_mut()
                .and_then(|open| open.lane_mut(channel.lane));
            lane.and_then(|lane| lane.since(since))
        });
        match remembered {
            Some(history) => Ok(history),
            None => {
                let query = HistoryQuery {
                    since: Some(since),
                    limit: HISTORY_PAGE_MAX,
                    reverse: false,
                };
                in_time(self.engine.history(channel, query)).await
            }
        }
    }

    /// The newest offset of a channel that this node knows of, shown or not.
    pub(crate) fn head(&self, channel: &Channel) -> Option<Offset> {
        let room = self.rooms().get(&channel.room).cloned()?;
        let mut phase = room.lock();
        let lane = phase.open_mut()?.lane_mut(channel.lane)?;
        Some(lane.head())
    }

    /// Reads a page of a channel's log.
    pub(crate) fn history<'a>(
        &'a self,
        channel: &'a Channel,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        self.engine.history(channel, query)
    }

    /// Who follows a channel on this node.
    pub(crate) fn call_roll<'a>(
        &'a self,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<Vec<Present>, EngineError>> {
        Box::pin(roll_call::call(&self.reactors, channel))
    }

    /// Whether somebody may be in a room, as far as this node knows it.
    pub(crate) fn judge_presence(
        &self,
        room: &RoomId,
        user: &UserId,
        role: Role,
    ) -> Result<(), Refusal> {
        let Some(room) = self.rooms().get(room).cloned() else {
            return Ok(());
        };
        room.lock().open().map_or(Ok(()), |open| {
            open.machine.policy().judge_presence(now(), user, role)
        })
    }

    /// A publication from the engine.
    fn deliver(self: &Arc<Self>, channel: &Channel, publication: &Arc<Publication>) {
        if *channel == *dismissal::CHANNEL {
            return self.dismiss(publication);
        }
        let Some(room) = self.rooms().get(&channel.room).cloned() else {
            return;
        };
        match room.take_delivery(channel.lane, publication) {
            Taken::Turn => self.turn(&room, None),
            Taken::Gap => {
                let desk = Arc::clone(self);
                let lane = channel.lane;
                self.runtime
                    .spawn(async move { desk.fill(&room, lane).await });
            }
            Taken::Known => {}
        }
    }

    /// What a node tells about itself: what its fans have tapped goes to the rooms that are open here.
    fn hear(self: &Arc<Self>, hearsay: Hearsay) {
        for (room, taps) in self.neighbours.hear(hearsay) {
            let room = self.rooms().get(&room).cloned();
            if let Some(room) = room {
                self.turn(&room, Some(Input::Heard { taps }));
            }
        }
    }

    /// A channel does not go on where the room stands: the room is dropped and opened anew by whoever subscribes again.
    fn begin_anew(&self, channel: &Channel) {
        if *channel == *dismissal::CHANNEL {
            return self.dismissals.wake();
        }
        let Some(room) = self.rooms().get(&channel.room).cloned() else {
            return;
        };
        let mut phase = room.lock();
        match &mut *phase {
            // Once it is open, it compares what it has with the log.
            Phase::Opening(_, complete) => *complete = false,
            Phase::Closed => {}
            Phase::Open(_) => {
                let ended = std::mem::replace(&mut *phase, Phase::Closed);
                drop(phase);
                self.give_up(&room, ended);
            }
        }
    }

    /// Tells everybody whether this node reaches what it shares its rooms through.
    fn tell_reach(&self, reaches: bool) {
        let notice = Arc::new(match reaches {
            true => Notice::Resumed,
            false => Notice::Paused,
        });
        let rooms: Vec<Arc<DeskRoom>> = self.rooms().values().cloned().collect();
        for room in rooms {
            let phase = room.lock();
            let Some(open) = phase.open() else { continue };
            for (reactor, item) in open.tell_all(&room.id, &notice) {
                if let Some(seat) = self.reactors.seats().get(reactor) {
                    seat.inbox.put(item);
                }
            }
        }
    }

    /// Tells a room's machine what is noted for it and this, and does what it says is to be done.
    fn turn(self: &Arc<Self>, room: &Arc<DeskRoom>, input: Option<Input>) {
        let mut phase = room.lock();
        let Phase::Open(open) = &mut *phase else {
            return;
        };
        open.inputs.extend(input);
        let turned = catch_unwind(AssertUnwindSafe(|| {
            let mut outputs = Vec::new();
            while let Some(input) = open.inputs.pop_front() {
                open.machine.handle(now(), input);
                outputs.extend(std::iter::from_fn(|| open.machine.poll_output()));
            }
            outputs
        }));
        match turned {
            Ok(outputs) => {
                for output in outputs {
                    self.obey(room, open, output);
                }
                open.note_idleness();
                drop(phase);
                room.wake.notify_one();
                room.heard.notify_waiters();
            }
            Err(_) => {
                tracing::error!("a room broke one of its invariants; it is opened anew");
                let broken = std::mem::replace(&mut *phase, Phase::Closed);
                drop(phase);
                self.give_up(room, broken);
            }
        }
    }

    /// Does one thing that a room asks for.
    fn obey(self: &Arc<Self>, room: &Arc<DeskRoom>, open: &mut Open, output: Output) {
        match output {
            Output::Publish(publish) => {
                let (desk, room) = (Arc::clone(self), Arc::clone(room));
                self.runtime
                    .spawn(async move { desk.publish(&room, *publish).await });
            }
            Output::Refuse { ticket, refusal } => {
                open.answer(ticket, Outcome::Refused(refusal));
            }
            Output::Done { ticket } => open.answer(ticket, Outcome::Done),
            Output::Tapped { taps } => self.neighbours.take_taps(&room.id, &taps),
            shown => {
                for (reactor, item) in open.address(&room.id, shown) {
                    if let Some(seat) = self.reactors.seats().get(reactor) {
                        seat.inbox.put(item);
                    }
                }
            }
        }
    }

    /// Tells everybody who follows a room that is no more to subscribe again.
    fn give_up(&self, room: &Arc<DeskRoom>, broken: Phase) {
        let mut rooms = self.rooms();
        if rooms
            .get(&room.id)
            .is_some_and(|known| Arc::ptr_eq(known, room))
        {
            rooms.remove(&room.id);
        }
        drop(rooms);
        room.wake.notify_one();
        room.heard.notify_waiters();
        let Phase::Open(open) = broken else { return };
        for (lane, state) in open.lanes() {
            let channel = room.channel(lane);
            for reactor in &state.listeners {
                if let Some(seat) = self.reactors.seats().get(*reactor) {
                    seat.inbox.put(Item::Reset(channel.clone()));
                }
            }
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<DeskRoom>>> {
        // A poisoned lock guards a map that is whole: an insertion either happened or did not.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cuts a call of the engine off at its deadline. A publish cut off may still be stored: the sender sends again under
/// the same id.
pub(crate) async fn in_time<T>(
    call: BoxFuture<'_, Result<T, EngineError>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(limits::ENGINE_CALL_TIMEOUT, call).await {
        Ok(result) => result,
        Err(_) => Err(EngineError::Unavailable {
            reason: "the engine did not answer in time".to_owned(),
        }),
    }
}

/// How long until a time.
fn until(at: UnixMillis) -> Duration {
    Duration::from_millis(at.0.saturating_sub(now().0))
}
