//! What is answered from a channel's window, and what the broker is asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use fanwave_room::sequence::Ticket;
use fanwave_store::{Kind, Order, Page};
use fanwave_wire::{Channel, Offset, UnixMillis};

use super::{Answer, Done, Driver};
use crate::{
    Ack, EngineError, History, HistoryQuery, Snapshot,
    limits::EVENTS_PAGE_MAX,
    shared::{
        Standpoint,
        broker::{Broker, Partition},
        lane::{Input, Lane, Output},
    },
    window,
};

/// What waits for a channel to be open, or to be compared with the log.
pub(super) enum Waiting {
    Subscribe(Answer<Snapshot>),
    History(HistoryQuery, Answer<History>),
    Events(Offset, Answer<History>),
}

/// A channel of this node.
pub(super) struct Place {
    pub(super) lane: Lane,
    pub(super) partition: Partition,
    /// What the sink has, from a snapshot or a delivery; `None` when it is not subscribed.
    pub(super) told: Option<Offset>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) answers: BTreeMap<Ticket, Answer<Ack>>,
    pub(super) used_at: UnixMillis,
    /// The deadline that is noted for it.
    pub(super) armed: Option<UnixMillis>,
}

impl<B: Broker> Driver<B> {
    /// Answers from the window, waits for the channel to be open, or reads from the log.
    pub(super) fn serve(&mut self, channel: &Channel, waiting: Waiting) {
        let Some(place) = self.places.get_mut(channel) else {
            return;
        };
        let Some(recent) = place.lane.recent() else {
            place.waiting.push(waiting);
            return;
        };
        if place.lane.is_comparing() {
            place.waiting.push(waiting);
            return self.handle(channel, Input::Hurry);
        }
        let standpoint = Standpoint {
            epoch: recent.epoch().clone(),
            head: recent.head(),
        };
        match waiting {
            Waiting::Subscribe(answer) => {
                let snapshot = Snapshot {
                    epoch: standpoint.epoch,
                    head: standpoint.head,
                    floor: recent.floor(),
                    recent: recent.all().cloned().collect(),
                };
                place.told = Some(snapshot.head);
                drop(answer.send(Ok(snapshot)));
            }
            Waiting::History(query, answer) => match window::remembered(recent, query) {
                Some(publications) => {
                    drop(answer.send(Ok(standpoint.with(publications))));
                }
                None => {
                    let page = window::page(query, standpoint.head);
                    self.read_for(channel, page, standpoint, answer);
                }
            },
            Waiting::Events(after, answer) => {
                let page = Page {
                    after,
                    through: standpoint.head,
                    limit: EVENTS_PAGE_MAX,
                    order: Order::OldestFirst,
                    kind: Kind::Events,
                };
                self.read_for(channel, page, standpoint, answer);
            }
        }
    }

    fn read_for(
        &self,
        channel: &Channel,
        page: Page,
        standpoint: Standpoint,
        answer: Answer<History>,
    ) {
        let (broker, reads, channel) = (
            Arc::clone(&self.broker),
            Arc::clone(&self.reads),
            channel.clone(),
        );
        self.jobs.push(Box::pin(async move {
            let permit = reads.acquire().await;
            let extract = broker.read(&channel, page).await;
            drop(permit);
            let history = match extract {
                Err(error) => Err(error.into()),
                // What was read is of another run than the window, which will know it soon: both say the same.
                Ok(extract) if extract.standing.epoch != standpoint.epoch => Ok(History {
                    epoch: extract.standing.epoch,
                    head: extract.standing.head,
                    publications: extract.publications,
                }),
                Ok(extract) => Ok(standpoint.with(extract.publications)),
            };
            drop(answer.send(history));
            Done::Answered
        }));
    }

    /// Serves those who wait, when they need not wait any longer.
    pub(super) fn serve_waiting(&mut self, channel: &Channel) {
        if let Some(place) = self.places.get_mut(channel)
            && place.lane.recent().is_some()
            && !place.lane.is_comparing()
        {
            for waiting in std::mem::take(&mut place.waiting) {
                self.serve(channel, waiting);
            }
        }
    }

    /// Hands the broker what a machine asks of it.
    pub(super) fn ask(&mut self, channel: &Channel, output: Output) {
        let (broker, channel) = (Arc::clone(&self.broker), channel.clone());
        let counts = &self.shared.counts;
        match output {
            Output::Append { known, records } => {
                counts.appends.fetch_add(1, Ordering::Relaxed);
                counts
                    .appended
                    .fetch_add(records.len() as u64, Ordering::Relaxed);
                self.jobs.push(Box::pin(async move {
                    let result = broker.append(&channel, &known, &records).await;
                    Done::Appended(channel, result)
                }));
            }
            Output::Read(page) => {
                counts.reads.fetch_add(1, Ordering::Relaxed);
                let reads = Arc::clone(&self.reads);
                self.jobs.push(Box::pin(async move {
                    let permit = reads.acquire().await;
                    // Before it is read, so that whatever is appended after the read is heard.
                    let watched = broker.watch(broker.partition(&channel.room)).await;
                    let result = match watched {
                        Ok(()) => broker.read(&channel, page).await,
                        Err(error) => Err(error),
                    };
                    drop(permit);
                    Done::Read(channel, result)
                }));
            }
            Output::Renew(lost) => {
                tracing::error!(%channel, "the broker has lost messages that were seen: a new epoch begins");
                self.jobs.push(Box::pin(async move {
                    let result = broker.renew(&channel, &lost).await;
                    Done::Renewed(channel, result)
                }));
            }
            _ => {}
        }
    }
}

impl Place {
    /// Whether closing the channel would lose nothing.
    pub(super) fn is_unused(&self) -> bool {
        self.told.is_none() && self.waiting.is_empty() && self.lane.is_idle()
    }
}

impl Waiting {
    pub(super) fn refuse(self, error: EngineError) {
        match self {
            Self::Subscribe(answer) => drop(answer.send(Err(error))),
            Self::History(_, answer) | Self::Events(_, answer) => drop(answer.send(Err(error))),
        }
    }
}
