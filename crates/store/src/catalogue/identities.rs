//! Identities: whose account it is that somebody else, an issuer, vouches for.

use super::{
    Account, Added, Catalogue, CatalogueError, Entry,
    accounts::{ADD, Columns},
    audit::note,
    database::{change, with},
};

/// Who somebody is to an issuer. Nobody else is ever called that there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Whose word it is.
    pub issuer: &'a str,
    /// Who they are to it.
    pub subject: &'a str,
}

impl Catalogue {
    /// The account of an identity.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn account_of_identity(
        &self,
        identity: Identity<'_>,
    ) -> Result<Option<Account>, CatalogueError> {
        let found: Option<Columns> = with!(self, |pool| {
            sqlx::query_as(
                "SELECT a.id, a.login, a.name, a.password, a.role, a.suspended, a.created_at, a.version \
                 FROM identities i JOIN accounts a ON a.id = i.account_id WHERE i.issuer = $1 AND i.subject = $2",
            )
            .bind(identity.issuer)
            .bind(identity.subject)
            .fetch_optional(pool)
            .await?
        })?;
        Ok(found.map(Account::from))
    }

    /// Adds an account for an identity, if it has none. Of many who come with the same one at once, one adds it.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn add_account_of_identity(
        &self,
        account: &Account,
        identity: Identity<'_>,
        entry: &Entry,
    ) -> Result<Added, CatalogueError> {
        change!(self, |change| {
            let mut added = sqlx::query(ADD)
                .bind(&account.id)
                .bind(&account.login)
                .bind(&account.name)
                .bind(&account.password)
                .bind(&account.role)
                .bind(account.suspended)
                .bind(account.created_at)
                .bind(account.version)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if added == 1 {
                added = sqlx::query(
                    "INSERT INTO identities (issuer, subject, account_id, created_at) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (issuer, subject) DO NOTHING",
                )
                .bind(identity.issuer)
                .bind(identity.subject)
                .bind(&account.id)
                .bind(account.created_at)
                .execute(&mut *change)
                .await?
                .rows_affected();
            }
            if added == 1 {
                note!(change, entry);
                Ok(Added::New)
            } else {
                // Undone: the account is not there, either.
                Err(Added::Taken)
            }
        })
    }
}
