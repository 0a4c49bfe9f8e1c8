//! What an engine delivers to the recorder: it is not kept, only how far it reaches.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use fanwave_wire::{Channel, Publication};
use tokio::sync::Notify;

use super::scribe::Heard;
use crate::Sink;

/// A sink that wakes the recorder. Bounded by the channels that it follows.
#[derive(Debug, Default)]
pub(super) struct Ear {
    news: Mutex<BTreeMap<Channel, News>>,
    woken: Notify,
}

/// What has happened to a channel since it was asked last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) restarted: bool,
    /// The newest since then; of when the first of them was taken.
    pub(super) heard: Option<Heard>,
}

impl Ear {
    /// Returns when there may be something to take.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    pub(super) fn take(&self) -> BTreeMap<Channel, News> {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, channel: &Channel, change: impl FnOnce(&mut News)) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        match news.get_mut(channel) {
            Some(known) => change(known),
            None => change(news.entry(channel.clone()).or_default()),
        }
        drop(news);
        self.woken.notify_one();
    }
}

impl Sink for Ear {
    fn deliver(&self, channel: &Channel, publication: &Arc<Publication>) {
        self.tell(channel, |news| {
            let at = news.heard.map_or(publication.at, |heard| heard.at);
            let offset = publication.offset;
            news.heard = Some(Heard { offset, at });
        });
    }

    fn restarted(&self, channel: &Channel) {
        self.tell(channel, |news| {
            news.restarted = true;
            news.heard = None;
        });
    }

    fn reaches_log(&self, _reaches: bool) {
        // What is not heard is read back, or told to begin anew.
    }
}
