//! Reads records, batches and hearsay field by field. Nothing is copied before its length is known to be there.

use std::sync::Arc;

use super::{EVENT, EnvelopeError, ROLES, Record, TEXT};
use crate::{
    Body, ClientMessageId, Draft, Language, Offset, ReplyTo, Sender, Text, UnixMillis, UserId,
};

/// What is left to be read.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn end(&self) -> Result<(), EnvelopeError> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(EnvelopeError::Length)
        }
    }

    pub(super) fn version(&mut self, known: u8) -> Result<(), EnvelopeError> {
        match self.byte()? {
            found if found == known => Ok(()),
            found => Err(EnvelopeError::Version { found }),
        }
    }

    /// A record, without its version.
    pub(super) fn record(&mut self) -> Result<Record, EnvelopeError> {
        let kind = self.byte()?;
        let at = UnixMillis(self.number()?);
        let id = ClientMessageId(self.text()?);
        let user = UserId(self.text()?.into());
        let name = self.text()?;
        let role = ROLES.get(usize::from(self.byte()?));
        let role = *role.ok_or(EnvelopeError::Value)?;
        let badge = if self.flag()? {
            Some(self.text()?)
        } else {
            None
        };
        let sender = Sender {
            user,
            name,
            role,
            badge,
        };
        let body = match kind {
            TEXT => self.said()?,
            EVENT => {
                let event = serde_json::from_slice(self.long()?);
                Body::Event(event.map_err(|_| EnvelopeError::Value)?)
            }
            _ => return Err(EnvelopeError::Value),
        };
        let draft = Draft { id, sender, body };
        Ok(Record { at, draft })
    }

    fn said(&mut self) -> Result<Body, EnvelopeError> {
        let language = Language::of_code(&self.text()?).ok_or(EnvelopeError::Value)?;
        let reply_to = if self.flag()? {
            let offset = Offset(self.number()?);
            let user = UserId(self.text()?.into());
            Some(Box::new(ReplyTo { offset, user }))
        } else {
            None
        };
        Ok(Body::Text(Text {
            text: utf8(self.long()?)?.into(),
            language,
            reply_to,
        }))
    }

    pub(super) fn number(&mut self) -> Result<u64, EnvelopeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A text of at most 255 bytes.
    pub(super) fn short(&mut self) -> Result<&'a str, EnvelopeError> {
        let length = self.byte()?;
        utf8(self.take(length.into())?)
    }

    /// Bytes after a length of four bytes.
    pub(super) fn long(&mut self) -> Result<&'a [u8], EnvelopeError> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(length).map_err(|_| EnvelopeError::Length)?)
    }

    fn text(&mut self) -> Result<Arc<str>, EnvelopeError> {
        let length = u16::from_be_bytes(self.array()?);
        Ok(utf8(self.take(length.into())?)?.into())
    }

    fn flag(&mut self) -> Result<bool, EnvelopeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(EnvelopeError::Value),
        }
    }

    pub(super) fn number_of_4(&mut self) -> Result<u32, EnvelopeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn number_of_2(&mut self) -> Result<u16, EnvelopeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn byte(&mut self) -> Result<u8, EnvelopeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(EnvelopeError::Length)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], EnvelopeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(EnvelopeError::Length)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, EnvelopeError> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| EnvelopeError::Value)
}
