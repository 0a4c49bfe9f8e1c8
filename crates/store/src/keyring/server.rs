//! Keys in a schema of their own, in the database of the log or beside it: any number of processes have them.

use fanwave_wire::UserId;
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use tokio::{sync::Mutex, time::timeout};

use super::By;
use crate::{
    Cause, OpenError, PostgresConfig,
    limits::{
        ANSWER_WAIT_MAX, IDLE_CONNECTION_MAX, KEYS_CONNECTIONS_MAX, LOCK_WAIT_MAX,
        STATEMENT_BYTES_MAX,
    },
    migrations, postgres,
    seal::Key,
};

/// What a key takes of a statement, beside its person.
const KEY_BYTES: usize = 80;

#[derive(Debug)]
pub(super) struct Server {
    pool: PgPool,
    /// What keeps others from destroying keys.
    lock: String,
    begin: String,
    /// One at a time: while they wait for whoever writes, that one needs connections, too.
    destroying: Mutex<()>,
}

impl Server {
    /// Opens the keys of the log in this schema; `None` where there are none, and none have to be.
    pub(super) async fn open(
        config: &PostgresConfig,
        must_be: bool,
    ) -> Result<Option<Self>, OpenError> {
        let config = PostgresConfig {
            schema: PostgresConfig::keys_schema(&config.schema),
            ..config.clone()
        };
        let schema = &config.schema;
        let refused = |error| match error {
            error @ (OpenError::Away { .. } | OpenError::ReadOnly { .. }) => error,
            error => OpenError::Keys {
                place: format!("{schema} of {}", config.place()),
                cause: Cause::new(error),
            },
        };
        assert!(
            PostgresConfig::is_schema(schema),
            "the name of a schema is checked where it comes in"
        );
        if !must_be {
            let there = postgres::has_table(&config, "keyring").await;
            if !there.map_err(refused)? {
                return Ok(None);
            }
        }
        postgres::prepare(&config, migrations::keys_postgres())
            .await
            .map_err(refused)?;
        let pool = PgPoolOptions::new()
            .max_connections(KEYS_CONNECTIONS_MAX)
            .acquire_timeout(LOCK_WAIT_MAX)
            .idle_timeout(IDLE_CONNECTION_MAX)
            .connect_lazy_with(config.options());
        let lock = format!("hashtext('people of {schema}')");
        let begin = format!(
            "BEGIN; SELECT pg_advisory_xact_lock_shared({lock}); SELECT destroyed FROM {schema}.keyring"
        );
        Ok(Some(Self {
            pool,
            lock,
            begin,
            destroying: Mutex::default(),
        }))
    }

    pub(super) fn begin(&self) -> &str {
        &self.begin
    }

    pub(super) async fn id(&self) -> Result<String, sqlx::Error> {
        let id = sqlx::query_scalar("SELECT id FROM keyring");
        in_time(id.fetch_one(&self.pool)).await
    }

    pub(super) async fn destroyed(&self) -> Result<i64, sqlx::Error> {
        let destroyed = sqlx::query_scalar("SELECT destroyed FROM keyring");
        in_time(destroyed.fetch_one(&self.pool)).await
    }

    pub(super) async fn find(
        &self,
        by: By,
        names: &[UserId],
    ) -> Result<Vec<(String, String, Vec<u8>)>, sqlx::Error> {
        let statement = match by {
            By::Person => "SELECT person, pseudonym, key FROM people WHERE person = ANY($1)",
            By::Pseudonym => "SELECT person, pseudonym, key FROM people WHERE pseudonym = ANY($1)",
        };
        let names: Vec<&str> = names.iter().map(|name| &*name.0).collect();
        let rows = sqlx::query_as(statement).bind(names);
        in_time(rows.fetch_all(&self.pool)).await
    }

    /// Adds keys of people who have none.
    pub(super) async fn add(&self, keys: &[Key]) -> Result<(), sqlx::Error> {
        let mut left = keys;
        while !left.is_empty() {
            let mut bytes = 0;
            let fits = left.iter().take_while(|key| {
                bytes += key.person.0.len() + KEY_BYTES;
                bytes <= STATEMENT_BYTES_MAX
            });
            let (now, later) = left.split_at(fits.count().max(1));
            left = later;
            let people: Vec<&str> = now.iter().map(|key| &*key.person.0).collect();
            let pseudonyms: Vec<&str> = now.iter().map(|key| &*key.pseudonym.0).collect();
            let secrets: Vec<&[u8]> = now.iter().map(Key::secret).collect();
            let insert = sqlx::query(
                "INSERT INTO people (person, pseudonym, key) \
                 SELECT * FROM UNNEST($1::text[], $2::text[], $3::bytea[]) ON CONFLICT (person) DO NOTHING",
            )
            .bind(people)
            .bind(pseudonyms)
            .bind(secrets);
            in_time(insert.execute(&self.pool)).await?;
        }
        Ok(())
    }

    /// Destroys a key once nobody writes with it.
    pub(super) async fn destroy(&self, pseudonym: &UserId) -> Result<(), sqlx::Error> {
        let _alone = self.destroying.lock().await;
        in_time(async {
            let mut change = self.pool.begin().await?;
            let lock = format!("SELECT pg_advisory_xact_lock({})", self.lock);
            sqlx::raw_sql(AssertSqlSafe(lock))
                .execute(&mut *change)
                .await?;
            sqlx::query("DELETE FROM people WHERE pseudonym = $1")
                .bind(&*pseudonym.0)
                .execute(&mut *change)
                .await?;
            sqlx::query("UPDATE keyring SET destroyed = destroyed + 1")
                .execute(&mut *change)
                .await?;
            change.commit().await
        })
        .await
    }

    pub(super) async fn close(&self) {
        // A connection to a server that does not answer is not waited for.
        drop(timeout(ANSWER_WAIT_MAX, self.pool.close()).await);
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match timeout(ANSWER_WAIT_MAX, call).await {
        Ok(done) => done,
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}
