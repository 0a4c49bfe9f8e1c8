//! The steps that bring each schema up to date, in the order of their numbers. They are compiled in; a step that was
//! released never changes: databases remember its checksum.

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// The steps in a folder of `migrations`, by the names of their files.
macro_rules! steps {
    ($folder:literal, $($name:literal),+ $(,)?) => {
        Migrator::with_migrations(vec![$(step(
            $name,
            include_str!(concat!("../migrations/", $folder, "/", $name, ".sql")),
        )),+])
    };
}

fn step(name: &'static str, sql: &'static str) -> Migration {
    let (number, about) = name
        .split_once('_')
        .expect("a step has a number and a name");
    let number = number.parse().expect("the number of a step is one");
    let about = about.replace('_', " ");
    Migration::new(
        number,
        about.into(),
        MigrationType::Simple,
        sql.into_sql_str(),
        false,
    )
}

/// Of a log in a file.
pub(crate) fn sqlite() -> Migrator {
    steps!(
        "sqlite",
        "0001_log",
        "0002_events",
        "0003_retention",
        "0004_replies",
        "0005_archive",
        "0006_checksums",
    )
}

/// Of a log in PostgreSQL.
pub(crate) fn postgres() -> Migrator {
    steps!(
        "postgres",
        "0001_log",
        "0002_retention",
        "0003_replies",
        "0004_archive",
        "0005_checksums",
    )
}

/// Of the keys of persons in a file.
pub(crate) fn keys_sqlite() -> Migrator {
    steps!("keys/sqlite", "0001_keys")
}

/// Of the keys of persons in PostgreSQL.
pub(crate) fn keys_postgres() -> Migrator {
    steps!("keys/postgres", "0001_keys")
}

/// Of the catalogue in a file.
pub(crate) fn catalogue_sqlite() -> Migrator {
    steps!(
        "catalogue/sqlite",
        "0001_accounts",
        "0002_webhooks",
        "0003_stream_keys",
        "0004_identities_and_api_keys",
        "0005_shows",
        "0006_emotes",
    )
}

/// Of the catalogue in PostgreSQL.
pub(crate) fn catalogue_postgres() -> Migrator {
    steps!(
        "catalogue/postgres",
        "0001_accounts",
        "0002_webhooks",
        "0003_stream_keys",
        "0004_identities_and_api_keys",
        "0005_shows",
        "0006_emotes",
    )
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_file_is_a_step() {
        let all = [
            ("sqlite", sqlite()),
            ("postgres", postgres()),
            ("keys/sqlite", keys_sqlite()),
            ("keys/postgres", keys_postgres()),
            ("catalogue/sqlite", catalogue_sqlite()),
            ("catalogue/postgres", catalogue_postgres()),
        ];
        for (folder, steps) in all {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("migrations")
                .join(folder);
            let mut files: Vec<String> = fs::read_dir(path)
                .unwrap()
                .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
                .collect();
            let mut known: Vec<String> = steps
                .iter()
                .map(|step| step.sql.as_str().to_owned())
                .collect();
            files.sort();
            known.sort();
            assert_eq!(files, known, "{folder}");
            let numbers: Vec<i64> = steps.iter().map(|step| step.version).collect();
            let expected: Vec<i64> = (1..).take(numbers.len()).collect();
            assert_eq!(numbers, expected, "{folder}");
        }
    }
}
