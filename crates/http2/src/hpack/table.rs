//! The static and the dynamic table, and the one list of indices over both: RFC 7541, sections 2.3 and 4.
//!
//! The dynamic table is first in, first out, and an entry is used far more often than it is made: one piece of memory for
//! each, no list of names beside it. At 32 bytes for the overhead of an entry, 4,096 bytes hold 128 entries.

use std::collections::VecDeque;

/// The size of a table until an update says otherwise: the initial value of `SETTINGS_HEADER_TABLE_SIZE`.
pub(crate) const SIZE_AT_FIRST: usize = 4_096;

/// What an entry counts for beside its name and its value: section 4.1.
const ENTRY_OVERHEAD: usize = 32;

/// The static table: appendix A. Its first entry has index 1.
pub(crate) const STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// A field of the dynamic table.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name, and the value right after it.
    text: Box<[u8]>,
    name_length: usize,
}

impl Entry {
    fn new(name: &[u8], value: &[u8]) -> Self {
        Self {
            text: [name, value].concat().into_boxed_slice(),
            name_length: name.len(),
        }
    }

    fn field(&self) -> (&[u8], &[u8]) {
        self.text
            .split_at_checked(self.name_length)
            .unwrap_or_default()
    }

    fn size(&self) -> usize {
        self.text.len() + ENTRY_OVERHEAD
    }
}

/// The dynamic table of one direction, with the static one before it.
#[derive(Debug)]
pub(crate) struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
}

impl Table {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// The field of an index; `None` when that is 0, or beyond both tables (section 2.3.3).
    pub(crate) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let index = index.checked_sub(1)?;
        match STATIC.get(index) {
            Some(&field) => Some(field),
            None => self.entries.get(index - STATIC.len()).map(Entry::field),
        }
    }

    /// An entry of this table; `None` when it is larger than the whole table.
    ///
    /// It is made before anything is evicted for it, as its name may be that of an entry which then goes (section 4.4).
    pub(crate) fn entry(&self, name: &[u8], value: &[u8]) -> Option<Entry> {
        let fits = name.len() + value.len() + ENTRY_OVERHEAD <= self.bytes_max;
        fits.then(|| Entry::new(name, value))
    }

    /// Inserts an entry and evicts the oldest for it. One that does not fit at all empties the table: section 4.4.
    pub(crate) fn insert(&mut self, entry: Option<Entry>) {
        let Some(entry) = entry else {
            self.entries.clear();
            self.bytes = 0;
            return;
        };
        self.evict(self.bytes_max.saturating_sub(entry.size()));
        self.bytes += entry.size();
        self.entries.push_front(entry);
    }

    /// Section 4.3.
    pub(crate) fn resize(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.evict(bytes_max);
    }

    fn evict(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max
            && let Some(oldest) = self.entries.pop_back()
        {
            self.bytes -= oldest.size();
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    #[cfg(test)]
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(Entry::field)
    }
}
