//! The two streams, as one log for every channel: what is asked of JetStream stands here and nowhere else.
//!
//! * The newest entry of a channel is asked of the server that leads the stream, because any other may be behind. What is
//!   older does not change, and is asked of all servers that have it.
//! * An entry is written only where the channel's newest is still the one that its writer knows.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_nats::{
    Client, Subject,
    connection::State,
    jetstream::{
        self, Context,
        context::PublishErrorKind,
        message::{PublishMessage, StreamMessage},
        stream::{DirectGetErrorKind, RawMessageErrorKind, Stream},
    },
};
use fanwave_wire::{Channel, Offset, envelope::EnvelopeError};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Mutex, watch};

use super::{
    config::NatsConfig,
    entry::{Entry, Found},
    names::Names,
};
use crate::{
    limits::{NATS_APPEND_ATTEMPTS_MAX, NATS_POINTERS_MAX, NATS_REQUEST_MAX},
    shared::BrokerError,
};

/// The log of all channels.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) client: Client,
    pub(super) names: Names,
    context: Context,
    config: NatsConfig,
    /// Whether the streams are known to be there.
    ready: AtomicBool,
    /// One looks at a time.
    looking: Mutex<()>,
    /// Grows whenever something may have happened that was not heard of.
    interruptions: Arc<watch::Sender<u64>>,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It is the newest, and here.
    At(u64),
    /// It is not there: the channel's newest entry is another, or nobody takes any this moment.
    Moved,
    /// Nobody has said: it may be there, or come there yet.
    Unknown,
}

impl Log {
    pub(super) fn new(
        client: Client,
        config: NatsConfig,
        interruptions: Arc<watch::Sender<u64>>,
    ) -> Self {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(NATS_REQUEST_MAX);
        Self {
            client,
            names: config.names(),
            context,
            config,
            ready: AtomicBool::new(false),
            looking: Mutex::new(()),
            interruptions,
        }
    }

    /// Makes sure that the streams are there and as configured.
    pub(super) async fn ready(&self) -> Result<(), BrokerError> {
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let _only = self.looking.lock().await;
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        for wanted in self.config.streams(&self.names) {
            let stream = self.context.get_or_create_stream(wanted.clone()).await;
            let stream = stream.map_err(|error| failed(&error))?;
            let has = &stream.cached_info().config;
            if has.subjects != wanted.subjects
                || has.republish != wanted.republish
                || !has.allow_direct
            {
                return Err(BrokerError::Unreadable {
                    reason: format!("the stream {} is laid out for something else", wanted.name),
                });
            }
            let mut changed = has.clone();
            changed.max_age = wanted.max_age;
            changed.max_bytes = wanted.max_bytes;
            changed.num_replicas = wanted.num_replicas;
            if changed != *has {
                let updated = self.context.update_stream(changed).await;
                updated.map_err(|error| failed(&error))?;
            }
        }
        self.ready.store(true, Ordering::Release);
        Ok(())
    }

    /// Tells all servers something that nobody keeps.
    pub(super) async fn tell(&self, hearsay: &[u8]) -> Result<(), BrokerError> {
        // What a client of NATS is given while it is not connected comes out late.
        if self.client.connection_state() != State::Connected {
            return Err(BrokerError::unavailable("there is no connection to NATS"));
        }
        let told = self
            .client
            .publish(self.names.hearsay(), hearsay.to_vec().into())
            .await;
        told.map_err(|error| failed(&error))?;
        self.client.flush().await.map_err(|error| failed(&error))
    }

    /// Something has failed that would also fail if a stream were gone.
    pub(super) fn doubt(&self) {
        self.ready.store(false, Ordering::Release);
    }

    /// How often something may have happened that was not heard of.
    pub(super) fn interruptions(&self) -> u64 {
        *self.interruptions.borrow()
    }

    /// Says so whenever something may have happened that was not heard of.
    pub(super) fn interrupted(&self) -> watch::Receiver<u64> {
        self.interruptions.subscribe()
    }

    pub(super) fn interrupt(&self) {
        self.interruptions.send_modify(|so_far| *so_far += 1);
    }

