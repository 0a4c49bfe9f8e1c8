//! Where the database is, and how it is spoken to.

use std::{fmt, path::PathBuf, time::Duration};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::limits::{IDLE_TRANSACTION_MAX, LOCK_WAIT_MAX, STATEMENT_MAX};

/// A database of PostgreSQL, and how it is spoken to.
#[derive(Clone)]
pub struct PostgresConfig {
    /// Name or address of the server, or the folder of its Unix socket, which begins with a slash.
    pub host: String,
    /// Its port; part of the socket's name, too.
    pub port: u16,
    /// The database.
    pub database: String,
    /// All tables are in this schema, which is made where there is none. Letters, digits and `_`, as
    /// [`PostgresConfig::is_schema`] has it.
    pub schema: String,
    /// Who asks.
    pub user: String,
    /// With what password, if the server wants one.
    pub password: Option<String>,
    /// Whether others on the way can read along.
    pub encryption: Encryption,
    /// Most connections that read at once; one more writes. So many for each replica, too.
    pub readers: u32,
    /// Hosts and ports of servers that follow this one by streaming replication, and read the history in its place.
    pub replicas: Vec<(String, u16)>,
    /// How old a replica may be that is read.
    pub replica_lag: Duration,
}

/// Whether others on the way can read along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// They can: for a Unix socket, or a network of one's own.
    Off,
    /// TLS, to a server that shows a certificate for its name.
    Verified {
        /// PEM file with the certificates of trusted authorities, beside those that everybody trusts.
        authorities: Option<PathBuf>,
    },
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("place", &self.place())
            .field("user", &self.user)
            .field("encryption", &self.encryption)
            .field("readers", &self.readers)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

impl PostgresConfig {
    /// Whether a schema may have this name: it is written into statements as it is.
    #[must_use]
    pub fn is_schema(name: &str) -> bool {
        /// Longer names are cut by PostgreSQL.
        const BYTES_MAX: usize = 63;
        let mut bytes = name.bytes();
        let first = bytes.next();
        first.is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && name.len() <= BYTES_MAX
            // PostgreSQL keeps these for itself.
            && !name.starts_with("pg_")
    }

    /// In which schema the keys for a log are, by that of the log.
    #[must_use]
    pub fn keys_schema(schema: &str) -> String {
        format!("{schema}_keys")
    }

    /// As people are told of it: never with the password.
    pub(crate) fn place(&self) -> String {
        format!("{} at {}:{}", self.database, self.host, self.port)
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .database(&self.database)
            .username(&self.user)
            .application_name("fanwave")
            .options([
                ("search_path", self.schema.clone()),
                ("statement_timeout", millis(STATEMENT_MAX)),
                ("lock_timeout", millis(LOCK_WAIT_MAX)),
                (
                    "idle_in_transaction_session_timeout",
                    millis(IDLE_TRANSACTION_MAX),
                ),
            ]);
        let options = match &self.password {
            Some(password) => options.password(password),
            None => options,
        };
        let options = match &self.encryption {
            Encryption::Off => options.ssl_mode(PgSslMode::Disable),
            Encryption::Verified { authorities } => {
                let options = options.ssl_mode(PgSslMode::VerifyFull);
                match authorities {
                    Some(file) => options.ssl_root_cert(file),
                    None => options,
                }
            }
        };
        // Statements are none of the operator's business, slow or not: what matters is counted.
        options.disable_statement_logging()
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_a_plain_name() {
        for name in ["fanwave", "_x9", &"a".repeat(63)] {
            assert!(PostgresConfig::is_schema(name), "{name}");
        }
        for name in [
            "",
            "9a",
            "Fan",
            "a b",
            "a;drop",
            "a\"",
            "pg_x",
            "é",
            &"a".repeat(64),
        ] {
            assert!(!PostgresConfig::is_schema(name), "{name}");
        }
    }

    #[test]
    fn no_password_is_printed() {
        let config = PostgresConfig {
            host: "db.example".into(),
            port: 5432,
            database: "shows".into(),
            schema: "fanwave".into(),
            user: "fanwave".into(),
            password: Some("canary-secret".into()),
            encryption: Encryption::Off,
            readers: 4,
            replicas: Vec::new(),
            replica_lag: Duration::from_secs(1),
        };
        let printed = format!("{config:?}");
        assert!(printed.contains("shows at db.example:5432"), "{printed}");
        assert!(!printed.contains("canary"), "{printed}");
    }
}
