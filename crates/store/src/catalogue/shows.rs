//! Shows of channels: announced, on, over.
//!
//! What may become of a show is its callers' business ([`Catalogue::change_show`] asks them); that a channel has one live show at a
//! time is seen to here.

use super::{
    Catalogue, CatalogueError, Entry,
    audit::note,
    database::{change, with},
    limits::{BOARD_MAX, PAGE_MAX, SHOWS_MAX},
};
use crate::row::row;

/// How far a show is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShowState {
    /// It is to come.
    Scheduled,
    /// It is on.
    Live,
    /// It is over.
    Ended,
    /// It does not take place.
    Cancelled,
}

impl ShowState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Scheduled, Self::Live, Self::Ended, Self::Cancelled];

    /// As it is kept.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
        }
    }

    /// What was never written is over for good.
    fn named(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.unwrap_or(Self::Cancelled)
    }
}

/// A show. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// Its own; later ones sort behind earlier ones.
    pub id: String,
    /// Where it takes place.
    pub channel: String,
    /// What it is called.
    pub title: String,
    /// Whose it is.
    pub artist: String,
    /// What is spoken: tags without spaces in them.
    pub languages: Vec<String>,
    /// Where it is at home, if that was said.
    pub home_region: Option<String>,
    /// How far it is.
    pub state: ShowState,
    /// When it is to begin.
    pub starts_at: i64,
    /// When it is to end.
    pub ends_at: i64,
    /// When it was started.
    pub started_at: Option<i64>,
    /// When it was stopped or cancelled.
    pub ended_at: Option<i64>,
    /// When it was announced.
    pub created_at: i64,
    /// How often it was changed.
    pub version: i64,
}

/// What became of a show that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowAdded {
    /// It is there.
    New,
    /// The channel has [`SHOWS_MAX`] of them; nothing was done.
    Full,
}

/// What became of a change. But for the first, nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowChanged<E> {
    /// It is made; this is the show now.
    Made(Box<Show>),
    /// It has another version than was said.
    Moved,
    /// Another show of the channel is live.
    Occupied,
    /// The channel has no such show.
    Unknown,
    /// The caller does not want it.
    Refused(E),
}

/// What became of a show that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowRemoved {
    /// It is gone.
    Gone,
    /// It is not over; nothing was done.
    NotOver,
    /// The channel has no such show.
    Unknown,
}

/// Which shows of a channel are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhichShows<'a> {
    /// Those that are to begin then or later.
    pub from: Option<i64>,
    /// Those of this state.
    pub state: Option<ShowState>,
    /// Those behind this beginning and id.
    pub after: Option<(i64, &'a str)>,
}

row! {
    struct Row {
        id: String,
        channel: String,
        title: String,
        artist: String,
        languages: String,
        home_region: Option<String>,
        state: String,
        starts_at: i64,
        ends_at: i64,
        started_at: Option<i64>,
        ended_at: Option<i64>,
        created_at: i64,
        version: i64,
    }
}

impl From<Row> for Show {
    fn from(row: Row) -> Self {
        let languages = row.languages.split_ascii_whitespace();
        Self {
            id: row.id,
            channel: row.channel,
            title: row.title,
            artist: row.artist,
            languages: languages.map(str::to_owned).collect(),
            home_region: row.home_region,
            state: ShowState::named(&row.state),
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            created_at: row.created_at,
            version: row.version,
        }
    }
}

// By their names: a newer release may add to them while this one runs.
macro_rules! columns {
    () => {
        "id, channel, title, artist, languages, home_region, state, starts_at, ends_at, started_at, ended_at, created_at, version"
    };
}

const ADD: &str = "INSERT INTO shows (id, channel, title, artist, languages, home_region, state, starts_at, ends_at, \
     created_at, version) SELECT $1, $2, $3, $4, $5, $6, 'scheduled', $7, $8, $9, 1 \
     WHERE (SELECT COUNT(*) FROM shows WHERE channel = $2) < $10";
const BY_ID: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM shows WHERE id = $1 AND channel = $2"
);
const SOME: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM shows WHERE channel = $1 AND starts_at >= $2 AND state = COALESCE($3, state) \
     AND (starts_at > $4 OR (starts_at = $4 AND id > $5)) ORDER BY starts_at, id LIMIT $6"
);

/// Of each channel the one that is live, and the first that is not over by what was announced.
const BOARD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM (SELECT ",
    columns!(),
    ", ROW_NUMBER() OVER (PARTITION BY channel, state ORDER BY starts_at, id) AS place \
     FROM shows WHERE state IN ('scheduled', 'live') AND (state = 'live' OR ends_at > $1)) AS open_shows \
     WHERE place = 1 ORDER BY channel LIMIT $2"
);

/// Counts the change, and has whoever else wants to change it wait until this one is over.
const LOCK: &str = "UPDATE shows SET version = version + 1 WHERE id = $1 AND channel = $2";
const PUT: &str = "UPDATE shows SET title = $2, artist = $3, languages = $4, home_region = $5, state = $6, starts_at = $7, \
     ends_at = $8, started_at = $9, ended_at = $10 WHERE id = $1";

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

