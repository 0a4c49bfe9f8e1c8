//! The reactors' own ports: every reactor has a listening socket of its own at every address, and the kernel spreads
//! the connections over them (`SO_REUSEPORT`). So a socket is accepted by the thread that keeps it.
//!
//! What every accepted socket needs is set on the listening one, from which Linux hands it on: no option costs a system
//! call per fan.

use std::{io, net::SocketAddr};

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{StartError, limits};

/// What is listened at: for each reactor, its sockets; and the addresses, with the ports that were taken for 0.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    pub(crate) of_reactors: Vec<Vec<TcpListener>>,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Listeners {
    /// Binds every address once for each reactor.
    pub(crate) fn bind(
        addresses: &[SocketAddr],
        reactors: usize,
        send_bytes: usize,
    ) -> Result<Self, StartError> {
        let mut all = Self {
            of_reactors: (0..reactors).map(|_| Vec::new()).collect(),
            addresses: Vec::new(),
        };
        for wanted in addresses {
            let refused = |source| StartError::Listen {
                address: *wanted,
                source,
            };
            let mut address = *wanted;
            if address.port() != 0 {
                // With SO_REUSEPORT a second server would quietly get half of this one's fans: it must fail instead.
                drop(socket(address, Sharing::Alone, send_bytes).map_err(refused)?);
            }
            for sockets in &mut all.of_reactors {
                let socket = socket(address, Sharing::Port, send_bytes).map_err(refused)?;
                let listener = listen(&socket).map_err(refused)?;
                address = listener.local_addr().map_err(refused)?;
                sockets.push(listener);
            }
            all.addresses.push(address);
        }
        Ok(all)
    }
}

/// Whether other sockets may be bound to the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Port,
}

fn socket(address: SocketAddr, sharing: Sharing, send_bytes: usize) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::Port)?;
    // A sweep writes whole frames, so waiting for more to fill a segment only delays them.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(send_bytes)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen(socket: &Socket) -> io::Result<TcpListener> {
    socket.listen(i32::try_from(limits::BACKLOG).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.try_clone()?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reactor_has_a_socket_at_the_same_port_and_a_second_server_has_none() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = Listeners::bind(&[any], 3, 4096).unwrap();
        let taken = first.addresses[0];
        assert_ne!(taken.port(), 0);
        for sockets in &first.of_reactors {
            assert_eq!(sockets.len(), 1);
            assert_eq!(sockets[0].local_addr().unwrap(), taken);
        }
        let second = Listeners::bind(&[taken], 3, 4096).unwrap_err();
        let StartError::Listen { address, source } = second else {
            unreachable!("{second}");
        };
        assert_eq!(address, taken);
        assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    }
}
