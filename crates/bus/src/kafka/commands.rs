//! Commands in a topic of Kafka.
//!
//! * A back end writes records, with the room as key where it wants them in order: Kafka keeps the order of a partition. The
//!   topic has any number of partitions.
//! * Who leads, and up to where commands are done in each partition, is said in a second topic of one partition, and is the
//!   fold of it (`lead`): all servers read the same. Kafka's own consumer groups are not used.
//! * What is done behind something that is not is given again when a server is gone: an offset says nothing of single records.
//! * Dead letters are a third topic.
//!
//! The topics have to be there: Kafka would make them otherwise than they have to be.

mod lead;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use rskafka::{client::partition::OffsetAt, record::RecordAndOffset};
use tokio::time::{Instant, timeout};

use self::lead::{Said, View};
use super::{
    config::KafkaConfig,
    wires::{Trouble, Wire, Wires},
};
use crate::{
    BoxFuture,
    commands::{CommandQueue, Entry, Place, new_holder},
    limits::{
        BROKER_CALL_MAX, COMMANDS_POLL_MAX, KAFKA_COMMAND_PARTITIONS_MAX,
        KAFKA_COMMANDS_FETCH_BYTES, KAFKA_LEAD_TRAIL,
    },
    shared::{BrokerError, Partition},
};

/// The queue; see the module.
#[derive(Debug)]
pub struct KafkaCommands {
    wires: Arc<Wires>,
    stream: String,
    holder: String,
    lead: Wire,
    dead: Wire,
    /// One for each partition, once it is known how many there are. Beside them, those that ask how long the partitions are.
    partitions: tokio::sync::OnceCell<Vec<(Wire, Wire)>>,
    state: Mutex<State>,
    /// One writes progress at a time, and what has gathered meanwhile is the next one's.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    view: View,
    /// Where in the topic of the lead is to be read on; `None`: nothing has been read.
    next: Option<i64>,
    shares: BTreeMap<u16, Share>,
    /// What was read and not taken.
    ahead: VecDeque<(u16, RecordAndOffset)>,
    /// Up to where it is written that commands are done.
    written: BTreeMap<u16, i64>,
}

/// How far one partition is.
#[derive(Debug, Default)]
struct Share {
    /// Where is to be read on; `None`: at the beginning.
    next: Option<i64>,
    /// What was taken, and whether it is done.
    taken: BTreeMap<i64, bool>,
    /// Everything before this is done.
    done: Option<i64>,
}

impl Share {
    fn take(&mut self, offset: i64) {
        self.taken.insert(offset, false);
    }

    /// Takes note that one is done; says up to where all are.
    fn end(&mut self, offset: i64) -> Option<i64> {
        if let Some(done) = self.taken.get_mut(&offset) {
            *done = true;
        }
        while let Some(first) = self.taken.first_entry()
            && *first.get()
        {
            self.done = Some(first.key() + 1);
            first.remove();
        }
        self.done
    }
}

impl KafkaCommands {
    /// Connects when it is first used. The topic names the queue; the others are made of it.
    ///
    /// # Errors
    ///
    /// This machine has no randomness.
    pub fn open(config: KafkaConfig, topic: &str) -> Result<Arc<Self>, BrokerError> {
        let (dead, lead) = (format!("{topic}-dead"), format!("{topic}-lead"));
        let topics = vec![topic.to_owned(), dead.clone(), lead.clone()];
        let wires = Arc::new(Wires::to(config, topics));
        Ok(Arc::new(Self {
            lead: Wire::of_topic(&wires, &lead, Partition(0)),
            dead: Wire::of_topic(&wires, &dead, Partition(0)),
            wires,
            stream: topic.to_owned(),
            holder: new_holder()?,
            partitions: tokio::sync::OnceCell::new(),
            state: Mutex::new(State {
                view: View::new(Instant::now()),
                next: None,
                shares: BTreeMap::new(),
                ahead: VecDeque::new(),
                written: BTreeMap::new(),
            }),
            writing: tokio::sync::Mutex::new(()),
        }))
    }

    /// The partitions of the topic, which has to be there with the two others.
    async fn partitions(&self) -> Result<&[(Wire, Wire)], BrokerError> {
        let found = self.partitions.get_or_try_init(|| async {
            for (topic, more) in [("-dead", "cleanup.policy=delete"), ("-lead", "one partition and cleanup.policy=compact")] {
                let topic = format!("{}{topic}", self.stream);
                if self.wires.partitions(&topic).await?.is_none() {
                    let reason = format!("Kafka has no topic {topic}: create it with {more}");
                    return Err(BrokerError::Unavailable { reason });
                }
            }
            let count = self.wires.partitions(&self.stream).await?;
            let count = count.and_then(|count| u16::try_from(count).ok());
            let fits = count.filter(|count| (1..=KAFKA_COMMAND_PARTITIONS_MAX).contains(count));
            let count = fits.ok_or_else(|| BrokerError::Unavailable {
                reason: format!(
                    "Kafka has no topic {} with 1 to {KAFKA_COMMAND_PARTITIONS_MAX} partitions: create it",
                    self.stream
                ),
            })?;
            let wire = |number| Wire::of_topic(&self.wires, &self.stream, Partition(number));
            Ok((0..count).map(|number| (wire(number), wire(number))).collect())
        });
        found.await.map(Vec::as_slice)
    }

