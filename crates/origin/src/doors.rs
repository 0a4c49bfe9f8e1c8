//! Where encoders come in: every port is bound before the first task runs, so that one that is taken is known at once.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::{
    config::{OriginConfig, StartError},
    ingest::Admitted,
    rtmp::Listener,
    shared::Shared,
    srt::{self, SrtConfig},
    whip::{self, WhipConfig},
};

/// The doors there are to be.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) rtmp: SocketAddr,
    pub(crate) rtmps: Option<(SocketAddr, Arc<ServerConfig>)>,
    pub(crate) srt: Option<SrtConfig>,
    pub(crate) whip: Option<WhipConfig>,
    /// Most connections from one peer, through all of them together.
    pub(crate) per_peer_max: usize,
}

impl Doors {
    pub(crate) fn of(config: &OriginConfig) -> Self {
        Self {
            rtmp: config.rtmp_listen,
            rtmps: config.rtmps.clone(),
            srt: config.srt.clone(),
            whip: config.whip.clone(),
            per_peer_max: config.connections_per_peer,
        }
    }
}

/// Where they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) rtmp: SocketAddr,
    pub(crate) rtmps: Option<SocketAddr>,
    pub(crate) srt: Option<SocketAddr>,
    pub(crate) whip: Option<SocketAddr>,
}

/// All of them, open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) addresses: Addresses,
    /// What WHIP needs on HTTP's side, where there is WHIP.
    pub(crate) whip: Option<whip::Endpoint>,
    /// They end when the origin stops.
    pub(crate) tasks: JoinSet<()>,
}

/// Opens all of them. Needs a runtime.
pub(crate) fn open(doors: &Doors, shared: &Arc<Shared>) -> Result<Opened, StartError> {
    let admitted = Arc::new(Admitted::new(doors.per_peer_max));
    let listen = |addr, tls| Listener::bind(addr, tls, Arc::clone(shared), Arc::clone(&admitted));
    let failed = bind("RTMP", doors.rtmp);
    let listener = listen(doors.rtmp, None).map_err(failed)?;
    let mut addresses = Addresses {
        rtmp: listener.local_addr().map_err(failed)?,
        rtmps: None,
        srt: None,
        whip: None,
    };
    let mut listeners = vec![listener];
    if let Some((addr, tls)) = &doors.rtmps {
        let failed = bind("RTMPS", *addr);
        let tls = TlsAcceptor::from(Arc::clone(tls));
        let listener = listen(*addr, Some(tls)).map_err(failed)?;
        addresses.rtmps = Some(listener.local_addr().map_err(failed)?);
        listeners.push(listener);
    }
    let mut tasks = JoinSet::new();
    if let Some(srt) = &doors.srt {
        let failed = bind("SRT", srt.listen);
        let port = srt::Port::bind(srt, Arc::clone(shared), Arc::clone(&admitted));
        let port = port.map_err(failed)?;
        addresses.srt = Some(port.local_addr().map_err(failed)?);
        tasks.spawn(port.run(shared.stop.subscribe()));
    }
    let mut endpoint = None;
    if let Some(whip) = &doors.whip {
        let failed = bind("WHIP", whip.listen);
        let bound = whip::Port::bind(whip, Arc::clone(shared), admitted);
        let (port, opened) = bound.map_err(failed)?;
        addresses.whip = Some(port.local_addr().map_err(failed)?);
        endpoint = Some(opened);
        tasks.spawn(port.run(shared.stop.subscribe()));
    }
    for listener in listeners {
        tasks.spawn(listener.run(shared.stop.subscribe()));
    }
    Ok(Opened {
        addresses,
        whip: endpoint,
        tasks,
    })
}

fn bind(what: &'static str, addr: SocketAddr) -> impl Fn(io::Error) -> StartError + Copy {
    move |source| StartError::Bind { what, addr, source }
}
