//! The audit log: what was done by whom. It is only ever added to, which the database itself sees to.

use super::{
    Catalogue, CatalogueError,
    database::with,
    limits::{DETAIL_BYTES_MAX, PAGE_MAX},
};

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its own; later ones sort behind earlier ones.
    pub id: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Who did it: an account's id, or another name for whoever has none.
    pub actor: String,
    /// What, such as `account.suspended`.
    pub action: String,
    /// To what or whom: an id.
    pub subject: String,
    /// JSON, without secrets and without names of people; at most [`DETAIL_BYTES_MAX`] bytes, more is left out.
    pub detail: String,
}

impl Entry {
    /// What is kept of the detail.
    fn kept(&self) -> &str {
        if self.detail.len() <= DETAIL_BYTES_MAX {
            &self.detail
        } else {
            "{}"
        }
    }
}

pub(crate) type Columns = (String, i64, String, String, String, String);

/// Adds an entry as part of a change.
macro_rules! note {
    ($change:ident, $entry:expr) => {{
        let entry: &$crate::catalogue::Entry = $entry;
        sqlx::query($crate::catalogue::audit::ADD)
            .bind(&entry.id)
            .bind(entry.at)
            .bind(&entry.actor)
            .bind(&entry.action)
            .bind(&entry.subject)
            .bind($crate::catalogue::audit::kept(entry))
            .execute(&mut *$change)
            .await?;
    }};
}
pub(crate) use note;

pub(crate) const ADD: &str =
    "INSERT INTO audit (id, at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)";

pub(crate) fn kept(entry: &Entry) -> &str {
    entry.kept()
}

impl Catalogue {
    /// Adds something that was done elsewhere.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn note(&self, entry: &Entry) -> Result<(), CatalogueError> {
        with!(self, |pool| {
            sqlx::query(ADD)
                .bind(&entry.id)
                .bind(entry.at)
                .bind(&entry.actor)
                .bind(&entry.action)
                .bind(&entry.subject)
                .bind(kept(entry))
                .execute(pool)
                .await?;
        })
    }

    /// What was done before an entry, newest first; all of it without one. At most [`PAGE_MAX`].
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn audit_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, CatalogueError> {
        let limit = i64::from(limit.min(PAGE_MAX));
        let rows: Vec<Columns> = with!(self, |pool| {
            let query = match before {
                Some(before) => sqlx::query_as(
                    "SELECT id, at, actor, action, subject, detail FROM audit WHERE id < $2 ORDER BY id DESC LIMIT $1",
                )
                .bind(limit)
                .bind(before),
                None => sqlx::query_as(
                    "SELECT id, at, actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT $1",
                )
                .bind(limit),
            };
            query.fetch_all(pool).await?
        })?;
        let entry = |(id, at, actor, action, subject, detail)| Entry {
            id,
            at,
            actor,
            action,
            subject,
            detail,
        };
        Ok(rows.into_iter().map(entry).collect())
    }
}
