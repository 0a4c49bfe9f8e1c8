//! One rendition's segments.
