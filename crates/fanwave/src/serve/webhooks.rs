//! Webhooks of the API, as the plan has them: their catalogue is that of the accounts, where those are in the same database.

use std::sync::Arc;

use fanwave_api::webhooks::Webhooks as Desk;
use fanwave_bus::Engine;
use fanwave_origin::Origin;
use fanwave_store::catalogue::{Catalogue, Database};
use fanwave_wire::token::TokenKey;
use prometheus_client::registry::Registry;

use super::{
    accounts::{self, Register},
    assembly::StartError,
    news::{self, Run},
};
use crate::{
    config::{plan::Plan, store::Place, webhooks::Webhooks as Planned},
    datadir::DataDir,
    outgoing::Outgoing,
    secret::SecretError,
    webhooks::{Config, Sources, Webhooks},
};

/// Where they are kept, with all that is needed to open it.
pub(crate) fn database(planned: &Planned, folder: &DataDir) -> Result<Database, SecretError> {
    accounts::database_at(&planned.place, folder)
}

/// Webhooks at work.
#[derive(Debug)]
pub(super) struct Hooks {
    telling: Webhooks,
    catalogue: Catalogue,
    /// Whether nobody else has the catalogue open.
    is_alone: bool,
}

/// What they need of the rest.
pub(super) struct Parts<'a> {
    pub(super) folder: &'a DataDir,
    pub(super) register: Option<&'a Register>,
    pub(super) key: &'a TokenKey,
    pub(super) origin: &'a Origin,
    pub(super) run: Run,
    pub(super) engine: Arc<dyn Engine>,
}

impl Hooks {
    /// Starts them, if there are any.
    pub(super) async fn start(
        plan: &Plan,
        parts: Parts<'_>,
        registry: &mut Registry,
    ) -> Result<Option<Self>, StartError> {
        let Some(planned) = &plan.webhooks else {
            return Ok(None);
        };
        let shared = parts.register.filter(|register| {
            let is_file = |place: &Place| matches!(place, Place::File);
            is_file(register.place()) == is_file(&planned.place)
        });
        let catalogue = match shared {
            Some(register) => register.catalogue().clone(),
            None => {
                let database =
                    database(planned, parts.folder).map_err(StartError::StorePassword)?;
                Catalogue::open(&database).await?
            }
        };
        let config = Config {
            catalogue: catalogue.clone(),
            key: parts.key.clone(),
            outgoing: Outgoing::new(plan.outgoing.clone()),
            timeout: planned.timeout,
            attempts: planned.attempts,
        };
        let sources = Sources {
            news: news::all(parts.origin, parts.run),
            engine: parts.engine,
            rooms: plan
                .channels
                .iter()
                .map(|channel| channel.id.clone())
                .collect(),
        };
        Ok(Some(Self {
            telling: Webhooks::start(config, sources, registry),
            catalogue,
            is_alone: shared.is_none(),
        }))
    }

    /// What the API answers from.
    pub(super) fn desk(&self, key: &TokenKey) -> Desk {
        Webhooks::desk(&self.catalogue, key)
    }

    /// Writes down what happened last; the origin has to be shut down before.
    pub(super) async fn finish(self) {
        self.telling.finish().await;
        if self.is_alone {
            self.catalogue.close().await;
        }
    }
}
