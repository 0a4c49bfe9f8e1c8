//! Accounts that are kept here, with shows and emotes: the catalogue is opened, and what has ended is removed from it.

use std::{sync::Arc, time::Duration};

use fanwave_api::{
    accounts::{Accounts, Desk},
    emotes::Emotes,
    schedule::Board,
};
use fanwave_store::catalogue::{Catalogue, CatalogueError, Database, limits::PURGE_MAX};
use fanwave_wire::token::TokenKey;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{assembly::StartError, board, store};
use crate::{
    clock,
    config::{accounts::Accounts as Planned, store::Place},
    datadir::DataDir,
    oidc,
    outgoing::{Guard, Outgoing},
    secret::{self, Secret, SecretError},
};

/// How often sessions are looked for that have ended.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// Where the catalogue is, with all that is needed to open it.
///
/// # Errors
///
/// The password of the database server cannot be read.
pub fn database(planned: &Planned, folder: &DataDir) -> Result<Database, SecretError> {
    database_at(&planned.place, folder)
}

/// The same of a place.
pub(super) fn database_at(place: &Place, folder: &DataDir) -> Result<Database, SecretError> {
    Ok(match place {
        Place::File => Database::Sqlite(folder.catalogue()),
        Place::Postgres {
            config,
            password_file,
        } => Database::Postgres(store::with_password(config, password_file.as_deref())?),
    })
}

/// An open catalogue, and who keeps it small.
#[derive(Debug)]
pub(super) struct Register {
    planned: Planned,
    catalogue: Catalogue,
    board: Arc<Board>,
    emotes: Arc<Emotes>,
    /// What an issuer knows us by, if there is one and it does.
    secret: Option<Secret>,
    purging: JoinHandle<()>,
    following: JoinHandle<()>,
}

impl Register {
    /// Opens the catalogue, if accounts are kept here.
    pub(super) async fn open(
        planned: Option<&Planned>,
        folder: &DataDir,
    ) -> Result<Option<Self>, StartError> {
        let Some(planned) = planned else {
            return Ok(None);
        };
        let database = database(planned, folder).map_err(StartError::StorePassword)?;
        let secret_file = planned.oidc.as_ref();
        let secret_file = secret_file.and_then(|oidc| oidc.secret_file.as_deref());
        let secret = secret_file.map(|path| secret::read(path, 1)).transpose();
        let secret = secret.map_err(StartError::OidcSecret)?;
        let catalogue = Catalogue::open(&database).await?;
        let purging = tokio::spawn(purge(catalogue.clone()));
        let board = Arc::<Board>::default();
        let emotes = Arc::<Emotes>::default();
        let both = (Arc::clone(&board), Arc::clone(&emotes));
        let following = tokio::spawn(board::follow(both, catalogue.clone()));
        Ok(Some(Self {
            planned: planned.clone(),
            catalogue,
            board,
            emotes,
            secret,
            purging,
            following,
        }))
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What the API answers from; an issuer's other addresses are called as far as the guard lets through.
    pub(super) fn desk(&self, key: &TokenKey, guard: &Guard) -> Desk {
        let oidc = self.planned.oidc.as_ref();
        let outgoing = Outgoing::new(guard.clone());
        let oidc = oidc.map(|planned| oidc::desk(planned, self.secret.clone(), outgoing));
        Desk::new(Accounts {
            catalogue: self.catalogue.clone(),
            key: key.clone(),
            registration: self.planned.registration,
            session_ttl: self.planned.session_ttl,
            board: Arc::clone(&self.board),
            emotes: Arc::clone(&self.emotes),
            oidc,
            now: clock::now,
        })
    }

    /// Where it is.
    pub(super) const fn place(&self) -> &Place {
        &self.planned.place
    }

    /// Closes the catalogue.
    pub(super) async fn close(self) {
        self.purging.abort();
        self.following.abort();
        self.catalogue.close().await;
    }
}

async fn purge(catalogue: Catalogue) {
    let mut turns = interval(PURGE_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if let Err(error) = purge_all(&catalogue).await {
            tracing::warn!(%error, "what has ended could not be removed from the catalogue");
        }
    }
}

async fn purge_all(catalogue: &Catalogue) -> Result<(), CatalogueError> {
    let now = i64::try_from(clock::now().0).unwrap_or(i64::MAX);
    catalogue.purge_stream_keys(now).await?;
    catalogue.purge_api_keys(now).await?;
    while catalogue.purge_sessions(now).await? == u64::from(PURGE_MAX) {}
    Ok(())
}
