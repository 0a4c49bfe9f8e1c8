//! Reading and writing what entries and snapshots are made of. Nothing is copied before its length is known to be there.

use fanwave_wire::Channel;

use super::entry::EntryError;

/// What is left to be read.
pub(super) struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], EntryError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number that says how many of something follow.
    pub(super) fn count(&mut self) -> Result<usize, EntryError> {
        usize::try_from(u32::from_be_bytes(self.take()?)).map_err(|_| damaged())
    }

    pub(super) fn number(&mut self) -> Result<u64, EntryError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn short(&mut self) -> Result<&'a str, EntryError> {
        let [length] = self.take()?;
        let bytes = self.bytes(length.into())?;
        std::str::from_utf8(bytes).map_err(|_| damaged())
    }

    pub(super) fn channel(&mut self) -> Result<Channel, EntryError> {
        self.short()?.parse().map_err(|_| damaged())
    }

    /// All that is left.
    pub(super) fn all(self) -> &'a [u8] {
        self.0
    }
}

pub(super) fn damaged() -> EntryError {
    EntryError::Unreadable("something that is damaged".to_owned())
}

/// No channel, no epoch and no user of ours is longer than 255 bytes.
pub(super) fn put_short(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(u8::MAX.into())];
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend(text.as_bytes());
}

/// How many of something follow: far below four billion.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}