    /// Reads what was said about the lead, up to a place that is there, or to the end.
    async fn listen(&self, through: Option<i64>) -> Result<(), BrokerError> {
        let end = match through {
            Some(place) => place + 1,
            None => {
                self.lead
                    .call(async |partition| partition.get_offset(OffsetAt::Latest).await)
                    .await?
            }
        };
        let begun = self.state().next;
        let mut next = begun.unwrap_or_else(|| (end - KAFKA_LEAD_TRAIL).max(0));
        while next < end {
            let fetched = self.lead.call(async |partition| {
                partition
                    .fetch_records(next, 1..KAFKA_COMMANDS_FETCH_BYTES, 0)
                    .await
            });
            let records = match fetched.await {
                Ok((records, _)) => records,
                // The beginning is gone, or the topic was made anew.
                Err(Trouble::OutOfRange) => {
                    let earliest = self
                        .lead
                        .call(async |partition| partition.get_offset(OffsetAt::Earliest).await);
                    let earliest = earliest.await?;
                    if earliest == next {
                        break;
                    }
                    next = earliest;
                    continue;
                }
                Err(trouble) => return Err(trouble.into()),
            };
            let mut state = self.state();
            let Some(last) = records.last() else {
                // What was asked for is compacted away, and there is nothing behind it.
                next = end;
                break;
            };
            let reached = last.offset + 1;
            for record in records.iter().filter(|record| record.offset >= next) {
                if let Some(said) = record.record.value.as_deref().and_then(Said::read) {
                    state.view.hear(Instant::now(), &said);
                }
            }
            next = reached;
        }
        self.state().next = Some(next);
        Ok(())
    }

    async fn ask_for_lead(&self) -> Result<bool, BrokerError> {
        self.partitions().await?;
        self.listen(None).await?;
        let said = {
            let state = self.state();
            let done = state.done();
            state.view.ask(Instant::now(), &self.holder, done)
        };
        let Some(said) = said else {
            return Ok(false);
        };
        let place = self
            .lead
            .write(Some(b"lead".to_vec()), said.written())
            .await?;
        self.listen(Some(place)).await?;
        Ok(self.state().view.is_led_by(&self.holder))
    }

    /// Goes back to what is written to be done.
    async fn begin(&self) -> Result<(), BrokerError> {
        let count = self.partitions().await?.len();
        self.listen(None).await?;
        let mut state = self.state();
        let State {
            view,
            shares,
            ahead,
            written,
            ..
        } = &mut *state;
        ahead.clear();
        for number in 0..u16::try_from(count).unwrap_or(u16::MAX) {
            let share = shares.entry(number).or_default();
            // What this server knows may be newer than what it could write.
            let done = share.done.max(view.done.get(&number).copied());
            *share = Share {
                next: done,
                taken: BTreeMap::new(),
                done,
            };
        }
        written.clone_from(&view.done);
        Ok(())
    }

    async fn read(&self, most: usize) -> Result<Vec<Entry>, BrokerError> {
        if self.state().ahead.is_empty() {
            let records = self.fetch().await?;
            self.state().ahead.extend(records);
        }
        let mut state = self.state();
        let State { shares, ahead, .. } = &mut *state;
        let taken = ahead.drain(..most.min(ahead.len()));
        let entry = |(number, record): (u16, RecordAndOffset)| {
            let offset = record.offset;
            shares.entry(number).or_default().take(offset);
            let name = format!("{number}:{offset}");
            Entry {
                place: Place::new(name.clone(), name),
                bytes: record.record.value.unwrap_or_default(),
            }
        };
        Ok(taken.map(entry).collect())
    }

