//! Reading: back from the newest entry, or from one that is looked for, many entries at once; leaving out what is deleted.

use std::sync::Arc;

use fanwave_store::{Kind, Order, Page};
use fanwave_wire::{Body, Channel, Lane, Offset, Publication, RoomId};

use super::{
    Core,
    entry::{self, Entry, Found},
    erased::Erased,
    log::{Written, random},
    places::{KnownErased, Place},
};
use crate::{
    clock::now,
    limits::{NATS_DUPLICATE_HORIZON, NATS_NEAR},
    shared::{BrokerError, Extract},
};

/// Which publications are wanted.
struct Wanted<'a> {
    after: Offset,
    through: Offset,
    limit: usize,
    kind: Kind,
    erased: Option<&'a Erased>,
}

impl Core {
    /// See [`Broker::read`](crate::shared::Broker::read).
    pub(super) async fn read(&self, channel: &Channel, page: Page) -> Result<Extract, BrokerError> {
        self.log.ready().await?;
        let place = self.places.of(channel);
        let newest = self.newest(channel, &place).await?;
        let erased = match channel.lane {
            Lane::Chat => Some(self.erased(&channel.room).await?),
            Lane::Room | Lane::Staff | Lane::Vote => None,
        };
        let standing = newest.entry.standing();
        let wanted = Wanted {
            after: page.after,
            through: page.through.min(standing.head),
            limit: page.limit,
            kind: page.kind,
            erased: erased.as_deref(),
        };
        let publications = match page.order {
            Order::NewestFirst => self.newest_first(channel, &newest, &wanted).await?,
            Order::OldestFirst => self.oldest_first(channel, &newest, wanted).await?,
        };
        Ok(Extract {
            standing,
            publications,
        })
    }

    /// The newest entry of a channel, which is begun where there is none.
    async fn newest(&self, channel: &Channel, place: &Place) -> Result<Found, BrokerError> {
        // What is heard of while the log is asked may be newer than its answer, and that answer no older for it.
        let seen = place.seen();
        let newest = match self.log.newest(channel).await? {
            Some(newest) => newest,
            None => match self.begin(channel, place).await? {
                Some(begun) => begun,
                None => self.log.newest(channel).await?.ok_or_else(left_behind)?,
            },
        };
        if newest.place >= seen {
            place.see(newest.place);
            return Ok(newest);
        }
        // Either the log has lost something, or whoever answers has been left behind: only a write can tell.
        let entry = Entry {
            mark: random()?,
            previous: newest.trail(),
            body: entry::Body::Standing(newest.entry.standing()),
        };
        match self.log.write(channel, &entry, newest.last).await? {
            Written::Moved | Written::Unknown => Err(left_behind()),
            Written::At(at) => {
                place.see_again(at);
                Ok(Found {
                    place: at,
                    last: at,
                    entry,
                })
            }
        }
    }

