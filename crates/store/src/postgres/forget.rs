//! Forgetting a person in PostgreSQL.

crate::forget::forgetting!(sqlx::PgConnection);
