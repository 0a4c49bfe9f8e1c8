//! Invitations: a token that makes one account with a role, such as the first administrator's.

use super::{
    Account, Added, Catalogue, CatalogueError, Digest, Entry,
    accounts::ADD,
    audit::note,
    database::{change, with},
};

/// What a token is good for, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Of the token.
    pub token: Digest,
    /// What whoever shows it becomes.
    pub role: String,
    /// From when on it is good for nothing; milliseconds since 1970-01-01 UTC.
    pub expires_at: i64,
}

impl Catalogue {
    /// Whether anybody has a role.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn has_role(&self, role: &str) -> Result<bool, CatalogueError> {
        let found: Option<(String,)> = with!(self, |pool| {
            sqlx::query_as("SELECT id FROM accounts WHERE role = $1 LIMIT 1")
                .bind(role)
                .fetch_optional(pool)
                .await?
        })?;
        Ok(found.is_some())
    }

    /// Makes an invitation, in place of all earlier ones for the same role.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn invite(&self, invitation: &Invitation) -> Result<(), CatalogueError> {
        change!(self, |change| {
            sqlx::query("DELETE FROM invitations WHERE role = $1")
                .bind(&invitation.role)
                .execute(&mut *change)
                .await?;
            sqlx::query(
                "INSERT INTO invitations (token_hash, role, expires_at) VALUES ($1, $2, $3)",
            )
            .bind(&invitation.token[..])
            .bind(&invitation.role)
            .bind(invitation.expires_at)
            .execute(&mut *change)
            .await?;
            Ok::<(), ()>(())
        })
    }

    /// Uses an invitation up for an account, whose role is the invitation's. `None` if there is none, or no longer; nothing is used
    /// up when the login is taken.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn accept(
        &self,
        token: &Digest,
        now: i64,
        account: &Account,
        entry: &Entry,
    ) -> Result<Option<Added>, CatalogueError> {
        change!(self, |change| {
            // Of many who come with the same token at once, the database lets one delete it.
            let role: Option<(String,)> = sqlx::query_as(
                "DELETE FROM invitations WHERE token_hash = $1 AND expires_at > $2 RETURNING role",
            )
            .bind(&token[..])
            .bind(now)
            .fetch_optional(&mut *change)
            .await?;
            let added = match role {
                None => 0,
                Some((ref role,)) => sqlx::query(ADD)
                    .bind(&account.id)
                    .bind(&account.login)
                    .bind(&account.name)
                    .bind(&account.password)
                    .bind(role)
                    .bind(account.suspended)
                    .bind(account.created_at)
                    .bind(account.version)
                    .execute(&mut *change)
                    .await?
                    .rows_affected(),
            };
            match (role, added) {
                (None, _) => Err(None),
                // Undone: the invitation is there as before.
                (Some(_), 0) => Err(Some(Added::Taken)),
                (Some(_), _) => {
                    note!(change, entry);
                    Ok(Some(Added::New))
                }
            }
        })
    }
}