    async fn newest_first(
        &self,
        channel: &Channel,
        newest: &Found,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Arc<Publication>>, BrokerError> {
        let mut publications = Vec::new();
        if wanted.limit == 0 || wanted.after >= wanted.through {
            return Ok(publications);
        }
        let head = newest.entry.standing().head;
        let start = if head.0 - wanted.through.0 <= NATS_NEAR {
            newest.clone()
        } else {
            let looked_for = self.log.reaching(channel, wanted.through, newest.clone());
            looked_for.await?
        };
        let mut unread = start.entry.previous.clone();
        let mut read = vec![start];
        loop {
            for found in &read {
                if found.place != newest.place {
                    self.note_erased(channel, found, wanted.erased);
                }
                for publication in found.entry.publications().iter().rev() {
                    if publication.offset <= wanted.after || publications.len() == wanted.limit {
                        return Ok(publications);
                    }
                    if wanted.has(publication) {
                        publications.push(Arc::clone(publication));
                    }
                }
                if found.entry.standing().head <= wanted.after {
                    return Ok(publications);
                }
            }
            if unread.is_empty() || publications.len() == wanted.limit {
                return Ok(publications);
            }
            read = self.log.back(channel, &mut unread).await?;
        }
    }

    /// Piece by piece, because the way through the log leads back only.
    async fn oldest_first(
        &self,
        channel: &Channel,
        newest: &Found,
        wanted: Wanted<'_>,
    ) -> Result<Vec<Arc<Publication>>, BrokerError> {
        let mut publications = Vec::new();
        let mut after = wanted.after.max(self.floor(channel).await?);
        while publications.len() < wanted.limit && after < wanted.through {
            let missing = wanted.limit - publications.len();
            let width = u64::try_from(missing).unwrap_or(u64::MAX).max(PIECE_MIN);
            let through = Offset(after.0.saturating_add(width)).min(wanted.through);
            let piece = Wanted {
                after,
                through,
                limit: usize::MAX,
                ..wanted
            };
            let piece = self.newest_first(channel, newest, &piece).await?;
            publications.extend(piece.into_iter().rev());
            after = through;
        }
        publications.truncate(wanted.limit);
        Ok(publications)
    }

    /// Behind which offset the log has anything.
    async fn floor(&self, channel: &Channel) -> Result<Offset, BrokerError> {
        let oldest = self.log.oldest(channel).await?;
        Ok(oldest.map_or(Offset(0), |oldest| {
            let first = oldest.entry.publications().first();
            first.map_or(oldest.entry.standing().head, |first| {
                Offset(first.offset.0 - 1)
            })
        }))
    }

    /// What is deleted from the chat lane of a room, by the events that its `room` lane has this moment.
    pub(super) async fn erased(&self, room: &RoomId) -> Result<Arc<Erased>, BrokerError> {
        let lane = Channel {
            lane: Lane::Room,
            room: room.clone(),
        };
        let place = self.places.of(&lane);
        let mut known = place.erased.lock().await;
        let Some(newest) = self.log.newest(&lane).await? else {
            *known = KnownErased::default();
            return Ok(Arc::clone(&known.erased));
        };
        let through = Some((newest.place, newest.entry.mark));
        // What was deleted stays deleted, also where a server that is behind answers.
        let is_older = known.through.is_some_and(|(at, _)| newest.place < at);
        if is_older || through == known.through {
            return Ok(Arc::clone(&known.erased));
        }
        let since = self.since(&lane, newest.clone(), known.through, usize::MAX);
        if let Some(news) = since.await? {
            let erased = Arc::make_mut(&mut known.erased);
            for found in &news {
                erased.absorb(&found.entry);
            }
        } else {
            known.erased = Arc::new(self.all_erased(&lane, newest).await?);
        }
        known.through = through;
        Ok(Arc::clone(&known.erased))
    }

    async fn all_erased(&self, lane: &Channel, newest: Found) -> Result<Erased, BrokerError> {
        let mut erased = Erased::default();
        let mut unread = newest.entry.previous.clone();
        let mut read = vec![newest];
        loop {
            for found in &read {
                erased.absorb(&found.entry);
            }
            if unread.is_empty() {
                return Ok(erased);
            }
            read = self.log.back(lane, &mut unread).await?;
        }
    }

    /// Has an entry erased of which everything is deleted, once nobody needs it to recognise copies.
    fn note_erased(&self, channel: &Channel, found: &Found, erased: Option<&Erased>) {
        let said = found.entry.publications();
        let Some(erased) = erased.filter(|_| !said.is_empty()) else {
            return;
        };
        let horizon = u64::try_from(NATS_DUPLICATE_HORIZON.as_millis()).unwrap_or(u64::MAX);
        let now = now();
        let gone =
            |said: &Arc<Publication>| said.at.0.saturating_add(horizon) < now.0 && erased.has(said);
        if said.iter().all(gone) {
            // Where too many wait, it is found again.
            drop(self.erasures.try_send((channel.clone(), found.place)));
        }
    }
}

impl Wanted<'_> {
    fn has(&self, publication: &Publication) -> bool {
        let kind = match self.kind {
            Kind::Everything => true,
            Kind::Events => matches!(publication.draft.body, Body::Event(_)),
        };
        kind && publication.offset > self.after
            && publication.offset <= self.through
            && !self.erased.is_some_and(|erased| erased.has(publication))
    }
}

/// Offsets that are read at once at least, when a stretch is read forwards.
const PIECE_MIN: u64 = 512;

fn left_behind() -> BrokerError {
    BrokerError::unavailable("NATS answers with an old state")
}
