//! Seals what a person says with a key of their own, and opens it again: no clock, no database.
//!
//! 1. In a row a person is their pseudonym: random, made with their key, and the same in every room. So what is looked for by
//!    a person (copies of a message, what is deleted, erased or asked for) is found without knowing them.
//! 2. Their name, their badge and what they say are sealed by AES-256-GCM under their key. What is sealed belongs to its
//!    channel, offset and column: anywhere else it does not open.
//! 3. A person whom an event names is their pseudonym there; what it quotes of them is sealed with their key.
//!
//! Pseudonyms and what is sealed begin with a control character, which no user id has: rows that were written before
//! are read as they are. What belongs to nobody (offsets, times, roles, languages, ids of messages, the rules of a room and
//! what its staff asks or announces) is written as ever.
//!
//! Where a key is gone, its person is forgotten: what they said is not there, what names them neither, and what they have done
//! and others count on is somebody's, as [`crate::forget`] has it.

use std::{collections::HashMap, fmt, sync::Arc};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use fanwave_wire::{Body, Event, Publication, Sender, UserId};
use thiserror::Error;

use crate::{
    Cause, StoreError,
    forget::{NO_NAME, unsaid},
};

/// What pseudonyms, and all that is sealed, begin with. A user id has no control characters, and JSON leaves this one as it is.
const MARK: char = '\u{7f}';

/// How it is sealed.
const VERSION: char = '1';

/// Random bytes of a pseudonym: as good as never the same twice.
const PSEUDONYM_BYTES: usize = 16;

/// The mark, and 22 letters.
const PSEUDONYM_CHARS: usize = 23;

pub(crate) const SECRET_BYTES: usize = 32;

/// Why something could not be sealed or opened.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum SealError {
    #[error("a person has no key")]
    NoKey,
    #[error("it could not be sealed")]
    Failed,
    #[error("it is not sealed as it should be")]
    Shape,
    #[error("it was sealed by a newer release")]
    Newer,
    #[error("what is sealed is not what was written, or was written somewhere else")]
    Changed,
}

/// What stands for a person, and opens what they have said.
pub(crate) struct Key {
    pub(crate) person: UserId,
    pub(crate) pseudonym: UserId,
    secret: [u8; SECRET_BYTES],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl Key {
    /// A new one.
    pub(crate) fn new(person: UserId) -> Result<Self, StoreError> {
        let (mut secret, mut bits) = ([0; SECRET_BYTES], [0; PSEUDONYM_BYTES]);
        getrandom::fill(&mut secret)
            .and_then(|()| getrandom::fill(&mut bits))
            .map_err(|error| StoreError::Refused(Cause::new(error)))?;
        let pseudonym = format!("{MARK}{}", BASE64_URL_SAFE_NO_PAD.encode(bits));
        Ok(Self {
            person,
            pseudonym: UserId(pseudonym.into()),
            secret,
        })
    }

    /// One that is kept; `None` if it is none.
    pub(crate) fn kept(person: &str, pseudonym: &str, secret: &[u8]) -> Option<Self> {
        Some(Self {
            person: UserId(person.into()),
            pseudonym: UserId(pseudonym.into()),
            secret: secret.try_into().ok()?,
        })
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, SealError> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.secret).map_err(|_| SealError::Failed)
    }
}

/// Whether this is what stands for a person.
pub(crate) fn is_pseudonym(user: &UserId) -> bool {
    user.0.starts_with(MARK)
}

/// Keys, by the person and by what stands for them.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    by_person: HashMap<UserId, Arc<Key>>,
    by_pseudonym: HashMap<UserId, Arc<Key>>,
}

impl Keys {
    pub(crate) fn add(&mut self, key: Arc<Key>) {
        self.by_person.insert(key.person.clone(), Arc::clone(&key));
        self.by_pseudonym.insert(key.pseudonym.clone(), key);
    }

