//! What a broker is asked, of one partition.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_store::{Kind, Order, Page, Standing};
use fanwave_wire::{Body as Said, Channel, Epoch, Offset, Publication, envelope::Record};
use rskafka::client::partition::OffsetAt;

use super::{
    entry::{Body, Entry},
    fold::{Block, Outcome, Span},
    produce,
    tail::{Tail, decode},
    view::View,
};
use crate::{
    limits::{KAFKA_FETCH_BYTES, KAFKA_NEAR},
    shared::{Appended, BrokerError, Extract},
};

impl Tail {
    /// See [`Broker::append`](crate::shared::Broker::append).
    pub(super) async fn append(
        &self,
        channel: &Channel,
        known: &Standing,
        records: &[Record],
    ) -> Result<Appended, BrokerError> {
        self.viewed.until_abreast().await?;
        let body = Body::Append {
            channel: channel.clone(),
            known: known.clone(),
            records: records.to_vec(),
        };
        self.write(channel, body).await?.appended()
    }

    /// See [`Broker::renew`](crate::shared::Broker::renew).
    pub(super) async fn renew(&self, channel: &Channel, lost: &Epoch) -> Result<(), BrokerError> {
        self.viewed.until_abreast().await?;
        let body = Body::Renew {
            channel: channel.clone(),
            lost: lost.clone(),
        };
        self.write(channel, body).await.map(drop)
    }

    /// See [`Broker::read`](crate::shared::Broker::read).
    pub(super) async fn read(&self, channel: &Channel, page: Page) -> Result<Extract, BrokerError> {
        self.viewed.until_abreast().await?;
        // What others were acknowledged before this call is there when it ends.
        let end = self
            .wire
            .call(async |partition| partition.get_offset(OffsetAt::Latest).await);
        let end = end.await?;
        let beginnings = self.viewed.look().beginnings;
        let reached = |view: &View| {
            let there = view.next >= end || view.beginnings != beginnings;
            there.then(|| view.fold.standing(channel).cloned())
        };
        let mut standing = self.viewed.until(reached).await;
        if standing.is_none() {
            let begin = Body::Begin {
                channel: channel.clone(),
            };
            self.write(channel, begin).await?;
            standing = self.viewed.look().fold.standing(channel).cloned();
        }
        let begun_again =
            || BrokerError::unavailable("the log of Kafka is read from its beginning");
        let standing = standing.ok_or_else(begun_again)?;
        let through = page.through.min(standing.head);
        let publications = self.publications(channel, Page { through, ..page }).await?;
        if self.viewed.look().beginnings != beginnings {
            return Err(begun_again());
        }
        Ok(Extract {
            standing,
            publications,
        })
    }

    /// Writes an entry, and waits until it has been read back.
    async fn write(&self, channel: &Channel, body: Body) -> Result<Outcome, BrokerError> {
        let (entry, awaited) = self.viewed.entry(body)?;
        let at = produce(&self.wire, &channel.to_string(), &entry).await?;
        awaited.outcome(at).await
    }

    async fn publications(
        &self,
        channel: &Channel,
        page: Page,
    ) -> Result<Vec<Arc<Publication>>, BrokerError> {
        let mut rest = page;
        let mut found = Vec::new();
        while found.len() < page.limit {
            let block = Block {
                after: rest.after,
                through: rest.through,
                order: page.order,
                kind: page.kind,
                messages: (page.limit - found.len()) as u64,
            };
            let mut spans = self.viewed.look().fold.spans(channel, block);
            let Some(edge) = spans.last().cloned() else {
                break;
            };
            if page.order == Order::NewestFirst {
                spans.reverse();
            }
            let mut read = self.entries(channel, &spans).await?;
            {
                let view = self.viewed.look();
                read.retain(|publication| {
                    is_within(publication, rest) && !view.fold.is_erased(channel, publication)
                });
            }
            match page.order {
                Order::OldestFirst => rest.after = edge.last(),
                Order::NewestFirst => {
                    read.reverse();
                    rest.through = Offset(edge.first.0 - 1);
                }
            }
            found.extend(read);
        }
        found.truncate(page.limit);
        Ok(found)
    }

    /// What entries have added, which are in the order of the log.
    async fn entries(
        &self,
        channel: &Channel,
        spans: &[Span],
    ) -> Result<Vec<Arc<Publication>>, BrokerError> {
        let mut found = Vec::new();
        let mut rest = spans;
        while let [first, others @ ..] = rest {
            let near = others
                .first()
                .is_some_and(|second| second.at - first.at <= KAFKA_NEAR);
            // One entry is answered with whole, however few bytes are asked for.
            let bytes = if near { KAFKA_FETCH_BYTES } else { 1 };
            let from = first.at;
            let answer = self
                .wire
                .call(async |partition| partition.fetch_records(from, 0..bytes, 1).await);
            let (records, _) = answer.await?;
            let read: BTreeMap<i64, _> = records
                .iter()
                .map(|record| (record.offset, record))
                .collect();
            let mut progress = false;
            while let [span, others @ ..] = rest
                && let Some(record) = read.get(&span.at)
            {
                let records = records_of(channel, span, decode(record).ok());
                let records = records.ok_or_else(changed)?;
                found.extend(span.publications(records));
                rest = others;
                progress = true;
            }
            if !progress {
                return Err(changed());
            }
        }
        Ok(found)
    }
}

/// The records of the entry of a span.
fn records_of(channel: &Channel, span: &Span, entry: Option<Entry>) -> Option<Vec<Record>> {
    match entry?.body {
        Body::Append {
            channel: of,
            records,
            ..
        } if of == *channel && records.len() >= span.needs() => Some(records),
        _ => None,
    }
}

fn is_within(publication: &Publication, page: Page) -> bool {
    publication.offset > page.after
        && publication.offset <= page.through
        && (page.kind == Kind::Everything || matches!(publication.draft.body, Said::Event(_)))
}

fn changed() -> BrokerError {
    BrokerError::unavailable("the log of Kafka is not the one that was read")
}
