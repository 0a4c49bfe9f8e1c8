//! How a room of the desk begins, is attended, reads back what it has missed, and ends.

use std::{sync::Arc, time::Duration};

use fanwave_bus::{EngineError, HistoryQuery, Snapshot, limits::EVENTS_PAGE_MAX};
use fanwave_room::machine::{Input, Room};
use fanwave_wire::{Lane, limits::HISTORY_PAGE_MAX};

use super::{
    Desk, in_time, now,
    room::{DeskRoom, Filled, LANES, Open, Phase, Taken},
    until,
};
use crate::limits;

impl Desk {
    /// The open room, opened first when it is not.
    pub(super) async fn room(
        self: &Arc<Self>,
        id: &fanwave_wire::RoomId,
    ) -> Result<Arc<DeskRoom>, EngineError> {
        loop {
            if self.is_stopping() {
                return Err(EngineError::Stopping);
            }
            let room = {
                let mut rooms = self.rooms();
                match rooms.get(id) {
                    Some(room) => Arc::clone(room),
                    None if rooms.len() >= limits::DESK_ROOMS_MAX => return Err(EngineError::Busy),
                    None => {
                        let room = Arc::new(DeskRoom::new(id.clone()));
                        rooms.insert(id.clone(), Arc::clone(&room));
                        room
                    }
                }
            };
            if room.lock().open().is_some() {
                return Ok(room);
            }
            let door = room.door.lock().await;
            if matches!(*room.lock(), Phase::Open(_)) {
                drop(door);
                return Ok(room);
            }
            if matches!(*room.lock(), Phase::Closed) {
                // It was closed while we stood at its door; by now the desk has forgotten it.
                continue;
            }
            let opened = self.open_room(&room).await;
            if let Err(error) = opened {
                *room.lock() = Phase::Closed;
                self.rooms().remove(id);
                return Err(error);
            }
            drop(door);
            return Ok(room);
        }
    }

    async fn open_room(self: &Arc<Self>, room: &Arc<DeskRoom>) -> Result<(), EngineError> {
        let mut machine = Room::new(&room.id, self.settings.clone());
        let [first, second, third, fourth] = LANES;
        let snapshots = [
            self.open_lane(room, &mut machine, first).await?,
            self.open_lane(room, &mut machine, second).await?,
            self.open_lane(room, &mut machine, third).await?,
            self.open_lane(room, &mut machine, fourth).await?,
        ];
        let open = Phase::Open(Box::new(Open::new(machine, snapshots)));
        let early = std::mem::replace(&mut *room.lock(), open);
        if let Phase::Opening(early, complete) = early {
            for (lane, publication) in early {
                match room.take_delivery(lane, &publication) {
                    Taken::Turn => self.turn(room, None),
                    Taken::Gap => self.fill(room, lane).await,
                    Taken::Known => {}
                }
            }
            if !complete {
                for lane in LANES {
                    self.fill(room, lane).await;
                }
            }
        }
        let (desk, room) = (Arc::clone(self), Arc::clone(room));
        self.runtime.spawn(async move { desk.attend(&room).await });
        Ok(())
    }

    /// Begins the delivery of a lane, and folds its events up to where that begins.
    async fn open_lane(
        &self,
        room: &DeskRoom,
        machine: &mut Room,
        lane: Lane,
    ) -> Result<Snapshot, EngineError> {
        let channel = room.channel(lane);
        let snapshot = in_time(self.engine.subscribe(&channel)).await?;
        machine.resume(lane, snapshot.head);
        if lane == Lane::Chat {
            // Nothing happens there but texts.
            return Ok(snapshot);
        }
        let mut after = fanwave_wire::Offset(0);
        loop {
            let page = in_time(self.engine.events(&channel, after)).await?;
            let whole = page.publications.len() < EVENTS_PAGE_MAX;
            for publication in &page.publications {
                after = publication.offset;
                // What comes later is delivered.
                if publication.offset <= snapshot.head {
                    machine.restore(now(), lane, publication);
                }
            }
            if whole || after >= snapshot.head {
                return Ok(snapshot);
            }
        }
    }

    /// Reads back from the log what the engine's deliveries have skipped.
    pub(super) async fn fill(self: &Arc<Self>, room: &Arc<DeskRoom>, lane: Lane) {
        let channel = room.channel(lane);
        loop {
            let Some(head) = room
                .lock()
                .open_mut()
                .and_then(|open| open.lane_mut(lane))
                .map(|state| state.head())
            else {
                return;
            };
            let query = HistoryQuery {
                since: Some(head),
                limit: HISTORY_PAGE_MAX,
                reverse: false,
            };
            let filled = match in_time(self.engine.history(&channel, query)).await {
                Ok(history) => {
                    let complete = history.publications.len() < HISTORY_PAGE_MAX;
                    let mut phase = room.lock();
                    phase
                        .open_mut()
                        .map_or(Filled::Lost, |open| open.take_fill(lane, history, complete))
                }
                Err(error) => {
                    tracing::warn!(%error, "a stretch of a channel could not be read back");
                    Filled::Lost
                }
            };
            self.turn(room, None);
            match filled {
                Filled::Whole => return,
                Filled::Partly => {}
                Filled::Lost => {
                    let broken = std::mem::replace(&mut *room.lock(), Phase::Closed);
                    return self.give_up(room, broken);
                }
            }
        }
    }

    /// Brings a room its deadlines, and closes it when nobody has needed it for a while.
    async fn attend(self: &Arc<Self>, room: &Arc<DeskRoom>) {
        loop {
            let (due, idle_left) = {
                let mut phase = room.lock();
                let Phase::Open(open) = &mut *phase else {
                    return;
                };
                let due = open.machine.poll_timeout().map(|(at, _)| at);
                (due, open.idle_left())
            };
            if self.is_stopping() {
                return;
            }
            if due.is_some_and(|at| at <= now()) {
                self.turn(room, Some(Input::Timeout));
                // A machine that is not content with that must not keep the others from running.
                tokio::task::yield_now().await;
                continue;
            }
            if idle_left == Some(Duration::ZERO) {
                if self.close_if_idle(room).await {
                    return;
                }
                continue;
            }
            let wait = [due.map(until), idle_left]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(limits::DESK_ROOM_IDLE);
            tokio::select! {
                () = room.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Closes a room that is still not needed; whether it did.
    async fn close_if_idle(&self, room: &Arc<DeskRoom>) -> bool {
        let _door = room.door.lock().await;
        {
            let mut phase = room.lock();
            let idle = phase.open_mut().map(|open| open.idle_left());
            if idle != Some(Some(Duration::ZERO)) {
                return false;
            }
            *phase = Phase::Closed;
        }
        for lane in LANES {
            if let Err(error) = in_time(self.engine.unsubscribe(&room.channel(lane))).await {
                tracing::warn!(%error, "a channel could not be closed");
            }
        }
        self.rooms().remove(&room.id);
        true
    }
}
