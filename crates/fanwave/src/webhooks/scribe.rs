//! Writes down for each webhook what it is to be told.
//!
//! What happens in rooms is read from their log, by one server at a time, from where the catalogue says that it was read to: however
//! often servers stop and start, each entry is taken over once. What happens to shows is this server's own to tell, and waits in memory
//! while the catalogue cannot be reached.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use fanwave_bus::{Engine, EngineError, History, HistoryQuery};
use fanwave_store::catalogue::{
    Advance, Catalogue, CatalogueError, Cursor, Delivery, DeliveryState, Webhook,
};
use fanwave_wire::{Channel, Epoch, Lane, Offset, RoomId, limits::HISTORY_PAGE_MAX};
use futures_util::{StreamExt, stream::BoxStream};
use thiserror::Error;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{
    TURN,
    lease::Holder,
    millis, now,
    room_news::{self, Piece},
    stopped,
};
use crate::webhook::Event;

/// Lanes that are looked at in one turn; those of 32 rooms.
const LANES_PER_TURN: usize = 64;

/// Pages of a lane that are read in one turn.
const PAGES_PER_TURN: usize = 8;

/// What happened to shows, and waits for the catalogue; the oldest are given up for the newest. 4 MiB at most.
const WAITING_MAX: usize = 1_024;

/// Of whom the log of rooms is.
const WORK: &str = "rooms";

/// How long it is, without a sign of life.
const LEASE: Duration = Duration::from_secs(10);

/// How often what is long over is forgotten, and the first time after a minute.
const PURGE_EVERY: u32 = 3_600;

/// For how long what was taken or given up is kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// The lanes in which something happens that webhooks are told.
const LANES: [Lane; 2] = [Lane::Room, Lane::Staff];

#[derive(Debug, Error)]
enum ScribeError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What the scribe waits for.
enum Heard {
    News(Box<Event>),
    Turn,
    /// There will be no more news.
    End,
}

/// See the module.
pub(super) struct Scribe {
    catalogue: Catalogue,
    holder: Holder,
    engine: Arc<dyn Engine>,
    lanes: Vec<Channel>,
    /// Where the next turn begins.
    next: usize,
    waiting: VecDeque<Event>,
    turns: u32,
    failing: bool,
}

impl Scribe {
    pub(super) fn new(
        catalogue: &Catalogue,
        holder: Holder,
        (engine, rooms): (Arc<dyn Engine>, Vec<RoomId>),
    ) -> Self {
        let lanes = |room: RoomId| {
            LANES.map(|lane| Channel {
                lane,
                room: room.clone(),
            })
        };
        Self {
            catalogue: catalogue.clone(),
            holder,
            engine,
            lanes: rooms.into_iter().flat_map(lanes).collect(),
            next: 0,
            waiting: VecDeque::new(),
            turns: 0,
            failing: false,
        }
    }

    pub(super) async fn run(
        mut self,
        mut news: BoxStream<'static, Event>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let heard = tokio::select! {
                biased;
                event = news.next() => event.map_or(Heard::End, |event| Heard::News(Box::new(event))),
                _ = turns.tick() => Heard::Turn,
                () = stopped(&mut stop) => Heard::End,
            };
            let is_over = matches!(heard, Heard::End);
            if let Heard::News(event) = heard {
                if self.waiting.len() >= WAITING_MAX {
                    self.waiting.pop_front();
                }
                self.waiting.push_back(*event);
            }
            // At the end once more: nothing more can happen.
            self.turn().await;
            if is_over {
                return;
            }
        }
    }

    /// Writes down what there is; says in the log when that cannot be done, and when it can again.
    async fn turn(&mut self) {
        match self.write().await {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("what webhooks are told is written down again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "what webhooks are told cannot be written down: it waits");
                }
            }
        }
    }

    async fn write(&mut self) -> Result<(), ScribeError> {
        self.turns = self.turns.wrapping_add(1);
        if self.turns % PURGE_EVERY == 60 {
            let before = now().saturating_sub(millis(KEPT));
            self.catalogue.purge_deliveries(before).await?;
        }
        let webhooks = self.catalogue.webhooks().await?;
        while let Some(event) = self.waiting.front() {
            let piece = piece_of(event);
            let deliveries = deliveries(&webhooks, &piece);
            self.catalogue.spread(None, &deliveries, now()).await?;
            self.waiting.pop_front();
        }
        let since = webhooks.iter().filter(|webhook| wants_rooms(webhook));
        let Some(since) = since.map(|webhook| webhook.created_at).min() else {
            return Ok(());
        };
        if !self.holder.take(WORK, LEASE).await {
            return Ok(());
        }
        for _ in 0..self.lanes.len().min(LANES_PER_TURN) {
            let Some(lane) = self.lanes.get(self.next) else {
                self.next = 0;
                continue;
            };
            self.next = (self.next + 1) % self.lanes.len();
            self.take_over(lane, since, &webhooks).await?;
        }
        Ok(())
    }

    /// Takes over what is new in a lane.
    async fn take_over(
        &self,
        lane: &Channel,
        since: i64,
        webhooks: &[Webhook],
    ) -> Result<(), ScribeError> {
        let name = lane.to_string();
        let mut from = self.catalogue.cursor(&name).await?;
        for _ in 0..PAGES_PER_TURN {
            let after = match &from {
                Some(cursor) => Offset(u64::try_from(cursor.read_to).unwrap_or_default()),
                None => self.beginning(lane, since).await?,
            };
            let page = self.page_of_epoch(lane, after, from.as_ref()).await?;
            let is_last = page.publications.len() < HISTORY_PAGE_MAX;
            let newest = page.publications.last().map_or(after, |entry| entry.offset);
            let read_to = if is_last {
                page.head.max(newest)
            } else {
                newest
            };
            let to = Cursor {
                epoch: page.epoch.0.to_string(),
                read_to: i64::try_from(read_to.0).unwrap_or(i64::MAX),
            };
            if from.as_ref() == Some(&to) {
                return Ok(());
            }
            let deliveries = told(lane, &page, webhooks);
            let advance = Advance {
                lane: name.clone(),
                from,
                to: to.clone(),
            };
            let moved = self
                .catalogue
                .spread(Some(&advance), &deliveries, now())
                .await?;
            if is_last || !moved {
                return Ok(());
            }
            from = Some(to);
        }
        Ok(())
    }

    /// A page behind an offset, of whatever run of offsets the lane has now. Where that is another one, what it has from there on is
    /// new; all of it, where it does not reach so far.
    async fn page_of_epoch(
        &self,
        lane: &Channel,
        after: Offset,
        from: Option<&Cursor>,
    ) -> Result<History, ScribeError> {
        let page = self.read(lane, after).await?;
        let is_other = from.is_some_and(|from| *from.epoch != *page.epoch.0);
        if is_other && page.head < after {
            return self.read(lane, Offset(0)).await;
        }
        Ok(page)
    }

    async fn read(&self, lane: &Channel, after: Offset) -> Result<History, ScribeError> {
        let query = HistoryQuery {
            since: Some(after),
            limit: HISTORY_PAGE_MAX,
            reverse: false,
        };
        Ok(self.engine.history(lane, query).await?)
    }

    /// Behind which offset a lane is read that nobody has read: what happened since the first webhook was made is on the newest page.
    async fn beginning(&self, lane: &Channel, since: i64) -> Result<Offset, ScribeError> {
        let query = HistoryQuery {
            since: None,
            limit: HISTORY_PAGE_MAX,
            reverse: true,
        };
        let newest = self.engine.history(lane, query).await?;
        let is_new = |at: u64| i64::try_from(at).is_ok_and(|at| at >= since);
        let first = newest
            .publications
            .iter()
            .take_while(|entry| is_new(entry.at.0))
            .last();
        Ok(first.map_or(newest.head, |entry| {
            Offset(entry.offset.0.saturating_sub(1))
        }))
    }
}

