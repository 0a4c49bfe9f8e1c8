//! Accounts: who somebody is, and what they may do.

use std::fmt;

use super::{
    Catalogue, CatalogueError, Entry,
    audit::note,
    database::{change, with},
    limits::PAGE_MAX,
};

/// Somebody who can log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Never given to anybody else.
    pub id: String,
    /// What they log in with, as it is compared: no two have the same.
    pub login: String,
    /// What others see.
    pub name: String,
    /// The hash of their password, a PHC string; `None` for whoever cannot log in with one.
    pub password: Option<String>,
    /// What they are, in the caller's words.
    pub role: String,
    /// Whether they are kept out.
    pub suspended: bool,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// How often it was changed; see [`Change::version`].
    pub version: i64,
}

// The hash of a password belongs into no log.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id)
            .field("role", &self.role)
            .field("suspended", &self.suspended)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

pub(crate) type Columns = (
    String,
    String,
    String,
    Option<String>,
    String,
    bool,
    i64,
    i64,
);

impl From<Columns> for Account {
    fn from(columns: Columns) -> Self {
        let (id, login, name, password, role, suspended, created_at, version) = columns;
        Self {
            id,
            login,
            name,
            password,
            role,
            suspended,
            created_at,
            version,
        }
    }
}

/// What became of an account that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is there.
    New,
    /// Somebody has the login already; nothing was done.
    Taken,
}

/// What is to be changed of an account; what is `None` stays as it is.
#[derive(Clone, Default)]
pub struct Change {
    /// The version that was read: what has changed since is not overwritten. `None`: whatever it is.
    pub version: Option<i64>,
    /// Another name.
    pub name: Option<String>,
    /// The hash of another password.
    pub password: Option<String>,
    /// Another role.
    pub role: Option<String>,
    /// Whether they are kept out.
    pub suspended: Option<bool>,
    /// Whether all their sessions end, too.
    pub ends_sessions: bool,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("version", &self.version)
            .field("role", &self.role)
            .field("suspended", &self.suspended)
            .field("ends_sessions", &self.ends_sessions)
            .finish_non_exhaustive()
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is made; this is the account now.
    Made(Box<Account>),
    /// It has another version than was said; nothing was done.
    Moved,
    /// There is no such account.
    Unknown,
}

const BY_ID: &str = "SELECT id, login, name, password, role, suspended, created_at, version FROM accounts WHERE id = $1";
const BY_LOGIN: &str = "SELECT id, login, name, password, role, suspended, created_at, version FROM accounts WHERE login = $1";
const AFTER: &str = "SELECT id, login, name, password, role, suspended, created_at, version FROM accounts \
     WHERE id > $1 ORDER BY id LIMIT $2";
const FIRST: &str = "SELECT id, login, name, password, role, suspended, created_at, version FROM accounts ORDER BY id LIMIT $1";

pub(crate) const ADD: &str = "INSERT INTO accounts (id, login, name, password, role, suspended, created_at, version) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (login) DO NOTHING";

const CHANGE: &str = "UPDATE accounts SET name = COALESCE($2, name), password = COALESCE($3, password), \
     role = COALESCE($4, role), suspended = COALESCE($5, suspended), version = version + 1 \
     WHERE id = $1 AND version = COALESCE($6, version)";

impl Catalogue {
    /// Adds an account, if nobody has its login.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn add_account(
        &self,
        account: &Account,
        entry: &Entry,
    ) -> Result<Added, CatalogueError> {
        change!(self, |change| {
            let added = sqlx::query(ADD)
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
            if added == 0 {
                Err(Added::Taken)
            } else {
                note!(change, entry);
                Ok(Added::New)
            }
        })
    }

    /// Changes an account.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn change_account(
        &self,
        id: &str,
        wanted: &Change,
        entry: &Entry,
    ) -> Result<Changed, CatalogueError> {
        change!(self, |change| {
            let changed = sqlx::query(CHANGE)
                .bind(id)
                .bind(&wanted.name)
                .bind(&wanted.password)
                .bind(&wanted.role)
                .bind(wanted.suspended)
                .bind(wanted.version)
                .execute(&mut *change)
                .await?
                .rows_affected();
            let now: Option<Columns> = sqlx::query_as(BY_ID)
                .bind(id)
                .fetch_optional(&mut *change)
                .await?;
            match now {
                None => Err(Changed::Unknown),
                Some(_) if changed == 0 => Err(Changed::Moved),
                Some(now) => {
                    if wanted.ends_sessions {
                        sqlx::query("DELETE FROM sessions WHERE account_id = $1")
                            .bind(id)
                            .execute(&mut *change)
                            .await?;
                    }
                    note!(change, entry);
                    Ok(Changed::Made(Box::new(now.into())))
                }
            }
        })
    }

    /// An account by its id.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn account(&self, id: &str) -> Result<Option<Account>, CatalogueError> {
        let found: Option<Columns> = with!(self, |pool| {
            sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await?
        })?;
        Ok(found.map(Account::from))
    }

    /// An account by what it logs in with.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn account_of_login(&self, login: &str) -> Result<Option<Account>, CatalogueError> {
        let found: Option<Columns> = with!(self, |pool| {
            sqlx::query_as(BY_LOGIN)
                .bind(login)
                .fetch_optional(pool)
                .await?
        })?;
        Ok(found.map(Account::from))
    }

    /// Accounts in the order of their ids, behind one of them; from the first without one. At most [`PAGE_MAX`].
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn accounts_after(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Account>, CatalogueError> {
        let limit = i64::from(limit.min(PAGE_MAX));
        let found: Vec<Columns> = with!(self, |pool| {
            let query = match after {
                Some(after) => sqlx::query_as(AFTER).bind(after).bind(limit),
                None => sqlx::query_as(FIRST).bind(limit),
            };
            query.fetch_all(pool).await?
        })?;
        Ok(found.into_iter().map(Account::from).collect())
    }
}
