//! Ports for servers that tests start. Tests of several crates have this file among their modules, each with its own place to begin.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::TcpListener,
    ops::RangeInclusive,
    process,
    sync::Mutex,
};

/// Below those that Linux takes for outgoing connections (`ip_local_port_range`), of which one could take a port between here and
/// whoever is to listen on it: Java takes ten seconds for that.
const PORTS: RangeInclusive<u16> = 11_000..=32_767;

/// A port of 127.0.0.1 that nothing listens on, and that was not given out before.
pub(crate) fn free_port() -> u16 {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().expect("nothing panics here");
    loop {
        let port = next.unwrap_or_else(first);
        let following = port + 1;
        *next = Some(if PORTS.contains(&following) {
            following
        } else {
            *PORTS.start()
        });
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Where to begin: far from the other tests that run now.
fn first() -> u16 {
    let mut hasher = DefaultHasher::new();
    (process::id(), module_path!()).hash(&mut hasher);
    let place = hasher.finish() % u64::try_from(PORTS.len()).expect("a number of ports");
    *PORTS.start() + u16::try_from(place).expect("fewer than there are ports")
}