    /// The newest entry of a channel, as the server that leads the stream has it.
    pub(super) async fn newest(&self, channel: &Channel) -> Result<Option<Found>, BrokerError> {
        let subject = self.names.log(channel);
        let stream = self.stream(channel).await?;
        let answer = stream.raw_message_builder().last_by_subject(subject);
        match answer.send().await {
            Ok(message) => self.counting(channel, found(&message)?).await.map(Some),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// The newest entry that counts, where `last` is the very last.
    async fn counting(&self, channel: &Channel, last: Found) -> Result<Found, BrokerError> {
        let Some(before) = last.follows().filter(|_| self.may_take_two()) else {
            return Ok(last);
        };
        let Some(mut newest) = self.successor(channel, before).await? else {
            return Ok(last);
        };
        while newest.place < last.place
            && let Some(next) = self.successor(channel, newest.place).await?
        {
            newest = next;
        }
        newest.last = last.place;
        Ok(newest)
    }

    /// The entry that counts as the one after another: the first that names it.
    pub(super) async fn successor(
        &self,
        channel: &Channel,
        before: u64,
    ) -> Result<Option<Found>, BrokerError> {
        let subject = self.names.log(channel);
        let stream = self.stream(channel).await?;
        let mut from = before + 1;
        for _ in 0..NATS_APPEND_ATTEMPTS_MAX {
            let raw = stream.raw_message_builder().sequence(from);
            match raw.next_by_subject(subject.clone()).send().await {
                Ok(message) => {
                    let found = found(&message)?;
                    if found.follows() == Some(before) {
                        return Ok(Some(found));
                    }
                    from = found.place + 1;
                }
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                    return Ok(None);
                }
                Err(error) => return Err(failed(&error)),
            }
        }
        Err(BrokerError::unavailable(
            "too many entries of the log do not count",
        ))
    }

    /// Whether a stream may take two entries where it was told to take one: clusters do, where two come at once.
    pub(super) fn may_take_two(&self) -> bool {
        self.config.replicas > 1
    }

    /// The entry at a place, if it is there and the channel's.
    async fn at(&self, channel: &Channel, place: u64) -> Result<Option<Found>, BrokerError> {
        let stream = self.stream(channel).await?;
        let message = match stream.direct_get(place).await {
            Ok(message) => message,
            // A server that is behind does not know what it does not have: the leader does.
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => {
                match stream.get_raw_message(place).await {
                    Ok(message) => message,
                    Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                        return Ok(None);
                    }
                    Err(error) => return Err(failed(&error)),
                }
            }
            Err(error) => return Err(failed(&error)),
        };
        let own = message.subject.as_str() == self.names.log(channel);
        own.then(|| found(&message)).transpose()
    }

    /// The oldest entry of a channel that is left.
    pub(super) async fn oldest(&self, channel: &Channel) -> Result<Option<Found>, BrokerError> {
        self.next(channel, 0).await
    }