fn wants_rooms(webhook: &Webhook) -> bool {
    let of_room = |kind: &String| kind.starts_with("message") || kind.starts_with("member.");
    webhook.enabled && webhook.kinds.iter().any(of_room)
}

fn told(lane: &Channel, page: &History, webhooks: &[Webhook]) -> Vec<Delivery> {
    let epoch: &Epoch = &page.epoch;
    let pieces = page
        .publications
        .iter()
        .filter_map(|entry| room_news::piece(lane, epoch, entry));
    pieces
        .flat_map(|piece| deliveries(webhooks, &piece))
        .collect()
}

/// What happened to a show, as it is told to the operator's own receiver.
fn piece_of(event: &Event) -> Piece {
    Piece {
        id: event.id.clone(),
        kind: event.kind.to_owned(),
        at: i64::try_from(event.at.0).unwrap_or(i64::MAX),
        channel: event.channel.as_ref().map(|room| room.as_str().to_owned()),
        about: None,
        body: String::from_utf8_lossy(&event.body()).into_owned(),
    }
}

/// One for each webhook that wants it.
fn deliveries(webhooks: &[Webhook], piece: &Piece) -> Vec<Delivery> {
    let queued_at = now();
    let wanting = webhooks
        .iter()
        .filter(|webhook| webhook.wants(&piece.kind, piece.channel.as_deref(), piece.at));
    wanting
        .map(|webhook| Delivery {
            id: delivery_id(queued_at),
            webhook: webhook.id.clone(),
            event: piece.id.clone(),
            kind: piece.kind.clone(),
            at: piece.at,
            about: piece.about.clone(),
            body: piece.body.clone(),
            state: DeliveryState::Waiting,
            attempts: 0,
            queued_at,
            ended_at: None,
            status: None,
            error: None,
        })
        .collect()
}

/// An id in the form of the API's: twelve digits of its time, and twenty that follow those of the delivery before.
fn delivery_id(at: i64) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed) & 0xffff_ffff;
    let random = getrandom::u64().unwrap_or_default() & 0xffff_ffff_ffff;
    format!("d-{at:012x}{number:08x}{random:012x}")
}

#[cfg(test)]
mod tests {
    use fanwave_api::webhooks::kinds::EventKind;

    use super::*;

    #[test]
    fn the_kinds_that_rooms_are_read_for_are_those_of_rooms() {
        let of_rooms = EventKind::ALL.iter().filter(|kind| {
            let name = kind.name();
            name.starts_with("message") || name.starts_with("member.")
        });
        assert_eq!(of_rooms.count(), 7);
    }

    #[test]
    fn ids_are_in_order_and_of_the_form_of_the_api() {
        let (one, two) = (
            delivery_id(1_795_000_000_123),
            delivery_id(1_795_000_000_123),
        );
        assert!(one < two, "{one} {two}");
        assert_eq!((one.len(), two.len()), (34, 34));
    }
}