    pub(crate) fn of_person(&self, person: &UserId) -> Option<&Arc<Key>> {
        self.by_person.get(person)
    }

    pub(crate) fn of_pseudonym(&self, pseudonym: &UserId) -> Option<&Arc<Key>> {
        self.by_pseudonym.get(pseudonym)
    }

    fn need(&self, person: &UserId) -> Result<&Arc<Key>, SealError> {
        self.of_person(person).ok_or(SealError::NoKey)
    }
}

/// What of a message is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Column {
    Name = 1,
    Badge = 2,
    Text = 3,
    Gift = 4,
    HeldName = 5,
    HeldBadge = 6,
    HeldText = 7,
    Pin = 8,
}

/// Where a message is.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    channel: &'a str,
    offset: u64,
}

impl Place<'_> {
    /// What belongs to it and is not written with it.
    fn context(self, column: Column) -> Vec<u8> {
        let mut context = Vec::with_capacity(self.channel.len() + 10);
        // A channel's name has no zero in it.
        context.extend(self.channel.bytes());
        context.push(0);
        context.extend(self.offset.to_be_bytes());
        context.push(column as u8);
        context
    }

    fn seal(self, key: &Key, column: Column, plain: &str) -> Result<Arc<str>, SealError> {
        let mut bytes = plain.as_bytes().to_vec();
        let context = Aad::from(self.context(column));
        let nonce = key
            .cipher()?
            .seal_in_place_append_tag(context, &mut bytes)
            .map_err(|_| SealError::Failed)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        let mut text = String::with_capacity(2 + sealed.len().div_ceil(3) * 4);
        text.extend([MARK, VERSION]);
        BASE64_URL_SAFE_NO_PAD.encode_string(&sealed, &mut text);
        Ok(text.into())
    }

    fn open(self, key: &Key, column: Column, sealed: &str) -> Result<Arc<str>, SealError> {
        let rest = sealed.strip_prefix(MARK).ok_or(SealError::Shape)?;
        let text = rest.strip_prefix(VERSION).ok_or(SealError::Newer)?;
        let mut bytes = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| SealError::Shape)?;
        let (nonce, bytes) = bytes
            .split_at_mut_checked(NONCE_LEN)
            .ok_or(SealError::Shape)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Shape)?;
        let context = Aad::from(self.context(column));
        let plain = key
            .cipher()?
            .open_in_place(nonce, context, bytes)
            .map_err(|_| SealError::Changed)?;
        let plain = str::from_utf8(plain).map_err(|_| SealError::Changed)?;
        Ok(plain.into())
    }

    fn seal_sender(
        self,
        key: &Key,
        (name, badge): (Column, Column),
        sender: &mut Sender,
    ) -> Result<(), SealError> {
        sender.user = key.pseudonym.clone();
        sender.name = self.seal(key, name, &sender.name)?;
        if let Some(shown) = &mut sender.badge {
            *shown = self.seal(key, badge, shown)?;
        }
        Ok(())
    }

    fn open_sender(
        self,
        key: &Key,
        (name, badge): (Column, Column),
        sender: &mut Sender,
    ) -> Result<(), SealError> {
        sender.user = key.person.clone();
        sender.name = self.open(key, name, &sender.name)?;
        if let Some(shown) = &mut sender.badge {
            *shown = self.open(key, badge, shown)?;
        }
        Ok(())
    }
}

const SENDER: (Column, Column) = (Column::Name, Column::Badge);
const HELD: (Column, Column) = (Column::HeldName, Column::HeldBadge);

/// Whom a message names: its sender, and somebody else.
pub(crate) fn people(publication: &Publication) -> impl Iterator<Item = &UserId> {
    let body = &publication.draft.body;
    let answered = body.as_text().and_then(|text| text.reply_to.as_deref());
    let meant = body.as_event().and_then(|event| match event {
        Event::Muted { user, .. }
        | Event::Banned { user, .. }
        | Event::Pardoned { user }
        | Event::Cleared { user, .. } => Some(user),
        Event::Held { sender, .. } => Some(&sender.user),
        _ => None,
    });
    let named = answered.map(|reply| &reply.user).or(meant);
    [Some(&publication.draft.sender.user), named]
        .into_iter()
        .flatten()
}

