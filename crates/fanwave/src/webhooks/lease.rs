//! Works of which one server does each at a time.

use std::time::Duration;

use fanwave_store::catalogue::Catalogue;

use super::{millis, now};

/// What this process calls itself where it takes works on.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    catalogue: Catalogue,
    name: String,
}

impl Holder {
    pub(super) fn new(catalogue: Catalogue) -> Self {
        let random = getrandom::u64().unwrap_or_else(|_| crate::clock::now().0);
        Self {
            catalogue,
            name: format!("{random:016x}"),
        }
    }

    /// Takes a work on, or goes on with it, for so long. False if another server does it, or that is not known.
    pub(super) async fn take(&self, work: &str, span: Duration) -> bool {
        let now = now();
        let ends_at = now.saturating_add(millis(span));
        let taken = self.catalogue.take_lease((work, &self.name), now, ends_at);
        taken.await.unwrap_or_else(|error| {
            tracing::debug!(%error, "a work could not be taken on");
            false
        })
    }

    /// Lets others take a work on.
    pub(super) async fn end(&self, work: &str) {
        if let Err(error) = self.catalogue.end_leases(Some(work), &self.name).await {
            tracing::debug!(%error, "a work is let go when its time has passed");
        }
    }

    /// Lets others take all works on.
    pub(super) async fn let_go(&self) {
        if let Err(error) = self.catalogue.end_leases(None, &self.name).await {
            tracing::debug!(%error, "works are let go when their time has passed");
        }
    }
}
