//! A line to a server that can be cut at a commit.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
};

/// What becomes of the next commit that is sent over the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Commit {
    /// It arrives, and so does its answer.
    Passes,
    /// It arrives, and the line is cut before the answer.
    Unanswered,
    /// The line is cut before it arrives.
    Lost,
}

/// The line, which is there for as long as the runtime is. Connections after one that was cut pass everything.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) port: u16,
    next: Arc<AtomicU8>,
}

impl Line {
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let line = Self {
            port: listener.local_addr().unwrap().port(),
            next: Arc::new(AtomicU8::new(Commit::Passes as u8)),
        };
        let next = Arc::clone(&line.next);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&next)));
            }
        });
        line
    }

    pub(super) fn set(&self, commit: Commit) {
        self.next.store(commit as u8, Ordering::SeqCst);
    }

    /// Whether what was set has come to pass.
    pub(super) fn has_cut(&self) -> bool {
        self.next.load(Ordering::SeqCst) == Commit::Passes as u8
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, next: Arc<AtomicU8>) {
    let (mut up, mut down) = ([0; 65_536], [0; 65_536]);
    loop {
        select! {
            read = client.read(&mut up) => {
                let Ok(length @ 1..) = read else { return };
                let is_commit = up[..length].windows(6).any(|word| word == b"COMMIT");
                let commit = match is_commit {
                    true => next.swap(Commit::Passes as u8, Ordering::SeqCst),
                    false => Commit::Passes as u8,
                };
                if commit == Commit::Lost as u8 {
                    return;
                }
                if server.write_all(&up[..length]).await.is_err() {
                    return;
                }
                if commit == Commit::Unanswered as u8 {
                    // The answer tells that it was done; it goes no further.
                    drop(server.read(&mut down).await);
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&down[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
