//! Rows whose columns are found by name, whichever database they are of.

/// A struct that is read from a row: each field from the column of its name. What `sqlx` derives would have `sqlx` itself and a
/// second `SQLite` compiled for the compiler alone.
macro_rules! row {
    (
        $(#[$about:meta])*
        $seen:vis struct $name:ident $(<$life:lifetime>)? {
            $($(#[$of:meta])* $reach:vis $column:ident: $kind:ty,)+
        }
    ) => {
        $(#[$about])*
        $seen struct $name $(<$life>)? {
            $($(#[$of])* $reach $column: $kind,)+
        }

        impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for $name $(<$life>)?
        where
            &'static str: sqlx::ColumnIndex<R>,
            $($kind: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
                Ok(Self {
                    $($column: row.try_get(stringify!($column))?,)+
                })
            }
        }
    };
}

pub(crate) use row;
