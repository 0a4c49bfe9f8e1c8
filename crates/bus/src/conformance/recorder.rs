//! A sink that writes down what is delivered, and lets a case wait for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fanwave_wire::{Channel, Draft, Publication, envelope::Hearsay};
use tokio::{sync::Notify, time::timeout};

use crate::Sink;

/// How long a delivery may take before a case gives up; far more than any takes.
const DELIVERY_WAIT_MAX: Duration = Duration::from_secs(60);

/// All deliveries, in order.
#[derive(Debug, Default)]
pub struct Recorder {
    deliveries: Mutex<Vec<(Channel, Arc<Publication>)>>,
    restarts: Mutex<Vec<Channel>>,
    hearsay: Mutex<Vec<Hearsay>>,
    arrived: Notify,
    /// Every change of whether the log is reached.
    reach: Mutex<Vec<bool>>,
}

impl Sink for Recorder {
    fn reaches_log(&self, reaches: bool) {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        if reach.last() != Some(&reaches) {
            reach.push(reaches);
        }
        drop(reach);
        self.arrived.notify_waiters();
    }

    fn deliver(&self, channel: &Channel, publication: &Arc<Publication>) {
        self.deliveries()
            .push((channel.clone(), Arc::clone(publication)));
        self.arrived.notify_waiters();
    }

    fn restarted(&self, channel: &Channel) {
        self.restarts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(channel.clone());
        self.arrived.notify_waiters();
    }

    fn heard(&self, hearsay: Hearsay) {
        let heard = self.hearsay.lock();
        heard.unwrap_or_else(PoisonError::into_inner).push(hearsay);
        self.arrived.notify_waiters();
    }
}

impl Recorder {
    /// How often something has been heard that a server told about itself.
    #[must_use]
    pub fn times_heard(&self, wanted: &Hearsay) -> usize {
        let heard = self.hearsay.lock();
        let heard = heard.unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|heard| *heard == wanted).count()
    }

    /// What has been delivered of a channel so far.
    #[must_use]
    pub fn of(&self, channel: &Channel) -> Vec<Arc<Publication>> {
        let deliveries = self.deliveries();
        let of_channel = deliveries.iter().filter(|(of, _)| of == channel);
        of_channel
            .map(|(_, publication)| Arc::clone(publication))
            .collect()
    }

    /// Waits until this message has been delivered, and answers with all of the channel so far.
    ///
    /// # Panics
    ///
    /// When it does not come in time.
    pub async fn until(&self, channel: &Channel, draft: &Draft) -> Vec<Arc<Publication>> {
        let wait = async {
            loop {
                // Registered before looking, so that nothing slips in between.
                let arrived = self.arrived.notified();
                let deliveries = self.of(channel);
                if deliveries
                    .iter()
                    .any(|publication| publication.draft == *draft)
                {
                    return deliveries;
                }
                arrived.await;
            }
        };
        let delivered = timeout(DELIVERY_WAIT_MAX, wait).await;
        delivered.expect("a durable message is delivered in time")
    }

    /// Every change of whether the engine reaches its log.
    fn reach(&self) -> Vec<bool> {
        self.reach
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the engine has said this often that it reaches its log, or does not, in turn: first that it does not.
    ///
    /// # Panics
    ///
    /// When it does not say so in time.
    pub async fn until_reach_changed(&self, times: usize) -> Vec<bool> {
        let wait = async {
            loop {
                let arrived = self.arrived.notified();
                let reach = self.reach();
                if reach.len() >= times {
                    return reach;
                }
                arrived.await;
            }
        };
        let changed = timeout(DELIVERY_WAIT_MAX, wait).await;
        changed.expect("whoever listens is told in time")
    }

    /// Waits until a channel has begun anew.
    ///
    /// # Panics
    ///
    /// When it does not in time.
    pub async fn until_restarted(&self, channel: &Channel) {
        let wait = async {
            loop {
                let arrived = self.arrived.notified();
                let restarts = self.restarts.lock();
                if restarts
                    .unwrap_or_else(PoisonError::into_inner)
                    .contains(channel)
                {
                    return;
                }
                arrived.await;
            }
        };
        let told = timeout(DELIVERY_WAIT_MAX, wait).await;
        told.expect("whoever follows a channel is told in time that it begins anew");
    }

    fn deliveries(&self) -> MutexGuard<'_, Vec<(Channel, Arc<Publication>)>> {
        self.deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
