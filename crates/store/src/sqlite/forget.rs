//! Forgetting a person in `SQLite`.

crate::forget::forgetting!(sqlx::SqliteConnection);