    /// The first entry of a channel that is not before a place.
    async fn next(&self, channel: &Channel, place: u64) -> Result<Option<Found>, BrokerError> {
        let subject = self.names.log(channel);
        let stream = self.stream(channel).await?;
        let place = place.max(1);
        let direct = stream.direct_get_builder().sequence(place);
        let message = match direct.next_by_subject(subject.clone()).send().await {
            Ok(message) => message,
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => {
                let raw = stream.raw_message_builder().sequence(place);
                match raw.next_by_subject(subject).send().await {
                    Ok(message) => message,
                    Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                        return Ok(None);
                    }
                    Err(error) => return Err(failed(&error)),
                }
            }
            Err(error) => return Err(failed(&error)),
        };
        found(&message).map(Some)
    }

    /// Reads the entries at these places, newest first, and puts in their stead the places of those before them.
    ///
    /// When there are no more places, the beginning is reached, or what is left of it.
    pub(super) async fn back(
        &self,
        channel: &Channel,
        places: &mut Vec<u64>,
    ) -> Result<Vec<Found>, BrokerError> {
        let Some(oldest) = places.last().copied() else {
            return Ok(Vec::new());
        };
        let read = stream::iter(places.iter().copied())
            .map(|place| self.at(channel, place))
            .buffered(NATS_POINTERS_MAX)
            .try_collect::<Vec<_>>();
        let read: Vec<Found> = read.await?.into_iter().flatten().collect();
        *places = match read.last() {
            Some(last) => {
                let before = last.entry.previous.iter().copied();
                before.filter(|place| *place < oldest).collect()
            }
            // All of them are gone, and with them the way back. An entry that names so few names all that there were.
            None if places.len() < NATS_POINTERS_MAX => Vec::new(),
            None => self.before(channel, oldest).await?.into_iter().collect(),
        };
        Ok(read)
    }

    /// The place of the newest entry before another, where no entry says it.
    async fn before(&self, channel: &Channel, place: u64) -> Result<Option<u64>, BrokerError> {
        let oldest = self.oldest(channel).await?;
        let Some(first) = oldest.filter(|first| first.place < place) else {
            return Ok(None);
        };
        let (mut newest, mut end) = (first.place, place);
        while newest + 1 < end {
            let middle = newest + (end - newest) / 2;
            match self.next(channel, middle).await? {
                Some(found) if found.place < place => newest = found.place,
                Some(_) | None => end = middle,
            }
        }
        Ok(Some(newest))
    }

    /// The oldest entry that reaches to an offset, which the newest entry does.
    pub(super) async fn reaching(
        &self,
        channel: &Channel,
        offset: Offset,
        newest: Found,
    ) -> Result<Found, BrokerError> {
        // Everything before `low` ends before the offset; nothing between `high` and `known` is there.
        let (mut low, mut high, mut known) = (1, newest.place, newest);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.next(channel, middle).await? {
                Some(found) if found.place < known.place => {
                    if found.entry.standing().head < offset {
                        low = found.place + 1;
                    } else {
                        known = found;
                        high = middle;
                    }
                }
                Some(_) | None => high = middle,
            }
        }
        // What was found by looking may be an entry that does not count.
        if let Some(before) = known.follows().filter(|_| self.may_take_two()) {
            let mut counts = self.successor(channel, before).await?;
            while let Some(found) = counts {
                if found.entry.standing().head >= offset {
                    return Ok(found);
                }
                counts = self.successor(channel, found.place).await?;
            }
        }
        Ok(known)
    }

    /// Writes an entry, where the last is still the one at `last`, or there is none and that is 0.
    pub(super) async fn write(
        &self,
        channel: &Channel,
        entry: &Entry,
        last: u64,
    ) -> Result<Written, BrokerError> {
        let message = PublishMessage::build()
            .payload(entry.encode().into())
            .expected_stream(self.names.stream(channel))
            .expected_last_subject_sequence(last);
        let subject = Subject::from(self.names.log(channel));
        let mut interrupted = self.interrupted();
        let written = async { self.context.send_publish(subject, message).await?.await };
        let written = tokio::select! {
            written = written => written,
            // The answer may be among what was lost.
            _ = interrupted.changed() => return Ok(Written::Unknown),
        };
        match written {
            Ok(ack) => Ok(match self.counts(channel, entry, ack.sequence).await {
                Ok(true) => Written::At(ack.sequence),
                Ok(false) => Written::Moved,
                Err(_) => Written::Unknown,
            }),
            Err(error) => match error.kind() {
                // A stream that has just been made, or is between two leaders, listens to nothing.
                PublishErrorKind::WrongLastSequence | PublishErrorKind::StreamNotFound => {
                    Ok(Written::Moved)
                }
                PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => Ok(Written::Unknown),
                _ => Err(failed(&error)),
            },
        }
    }

    /// Whether an entry that was taken counts.
    async fn counts(
        &self,
        channel: &Channel,
        entry: &Entry,
        place: u64,
    ) -> Result<bool, BrokerError> {
        match entry.previous.first() {
            Some(before) if self.may_take_two() && before + 1 < place => {
                let successor = self.successor(channel, *before).await?;
                Ok(successor.is_some_and(|found| found.place == place))
            }
            Some(_) | None => Ok(true),
        }
    }

    /// Erases an entry from the disks of NATS: it is written over.
    pub(super) async fn erase(&self, channel: &Channel, place: u64) -> Result<(), BrokerError> {
        let stream = self.stream(channel).await?;
        let erased = stream.delete_message(place).await;
        erased.map(drop).map_err(|error| failed(&error))
    }

    /// Returns once the servers that lead the streams know of every subscription that was made before.
    ///
    /// What they answer comes the way that their news do, and cannot be before these.
    pub(super) async fn settle(&self) -> Result<(), BrokerError> {
        self.ready().await?;
        for name in [self.names.chat_stream(), self.names.events_stream()] {
            let stream = self.handle(&name).await?;
            // There is no such place: the answer is all that is wanted.
            match stream.get_raw_message(u64::MAX).await {
                Ok(_) => {}
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        Ok(())
    }

    async fn stream(&self, channel: &Channel) -> Result<Stream<()>, BrokerError> {
        self.handle(&self.names.stream(channel)).await
    }

    async fn handle(&self, name: &str) -> Result<Stream<()>, BrokerError> {
        let stream = self.context.get_stream_no_info(name).await;
        stream.map_err(|error| failed(&error))
    }
}

fn found(message: &StreamMessage) -> Result<Found, BrokerError> {
    placed(message.sequence, &message.payload).map_err(|error| BrokerError::Unreadable {
        reason: format!("entry {} of {}: {error}", message.sequence, message.subject),
    })
}

/// An entry at its place.
pub(super) fn placed(place: u64, bytes: &[u8]) -> Result<Found, EnvelopeError> {
    let mut entry = Entry::decode(bytes)?;
    // One that was written for a stream that is gone may name later ones, and would lead round in circles.
    entry.previous.retain(|earlier| *earlier < place);
    Ok(Found {
        place,
        last: place,
        entry,
    })
}

/// Says what has failed, and why.
pub(super) fn failed(error: &dyn std::error::Error) -> BrokerError {
    let mut reason = format!("NATS: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors say their cause themselves.
        if !reason.contains(&more) {
            reason.push_str(": ");
            reason.push_str(&more);
        }
        cause = error.source();
    }
    BrokerError::Unavailable { reason }
}

/// Chance for what must be like nothing else.
pub(super) fn random() -> Result<u64, BrokerError> {
    getrandom::u64().map_err(|error| BrokerError::unavailable(&error))
}
