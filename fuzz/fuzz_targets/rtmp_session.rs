//! A peer of the RTMP ingest, driven as the origin drives the library behind its session: fed in reads, polled until it
//! has no more to say, refused when it asks to publish (even first byte) or let in (odd).

#![no_main]

use sapflow_rtmp::{Connection, Event};

/// C0, C1 and C2 of the original handshake: the chunk reader behind it is what wants searching. Handshakes themselves
/// are searched by the inputs that begin with 2 or 3.
const HANDSHAKE_BYTES: usize = 1 + 2 * 1_536;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let mut connection = Connection::new(1);
    if !matches!(choice, 2 | 3) {
        let mut handshake = [0; HANDSHAKE_BYTES];
        handshake[0] = 3;
        connection
            .feed(&handshake)
            .expect("a handshake of zeros is one");
    }
    for read in data.chunks(usize::from(choice).max(1) * 16) {
        if connection.feed(read).is_err() {
            return;
        }
        loop {
            match connection.poll() {
                Ok(Some(Event::Publish { .. })) if choice % 2 == 0 => {
                    connection.refuse_publish("NetStream.Publish.Denied", "Unknown stream key.");
                }
                Ok(Some(Event::Publish { .. })) => connection.accept_publish(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        drop(connection.take_output());
    }
});
