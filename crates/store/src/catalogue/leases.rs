//! Works that one process does at a time, whichever it is.

use super::{Catalogue, CatalogueError, database::with};

impl Catalogue {
    /// Takes on a work that one process does at a time, or goes on with it, until a time. False if another one does it.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn take_lease(
        &self,
        (name, holder): (&str, &str),
        now: i64,
        ends_at: i64,
    ) -> Result<bool, CatalogueError> {
        let taken = with!(self, |pool| {
            sqlx::query(
                "INSERT INTO leases (name, holder, ends_at) VALUES ($1, $2, $4) ON CONFLICT (name) DO UPDATE \
                 SET holder = $2, ends_at = $4 WHERE leases.holder = $2 OR leases.ends_at <= $3",
            )
            .bind(name)
            .bind(holder)
            .bind(now)
            .bind(ends_at)
            .execute(pool)
            .await?
            .rows_affected()
        })?;
        Ok(taken == 1)
    }

    /// Lets others take on a work, or, without its name, all works of a holder.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn end_leases(&self, name: Option<&str>, holder: &str) -> Result<(), CatalogueError> {
        with!(self, |pool| {
            sqlx::query("DELETE FROM leases WHERE holder = $1 AND name = COALESCE($2, name)")
                .bind(holder)
                .bind(name)
                .execute(pool)
                .await?;
        })
    }
}
