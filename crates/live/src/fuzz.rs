//! Bodies of the fuzz targets: each takes any bytes and panics when a law is broken.

use crate::query::Query;

/// A query string from a stranger parses without a panic, twice to the same query.
pub fn fuzz_query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert_eq!(
        Query::parse(&text),
        Query::parse(&text),
        "parsing is a function of the text"
    );
}
