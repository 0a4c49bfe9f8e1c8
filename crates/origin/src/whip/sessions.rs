//! Which sessions there are, and how each is found: by its address in HTTP, by where its datagrams come from, and before that by
//! the ICE user fragment that they name.
//!
//! A session's place is a [`Place`]; with it go all ways to the session.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanwave_wire::RoomId;
use tokio::sync::{Notify, mpsc};

use crate::limits::{WHIP_PEER_ADDRESSES_MAX, WHIP_SESSIONS_MAX};

/// What names a session in HTTP. Whoever knows it may end the session, so that it cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionId([u8; 16]);

/// It is a secret as much as a key is.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

impl SessionId {
    /// `None` without randomness.
    pub(super) fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// As a URL has it: 32 hexadecimal digits.
    pub(super) fn text(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok()?;
        let id = Self(number.to_be_bytes());
        (id.text() == text).then_some(id)
    }
}

/// A datagram, and where it came from.
pub(super) type Datagram = (SocketAddr, Vec<u8>);

/// What HTTP has to know of a session.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Which channel it publishes to.
    pub(super) channel: RoomId,
    /// The publisher's ICE user fragment: another one is an ICE restart.
    pub(super) remote_ufrag: String,
    /// Names the session's ICE, which never changes.
    pub(super) etag: String,
    /// Rung to end it.
    pub(super) end: Arc<Notify>,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    ufrag: String,
    datagrams: mpsc::Sender<Datagram>,
    addresses: Vec<SocketAddr>,
}

#[derive(Debug, Default)]
struct Tables {
    entries: BTreeMap<SessionId, Entry>,
    by_ufrag: BTreeMap<String, SessionId>,
    by_address: BTreeMap<SocketAddr, SessionId>,
}

/// All sessions of a port; at most [`WHIP_SESSIONS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Tables>);

/// One session's place.
#[derive(Debug)]
pub(super) struct Place {
    sessions: Arc<Sessions>,
    id: SessionId,
}

impl Sessions {
    /// A place for a session, if there is one.
    pub(super) fn enter(
        self: &Arc<Self>,
        id: SessionId,
        known: Known,
        ufrag: String,
        datagrams: mpsc::Sender<Datagram>,
    ) -> Option<Place> {
        let mut tables = self.lock();
        if tables.entries.len() >= WHIP_SESSIONS_MAX {
            return None;
        }
        tables.by_ufrag.insert(ufrag.clone(), id);
        tables.entries.insert(
            id,
            Entry {
                known,
                ufrag,
                datagrams,
                addresses: Vec::new(),
            },
        );
        drop(tables);
        Some(Place {
            sessions: Arc::clone(self),
            id,
        })
    }

    pub(super) fn known(&self, id: SessionId) -> Option<Known> {
        self.lock()
            .entries
            .get(&id)
            .map(|entry| entry.known.clone())
    }

    /// Where to put what comes from there.
    pub(super) fn by_address(&self, from: SocketAddr) -> Option<mpsc::Sender<Datagram>> {
        let tables = self.lock();
        let id = tables.by_address.get(&from)?;
        tables.entries.get(id).map(|entry| entry.datagrams.clone())
    }

    /// Where to put what asks for that user fragment.
    pub(super) fn by_ufrag(&self, ufrag: &str) -> Option<mpsc::Sender<Datagram>> {
        let tables = self.lock();
        let id = tables.by_ufrag.get(ufrag)?;
        tables.entries.get(id).map(|entry| entry.datagrams.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// What comes from there is this session's from now on: it has proven that. The oldest of many addresses is forgotten.
    pub(super) fn learn(&self, from: SocketAddr) {
        let mut tables = self.sessions.lock();
        let tables = &mut *tables;
        let Some(entry) = tables.entries.get_mut(&self.id) else {
            return;
        };
        if entry.addresses.contains(&from) {
            return;
        }
        if entry.addresses.len() >= WHIP_PEER_ADDRESSES_MAX {
            tables.by_address.remove(&entry.addresses.remove(0));
        }
        // An address that was another session's: its publisher has begun a new one.
        if let Some(before) = tables.by_address.insert(from, self.id)
            && let Some(before) = tables.entries.get_mut(&before)
        {
            before.addresses.retain(|address| *address != from);
        }
        if let Some(entry) = tables.entries.get_mut(&self.id) {
            entry.addresses.push(from);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tables = self.sessions.lock();
        let tables = &mut *tables;
        if let Some(entry) = tables.entries.remove(&self.id) {
            tables.by_ufrag.remove(&entry.ufrag);
            for address in entry.addresses {
                tables.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known {
            channel: "demo".parse().unwrap(),
            remote_ufrag: "abcd".into(),
            etag: "\"e\"".into(),
            end: Arc::default(),
        }
    }

    fn enter(sessions: &Arc<Sessions>, number: u8) -> Option<(Place, mpsc::Receiver<Datagram>)> {
        let (sender, receiver) = mpsc::channel(1);
        let id = SessionId([number; 16]);
        let place = sessions.enter(id, known(), format!("ufrag{number}"), sender)?;
        Some((place, receiver))
    }

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = SessionId::random().unwrap();
        assert_eq!(SessionId::parse(&id.text()), Some(id));
        for none in [
            "",
            "0",
            "+0000000000000000000000000000000",
            &id.text()[1..],
            "zz",
        ] {
            assert_eq!(SessionId::parse(none), None, "{none}");
        }
        assert!(!format!("{id:?}").contains(&id.text()));
    }

    #[test]
    fn a_session_is_found_until_it_ends() {
        let sessions = Arc::new(Sessions::default());
        let (first, mut received) = enter(&sessions, 1).unwrap();
        let (second, _held) = enter(&sessions, 2).unwrap();
        assert!(sessions.by_address(address(1)).is_none());
        let by_ufrag = sessions.by_ufrag("ufrag1").unwrap();
        by_ufrag.try_send((address(1), vec![1])).unwrap();
        assert_eq!(received.try_recv().unwrap().0, address(1));
        first.learn(address(1));
        let of = |port| sessions.by_address(address(port));
        assert!(of(1).unwrap().same_channel(&by_ufrag));
        // The same address begins another session.
        second.learn(address(1));
        assert!(!of(1).unwrap().same_channel(&by_ufrag));
        drop(first);
        assert!(sessions.by_ufrag("ufrag1").is_none() && of(1).is_some());
        assert!(sessions.known(SessionId([1; 16])).is_none());
        drop(second);
        let tables = sessions.lock();
        assert!(
            tables.entries.is_empty() && tables.by_ufrag.is_empty() && tables.by_address.is_empty()
        );
    }

    #[test]
    fn there_are_so_many_sessions_and_addresses_and_no_more() {
        let sessions = Arc::new(Sessions::default());
        let places: Vec<_> = (0..=u8::MAX).map_while(|n| enter(&sessions, n)).collect();
        assert_eq!(places.len(), WHIP_SESSIONS_MAX);
        for port in 1..100 {
            places[0].0.learn(address(port));
        }
        assert_eq!(sessions.lock().by_address.len(), WHIP_PEER_ADDRESSES_MAX);
        assert!(
            sessions.by_address(address(99)).is_some() && sessions.by_address(address(1)).is_none()
        );
    }
}
