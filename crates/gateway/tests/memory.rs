//! What an idle fan takes of our memory, by an allocator that counts: the bound that the product promises.
//!
//! The fans are bare sockets in this process, whose own memory is in the kernel: whatever grows is the node's. Every
//! fan is connected, has its identity, follows both lanes of a room and is counted there, and has had a message.

mod support;

use std::{
    alloc::System,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use fanwave_wire::{Role, Sender, UnixMillis, UserId, token::Claims};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{Node, PATIENCE, now, one_reactor};

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Just below a power of two, so that vectors that double are nearly full; the hash table is nearly empty with as many.
const FANS: usize = 2_000;

/// What mio's sockets carry beside the descriptor where debug assertions are on.
const DEBUG_BYTES: usize = size_of::<mio::net::TcpStream>() - size_of::<TcpStream>();

/// What malloc keeps beside each block: 8 bytes, and up to 8 of rounding.
const BLOCK_BYTES: isize = 16;

/// Memory in use, and the blocks it is in.
fn in_use() -> (isize, isize) {
    let stats = MEMORY.stats();
    let live = |made: usize, freed: usize| {
        isize::try_from(made).expect("small") - isize::try_from(freed).expect("small")
    };
    (
        live(stats.bytes_allocated, stats.bytes_deallocated),
        live(stats.allocations, stats.deallocations),
    )
}

/// Everything that a page sends when it is opened.
fn request(node: &Node, n: usize) -> Vec<u8> {
    // As long as the ids that business back ends usually have.
    let user = UserId(format!("3f2b8c1e-77aa-4d0e-9b1c-{n:012}").into());
    let sender = Sender::new(user, "moonlight-fan", Role::Fan);
    let (since, until) = (UnixMillis(now()), UnixMillis(now() + 3_600_000));
    let claims = Claims::new(sender, since, until).expect("claims");
    let token = node.key.issue(&claims);
    let commands = [
        serde_json::json!({ "id": 1, "connect": { "token": token } }),
        serde_json::json!({ "id": 2, "subscribe": { "channel": "room:arena" } }),
        serde_json::json!({ "id": 3, "subscribe": { "channel": "chat:arena" } }),
    ];
    let commands = commands.map(|command| command.to_string()).join("\n");
    let length = u16::try_from(commands.len()).expect("short").to_be_bytes();
    let head = "GET /connection/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // A text frame under a mask of zeros.
    let frame = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
    [head.as_bytes(), &frame, commands.as_bytes()].concat()
}

/// Reads until something has been said.
fn read_until(socket: &mut impl Read, wanted: &[u8]) {
    let mut heard = [0; 8 * 1024];
    let mut filled = 0;
    while !heard[..filled]
        .windows(wanted.len())
        .any(|some| some == wanted)
    {
        let read = socket
            .read(&mut heard[filled..])
            .expect("something in time");
        assert!(
            read > 0,
            "closed after {}",
            String::from_utf8_lossy(&heard[..filled])
        );
        filled += read;
    }
}

fn connect(door: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(door).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    socket
}

/// The whole way into the room.
fn come_in(socket: &mut (impl Read + Write), request: &[u8]) {
    socket.write_all(request).expect("an open connection");
    read_until(socket, br#""id":3"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_fan_takes_at_most_256_bytes() {
    let node = Node::start(one_reactor()).await;
    let door = node.gateway.addresses()[0];
    let mut artist = node.fan("artist").await;
    let mut sockets = Vec::with_capacity(FANS);
    let requests: Vec<_> = (0..=FANS).map(|n| request(&node, n)).collect();
    // Whatever is there once is there now.
    let mut first = connect(door);
    come_in(&mut first, &requests[FANS]);
    artist.say("chat:arena", "first").await;
    read_until(&mut first, b"first");
    let (bytes_before, blocks_before) = in_use();
    for request in &requests[..FANS] {
        let mut socket = connect(door);
        come_in(&mut socket, request);
        sockets.push(socket);
    }
    artist.say("chat:arena", "hello").await;
    for socket in &mut sockets {
        read_until(socket, b"hello");
    }
    let (bytes, blocks) = in_use();
    let fans = isize::try_from(FANS).expect("small");
    let (bytes, blocks) = (bytes - bytes_before, blocks - blocks_before);
    let each = (bytes + blocks * BLOCK_BYTES) / fans - isize::try_from(DEBUG_BYTES).expect("small");
    assert!(
        each <= 256,
        "{each}: {} bytes in {} blocks for a hundred fans",
        bytes * 100 / fans,
        blocks * 100 / fans
    );
}