/// Whom else a message quotes, beside its sender: somebody whose message is answered while it waits for review.
fn quoted(publication: &Publication) -> Option<&UserId> {
    match publication.draft.body.as_event()? {
        Event::Held { text, .. } => text.reply_to.as_deref().map(|reply| &reply.user),
        _ => None,
    }
}

/// All who need a key before a message is sealed.
pub(crate) fn all_people(publication: &Publication) -> impl Iterator<Item = &UserId> {
    people(publication).chain(quoted(publication))
}

/// The pseudonyms in a message as it is written.
pub(crate) fn pseudonyms(publication: &Publication) -> impl Iterator<Item = UserId> {
    let pinned = match publication.draft.body.as_event() {
        Some(Event::Pinned { text, .. }) => split_pin(text).map(|(author, _)| author),
        _ => None,
    };
    all_people(publication)
        .filter(|user| is_pseudonym(user))
        .cloned()
        .chain(pinned)
}

/// Who has said what a pin shows, and that, sealed.
fn split_pin(text: &str) -> Option<(UserId, &str)> {
    if !text.starts_with(MARK) {
        return None;
    }
    let (author, sealed) = text.split_at_checked(PSEUDONYM_CHARS)?;
    Some((UserId(author.into()), sealed))
}

/// Seals a message of a channel. All whom it names have a key; `author` is the one of whoever has said what it pins, if
/// that is known.
pub(crate) fn seal(
    channel: &str,
    publication: &Publication,
    keys: &Keys,
    author: Option<&Key>,
) -> Result<Publication, SealError> {
    let mut sealed = publication.clone();
    let offset = sealed.offset.0;
    let place = Place { channel, offset };
    let key = keys.need(&publication.draft.sender.user)?;
    place.seal_sender(key, SENDER, &mut sealed.draft.sender)?;
    match &mut sealed.draft.body {
        Body::Text(text) => {
            text.text = place.seal(key, Column::Text, &text.text)?;
            if let Some(reply) = &mut text.reply_to {
                reply.user = keys.need(&reply.user)?.pseudonym.clone();
            }
        }
        Body::Event(event) => seal_event(place, event, keys, (key, author.unwrap_or(key)))?,
    }
    Ok(sealed)
}

fn seal_event(
    place: Place<'_>,
    event: &mut Event,
    keys: &Keys,
    (by, author): (&Key, &Key),
) -> Result<(), SealError> {
    match event {
        Event::Muted { user, .. }
        | Event::Banned { user, .. }
        | Event::Pardoned { user }
        | Event::Cleared { user, .. } => *user = keys.need(user)?.pseudonym.clone(),
        Event::Held { sender, text, .. } => {
            let key = keys.need(&sender.user)?;
            place.seal_sender(key, HELD, sender)?;
            text.text = place.seal(key, Column::HeldText, &text.text)?;
            if let Some(reply) = &mut text.reply_to {
                reply.user = keys.need(&reply.user)?.pseudonym.clone();
            }
        }
        Event::Gift { text, .. } => {
            if let Some(text) = text {
                *text = place.seal(by, Column::Gift, text)?;
            }
        }
        Event::Pinned { text, offset, .. } => {
            // A notice of the staff's own quotes nobody.
            if offset.is_some() {
                let sealed = place.seal(author, Column::Pin, text)?;
                *text = format!("{}{sealed}", author.pseudonym.0).into();
            }
        }
        Event::Deleted { .. }
        | Event::Mode(_)
        | Event::Unpinned { .. }
        | Event::PollOpened { .. }
        | Event::PollClosed { .. }
        | Event::Voted { .. }
        | Event::Reviewed { .. }
        | Event::Reported { .. }
        | Event::ReportsDismissed { .. }
        | Event::Words { .. } => {}
    }
    Ok(())
}

