//! Where encoders come in: every port is bound before the first task runs, so that one that is taken is known at once.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::task::JoinSet;

use crate::{
    config::StartError,
    ingest::Admitted,
    rtmp::{
        Listener,
        tls::{self, TlsFiles},
    },
    shared::Shared,
    srt::{Port, SrtConfig},
};

/// The doors there are to be.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) rtmp: SocketAddr,
    pub(crate) rtmps: Option<(SocketAddr, TlsFiles)>,
    pub(crate) srt: Option<SrtConfig>,
}

/// Where they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) rtmp: SocketAddr,
    pub(crate) rtmps: Option<SocketAddr>,
    pub(crate) srt: Option<SocketAddr>,
}

/// Opens all of them, for so many connections from one peer together; the tasks end when the origin stops. Needs a runtime.
pub(crate) fn open(
    doors: &Doors,
    per_peer_max: usize,
    shared: &Arc<Shared>,
) -> Result<(Addresses, JoinSet<()>), StartError> {
    let admitted = Arc::new(Admitted::new(per_peer_max));
    let listen = |addr, tls| Listener::bind(addr, tls, Arc::clone(shared), Arc::clone(&admitted));
    let failed = bind("RTMP", doors.rtmp);
    let listener = listen(doors.rtmp, None).map_err(failed)?;
    let mut addresses = Addresses {
        rtmp: listener.local_addr().map_err(failed)?,
        rtmps: None,
        srt: None,
    };
    let mut listeners = vec![listener];
    if let Some((addr, files)) = &doors.rtmps {
        let failed = bind("RTMPS", *addr);
        let listener = listen(*addr, Some(tls::acceptor(files)?)).map_err(failed)?;
        addresses.rtmps = Some(listener.local_addr().map_err(failed)?);
        listeners.push(listener);
    }
    let mut tasks = JoinSet::new();
    if let Some(srt) = &doors.srt {
        let failed = bind("SRT", srt.listen);
        let port = Port::bind(srt, Arc::clone(shared), admitted).map_err(failed)?;
        addresses.srt = Some(port.local_addr().map_err(failed)?);
        tasks.spawn(port.run(shared.stop.subscribe()));
    }
    for listener in listeners {
        tasks.spawn(listener.run(shared.stop.subscribe()));
    }
    Ok((addresses, tasks))
}

fn bind(what: &'static str, addr: SocketAddr) -> impl Fn(io::Error) -> StartError + Copy {
    move |source| StartError::Bind { what, addr, source }
}
