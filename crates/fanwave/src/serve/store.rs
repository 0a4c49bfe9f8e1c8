//! The chat log as the plan wants it, and what lets go of its oldest messages.

use std::{path::Path, time::Duration};

use fanwave_bus::clock;
use fanwave_store::{Archive, PersonKeys, PostgresConfig, Retention, Store};
use prometheus_client::registry::Registry;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::assembly::StartError;
use crate::{
    config::{
        cassandra::Cassandra,
        store::{Place, Store as Planned},
    },
    datadir::DataDir,
    secret::{self, SecretError},
};

/// A database server with the password that is in a file.
pub(super) fn with_password(
    config: &PostgresConfig,
    file: Option<&Path>,
) -> Result<PostgresConfig, SecretError> {
    let mut config = config.clone();
    if let Some(file) = file {
        config.password = Some(secret::read(file, 1)?.expose().to_owned());
    }
    Ok(config)
}

/// How often what is over is let go of; the first time at the start.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// Opens it.
pub(crate) async fn open(planned: &Planned, folder: &DataDir) -> Result<Store, StartError> {
    Ok(match &planned.place {
        Place::File => {
            // What a server has for itself has no people in it.
            let keys = match planned.archive {
                Some(_) => PersonKeys::Off,
                None => planned.person_keys,
            };
            Store::open_with(&folder.database(), keys).await?
        }
        Place::Postgres {
            config,
            password_file,
        } => {
            let config = with_password(config, password_file.as_deref());
            let config = config.map_err(StartError::StorePassword)?;
            Store::connect_with(&config, planned.person_keys).await?
        }
    })
}

/// Opens what is searched, exported and swept: the log, or the archive that is recorded in its place.
pub(crate) async fn open_archive(
    planned: &Planned,
    folder: &DataDir,
) -> Result<Archive, StartError> {
    match &planned.archive {
        Some(elsewhere) => connect(elsewhere, planned.archive_keys.as_ref()).await,
        None => Ok(open(planned, folder).await?.into()),
    }
}

/// The same for a server, which has the log open.
pub(super) async fn archive(planned: &Planned, store: &Store) -> Result<Archive, StartError> {
    match &planned.archive {
        Some(elsewhere) => connect(elsewhere, planned.archive_keys.as_ref()).await,
        None => Ok(store.clone().into()),
    }
}

#[cfg(feature = "cassandra")]
async fn connect(planned: &Cassandra, keys: Option<&Place>) -> Result<Archive, StartError> {
    let mut config = planned.config.clone();
    if let Some(file) = &planned.password_file {
        let password = secret::read(file, 1).map_err(StartError::StorePassword)?;
        config.password = Some(password.expose().to_owned());
    }
    // A driver is large while it connects.
    if let Some(Place::Postgres {
        config: keys,
        password_file,
    }) = keys
    {
        let keys = with_password(keys, password_file.as_deref());
        let keys = keys.map_err(StartError::StorePassword)?;
        return Ok(Box::pin(Archive::connect_with(&config, &keys)).await?);
    }
    Ok(Box::pin(Archive::connect(&config)).await?)
}

#[cfg(not(feature = "cassandra"))]
async fn connect(planned: &Cassandra, _keys: Option<&Place>) -> Result<Archive, StartError> {
    match *planned {}
}

/// Opens it for a server, which counts what is done with it.
pub(super) async fn start(
    planned: &Planned,
    folder: &DataDir,
    registry: &mut Registry,
) -> Result<Store, StartError> {
    let store = open(planned, folder).await?;
    store.register(registry);
    Ok(store)
}

/// Lets go of what is over, for as long as this value is there.
#[derive(Debug)]
pub(super) struct Sweeper(JoinHandle<()>);

impl Sweeper {
    pub(super) fn start(archive: Archive, retention: Retention) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = interval(SWEEP_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match archive.sweep(&retention, clock::now()).await {
                    Ok(swept) if swept == fanwave_store::Swept::default() => {}
                    Ok(swept) => tracing::info!(
                        messages = swept.messages,
                        partitions = swept.partitions,
                        "what had not to be kept any more is gone from the chat log"
                    ),
                    Err(error) => tracing::warn!(
                        %error,
                        "what has not to be kept any more is still in the chat log; it is tried again within an hour"
                    ),
                }
            }
        }))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}