impl Catalogue {
    /// Adds a show that is to come, if its channel has fewer than [`SHOWS_MAX`].
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn add_show(&self, show: &Show, entry: &Entry) -> Result<ShowAdded, CatalogueError> {
        change!(self, |change| {
            let added = sqlx::query(ADD)
                .bind(&show.id)
                .bind(&show.channel)
                .bind(&show.title)
                .bind(&show.artist)
                .bind(show.languages.join(" "))
                .bind(&show.home_region)
                .bind(show.starts_at)
                .bind(show.ends_at)
                .bind(show.created_at)
                .bind(i64::from(SHOWS_MAX))
                .execute(&mut *change)
                .await?
                .rows_affected();
            if added == 0 {
                Err(ShowAdded::Full)
            } else {
                note!(change, entry);
                Ok(ShowAdded::New)
            }
        })
    }

    /// A show of a channel.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn show(&self, channel: &str, id: &str) -> Result<Option<Show>, CatalogueError> {
        let found: Option<Row> = with!(self, |pool| {
            sqlx::query_as(BY_ID)
                .bind(id)
                .bind(channel)
                .fetch_optional(pool)
                .await?
        })?;
        Ok(found.map(Show::from))
    }

    /// Shows of a channel, in the order in which they are to begin; at most [`PAGE_MAX`].
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn shows(
        &self,
        channel: &str,
        which: WhichShows<'_>,
        limit: u32,
    ) -> Result<Vec<Show>, CatalogueError> {
        let (starts_at, id) = which.after.unwrap_or((i64::MIN, ""));
        let found: Vec<Row> = with!(self, |pool| {
            sqlx::query_as(SOME)
                .bind(channel)
                .bind(which.from.unwrap_or(i64::MIN))
                .bind(which.state.map(ShowState::name))
                .bind(starts_at)
                .bind(id)
                .bind(i64::from(limit.min(PAGE_MAX)))
                .fetch_all(pool)
                .await?
        })?;
        Ok(found.into_iter().map(Show::from).collect())
    }

    /// Of each channel, the show that is live and the next that is to come: the first that was not announced to be over by now.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn shows_on_board(&self, now: i64) -> Result<Vec<Show>, CatalogueError> {
        let found: Vec<Row> = with!(self, |pool| {
            sqlx::query_as(BOARD)
                .bind(now)
                .bind(i64::from(BOARD_MAX))
                .fetch_all(pool)
                .await?
        })?;
        Ok(found.into_iter().map(Show::from).collect())
    }

    /// Changes a show to what the caller makes of it as it is now; nobody else changes it meanwhile. Its id, its channel and when it was
    /// made stay.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn change_show<E>(
        &self,
        (channel, id): (&str, &str),
        version: Option<i64>,
        edit: impl FnOnce(&Show) -> Result<(Show, Entry), E>,
    ) -> Result<ShowChanged<E>, CatalogueError> {
        change!(self, |change| {
            sqlx::query(LOCK)
                .bind(id)
                .bind(channel)
                .execute(&mut *change)
                .await?;
            let found: Option<Row> = sqlx::query_as(BY_ID)
                .bind(id)
                .bind(channel)
                .fetch_optional(&mut *change)
                .await?;
            let found = found.map(Show::from);
            match found {
                None => Err(ShowChanged::Unknown),
                Some(show) if version.is_some_and(|read| read != show.version - 1) => {
                    Err(ShowChanged::Moved)
                }
                Some(show) => match edit(&show) {
                    Err(refusal) => Err(ShowChanged::Refused(refusal)),
                    Ok((wanted, entry)) => {
                        let put = sqlx::query(PUT)
                            .bind(&show.id)
                            .bind(&wanted.title)
                            .bind(&wanted.artist)
                            .bind(wanted.languages.join(" "))
                            .bind(&wanted.home_region)
                            .bind(wanted.state.name())
                            .bind(wanted.starts_at)
                            .bind(wanted.ends_at)
                            .bind(wanted.started_at)
                            .bind(wanted.ended_at)
                            .execute(&mut *change)
                            .await;
                        match put {
                            Err(error) if is_unique_violation(&error) => Err(ShowChanged::Occupied),
                            Err(error) => return Err(error),
                            Ok(_) => {
                                note!(change, &entry);
                                Ok(ShowChanged::Made(Box::new(Show {
                                    id: show.id,
                                    channel: show.channel,
                                    created_at: show.created_at,
                                    version: show.version,
                                    ..wanted
                                })))
                            }
                        }
                    }
                },
            }
        })
    }

    /// Removes a show that is over, with the stream keys that were for it.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn remove_show(
        &self,
        (channel, id): (&str, &str),
        entry: &Entry,
    ) -> Result<ShowRemoved, CatalogueError> {
        change!(self, |change| {
            let removed = sqlx::query(
                "DELETE FROM shows WHERE id = $1 AND channel = $2 AND state IN ('ended', 'cancelled')",
            )
            .bind(id)
            .bind(channel)
            .execute(&mut *change)
            .await?
            .rows_affected();
            let left: Option<(i64,)> =
                sqlx::query_as("SELECT version FROM shows WHERE id = $1 AND channel = $2")
                    .bind(id)
                    .bind(channel)
                    .fetch_optional(&mut *change)
                    .await?;
            match (removed, left) {
                (0, None) => Err(ShowRemoved::Unknown),
                (0, Some(_)) => Err(ShowRemoved::NotOver),
                (_, _) => {
                    note!(change, entry);
                    Ok(ShowRemoved::Gone)
                }
            }
        })
    }
}
