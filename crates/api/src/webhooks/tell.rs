//! What the API itself has to tell: it is written down for each webhook that wants it, and sent like everything else.

use fanwave_store::catalogue::{CatalogueError, Delivery, DeliveryState};
use serde_json::{Value, json};

use super::{Webhooks, kinds::EventKind};
use crate::accounts::new_id;

impl Webhooks {
    /// Has those told of an event of a channel who want to be. What it tells of has happened: if it cannot be told, that is for the
    /// operator's log.
    pub(crate) async fn tell(
        &self,
        (kind, event): (EventKind, String),
        channel: &str,
        data: &Value,
    ) {
        if let Err(error) = self.write((kind, event), channel, data).await {
            tracing::warn!(%error, kind = kind.name(), channel, "webhooks are not told what has happened");
        }
    }

    async fn write(
        &self,
        (kind, event): (EventKind, String),
        channel: &str,
        data: &Value,
    ) -> Result<(), CatalogueError> {
        let now = self.now();
        let body = json!({ "id": event, "type": kind.name(), "at": now, "channel": channel, "data": data });
        let webhooks = self.catalogue.webhooks().await?;
        let wanting = webhooks
            .iter()
            .filter(|webhook| webhook.wants(kind.name(), Some(channel), now));
        let deliveries: Vec<_> = wanting
            .filter_map(|webhook| {
                Some(Delivery {
                    // A process without randomness has refused to start long before.
                    id: new_id("d", now).ok()?,
                    webhook: webhook.id.clone(),
                    event: event.clone(),
                    kind: kind.name().to_owned(),
                    at: now,
                    about: None,
                    body: body.to_string(),
                    state: DeliveryState::Waiting,
                    attempts: 0,
                    queued_at: now,
                    ended_at: None,
                    status: None,
                    error: None,
                })
            })
            .collect();
        if deliveries.is_empty() {
            return Ok(());
        }
        self.catalogue
            .spread(None, &deliveries, now)
            .await
            .map(drop)
    }
}
