//! A port that leads to another, and can be shut.

use std::time::Duration;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// Far more than the last owner of a port takes to let go of it.
const BIND_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Gate {
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    open: bool,
    /// How often it has been shut: what was connected before is cut.
    shut: u32,
}

impl Gate {
    pub(super) async fn open(from: u16, to: u16) -> Self {
        let listener = async {
            loop {
                match TcpListener::bind(("127.0.0.1", from)).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let listener = timeout(BIND_MAX, listener).await.expect("the port is free");
        let (state, watched) = watch::channel(State {
            open: true,
            shut: 0,
        });
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, to, watched.clone()));
            }
        });
        Self { state, task }
    }

    pub(super) fn shut(&self) {
        self.state.send_modify(|state| {
            state.open = false;
            state.shut += 1;
        });
    }

    pub(super) fn reopen(&self) {
        self.state.send_modify(|state| state.open = true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut stream: TcpStream, to: u16, mut state: watch::Receiver<State>) {
    let State { open, shut } = *state.borrow_and_update();
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else {
        return;
    };
    if !open || stream.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut server) => {}
        _ = state.wait_for(|now| now.shut > shut) => {}
    }
}