    /// What the first partitions have that have anything.
    async fn fetch(&self) -> Result<Vec<(u16, RecordAndOffset)>, BrokerError> {
        let wires = self.partitions().await?;
        let numbered = (0..).zip(wires);
        let mut asked: FuturesUnordered<_> = numbered
            .map(|(number, (wire, _))| self.fetch_of(number, wire))
            .collect();
        while let Some(found) = asked.next().await {
            let found = found?;
            // The others are asked again: Kafka remembers nothing of a question.
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    async fn fetch_of(
        &self,
        number: u16,
        wire: &Wire,
    ) -> Result<Vec<(u16, RecordAndOffset)>, BrokerError> {
        let next = self
            .state()
            .shares
            .get(&number)
            .and_then(|share| share.next);
        let next = match next {
            Some(next) => next,
            None => {
                wire.call(async |partition| partition.get_offset(OffsetAt::Earliest).await)
                    .await?
            }
        };
        let patience = i32::try_from(COMMANDS_POLL_MAX.as_millis()).unwrap_or(i32::MAX);
        let fetched = wire.call(async |partition| {
            partition
                .fetch_records(next, 1..KAFKA_COMMANDS_FETCH_BYTES, patience)
                .await
        });
        let records = match fetched.await {
            Ok((records, _)) => records,
            Err(Trouble::OutOfRange) => {
                tracing::error!(
                    partition = number,
                    next,
                    "commands are gone from Kafka that were not done, or its topic was made anew: what is there is taken from the beginning"
                );
                self.state().shares.insert(number, Share::default());
                return Ok(Vec::new());
            }
            Err(trouble) => return Err(trouble.into()),
        };
        // A set of records is answered whole, also where its beginning is not asked for.
        let records: Vec<_> = records
            .into_iter()
            .filter(|record| record.offset >= next)
            .collect();
        if let Some(last) = records.last() {
            self.state().shares.entry(number).or_default().next = Some(last.offset + 1);
        }
        Ok(records.into_iter().map(|record| (number, record)).collect())
    }

    /// Writes up to where commands are done, unless somebody has by then.
    async fn write_done(&self, number: u16, through: i64) -> Result<(), BrokerError> {
        let _only = self.writing.lock().await;
        let said = {
            let state = self.state();
            if state
                .written
                .get(&number)
                .is_some_and(|written| *written >= through)
            {
                return Ok(());
            }
            state.view.progress(&self.holder, state.done())
        };
        let done = said.done.clone();
        self.lead
            .write(Some(b"lead".to_vec()), said.written())
            .await?;
        self.state().written = done;
        Ok(())
    }

    async fn count(&self) -> Result<u64, BrokerError> {
        let wires = self.partitions().await?;
        let ends = join_all(wires.iter().map(|(_, wire)| async {
            let latest = wire
                .call(async |partition| partition.get_offset(OffsetAt::Latest).await)
                .await?;
            let earliest = wire
                .call(async |partition| partition.get_offset(OffsetAt::Earliest).await)
                .await?;
            Ok::<_, BrokerError>((earliest, latest))
        }));
        let mut waiting = 0;
        for (number, end) in (0..).zip(ends.await) {
            let (earliest, latest) = end?;
            let state = self.state();
            let share = state.shares.get(&number);
            let done = share
                .and_then(|share| share.done)
                .unwrap_or(earliest)
                .max(earliest);
            let ended = share.map_or(0, |share| {
                share.taken.values().filter(|done| **done).count()
            });
            let rest = u64::try_from(latest - done).unwrap_or(0);
            waiting += rest.saturating_sub(ended as u64);
        }
        Ok(waiting)
    }

    /// Ends a call in time.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, BrokerError>> + Send,
    ) -> Result<T, BrokerError> {
        match timeout(BROKER_CALL_MAX, call).await {
            Ok(result) => result,
            Err(_) => Err(BrokerError::unavailable("Kafka does not answer in time")),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Up to where commands are done, as far as this server knows.
    fn done(&self) -> BTreeMap<u16, i64> {
        let mut done = self.view.done.clone();
        for (number, share) in &self.shares {
            if let Some(through) = share.done {
                let known = done.entry(*number).or_insert(through);
                *known = through.max(*known);
            }
        }
        done
    }
}

/// Reads a place as it was given out.
fn parse(place: &Place) -> Option<(u16, i64)> {
    let (number, offset) = place.token().split_once(':')?;
    Some((number.parse().ok()?, offset.parse().ok()?))
}

impl CommandQueue for KafkaCommands {
    fn lead(&self) -> BoxFuture<'_, Result<bool, BrokerError>> {
        Box::pin(self.within(self.ask_for_lead()))
    }

    fn rewind(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.within(self.begin()))
    }

    fn take(&self, most: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        Box::pin(self.within(self.read(most)))
    }

    fn done<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.within(async move {
            let Some((number, offset)) = parse(place) else {
                return Ok(());
            };
            let through = self.state().shares.entry(number).or_default().end(offset);
            match through {
                Some(through) => self.write_done(number, through).await,
                None => Ok(()),
            }
        }))
    }

    fn bury<'a>(&'a self, letter: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.within(async move {
            let written = self.dead.write(None, letter.to_vec()).await;
            written.map(drop).map_err(BrokerError::from)
        }))
    }

    fn waiting(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        Box::pin(self.within(self.count()))
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.within(async move {
            let said = {
                let state = self.state();
                let leads = state.view.is_led_by(&self.holder);
                leads.then(|| state.view.farewell(&self.holder, state.done()))
            };
            match said {
                Some(said) => {
                    let place = self
                        .lead
                        .write(Some(b"lead".to_vec()), said.written())
                        .await?;
                    self.listen(Some(place)).await
                }
                None => Ok(()),
            }
        }))
    }
}