/// Opens a message of a channel as it was written. `None` if it is of somebody whose key is gone, and nothing stays of it.
pub(crate) fn open(
    channel: &str,
    publication: &Publication,
    keys: &Keys,
) -> Result<Option<Publication>, SealError> {
    let mut opened = publication.clone();
    let offset = opened.offset.0;
    let place = Place { channel, offset };
    let sender = &mut opened.draft.sender;
    let by = match is_pseudonym(&sender.user) {
        true => keys.of_pseudonym(&sender.user).map(|key| &**key),
        false => None,
    };
    let is_gone = by.is_none() && is_pseudonym(&sender.user);
    if let Some(key) = by {
        place.open_sender(key, SENDER, sender)?;
    } else if is_gone {
        make_nobodys(sender);
    }
    match &mut opened.draft.body {
        Body::Text(_) if is_gone => return Ok(None),
        Body::Text(text) => {
            if let Some(key) = by {
                text.text = place.open(key, Column::Text, &text.text)?;
            }
            open_reply(&mut text.reply_to, keys);
        }
        Body::Event(event) => {
            if is_gone {
                **event = unsaid((**event).clone());
            }
            if !open_event(place, event, keys, by)? {
                return Ok(None);
            }
        }
    }
    Ok(Some(opened))
}

/// Somebody, who is the same in all that they have done.
fn make_nobodys(sender: &mut Sender) {
    let number: u64 = sender
        .user
        .0
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |number, byte| {
            (number ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    sender.user = UserId(format!("erased-{number:016x}").into());
    sender.name = NO_NAME.into();
    sender.badge = None;
}

/// An answer loses whom it answers, if they are gone.
fn open_reply(reply_to: &mut Option<Box<fanwave_wire::ReplyTo>>, keys: &Keys) {
    let Some(reply) = reply_to else {
        return;
    };
    if !is_pseudonym(&reply.user) {
        return;
    }
    match keys.of_pseudonym(&reply.user) {
        Some(key) => reply.user = key.person.clone(),
        None => *reply_to = None,
    }
}

/// Whether anything of it stays.
fn open_event(
    place: Place<'_>,
    event: &mut Event,
    keys: &Keys,
    by: Option<&Key>,
) -> Result<bool, SealError> {
    match event {
        Event::Muted { user, .. }
        | Event::Banned { user, .. }
        | Event::Pardoned { user }
        | Event::Cleared { user, .. } => {
            if is_pseudonym(user) {
                let Some(key) = keys.of_pseudonym(user) else {
                    return Ok(false);
                };
                *user = key.person.clone();
            }
        }
        Event::Held { sender, text, .. } => {
            if is_pseudonym(&sender.user) {
                let Some(key) = keys.of_pseudonym(&sender.user) else {
                    return Ok(false);
                };
                place.open_sender(key, HELD, sender)?;
                text.text = place.open(key, Column::HeldText, &text.text)?;
            }
            open_reply(&mut text.reply_to, keys);
        }
        Event::Gift { text, .. } => {
            if let (Some(text), Some(key)) = (text, by) {
                *text = place.open(key, Column::Gift, text)?;
            }
        }
        Event::Pinned { text, .. } => {
            if let Some((author, sealed)) = split_pin(text) {
                let Some(key) = keys.of_pseudonym(&author) else {
                    return Ok(false);
                };
                *text = place.open(key, Column::Pin, sealed)?;
            }
        }
        Event::Deleted { .. }
        | Event::Mode(_)
        | Event::Unpinned { .. }
        | Event::PollOpened { .. }
        | Event::PollClosed { .. }
        | Event::Voted { .. }
        | Event::Reviewed { .. }
        | Event::Reported { .. }
        | Event::ReportsDismissed { .. }
        | Event::Words { .. } => {}
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
