//! Why there is no report.

use std::io;

use thiserror::Error;

use crate::{order::OrderError, probe::ProbeError, split::SplitError, trust::TrustError};

/// Why there is no report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The order makes no sense.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// It is not said whose processes they are.
    #[error(
        "{given} --server-pid for {servers} servers: give one for each, in the order of the servers, or none to have \
         them found by their ports"
    )]
    ServerPids {
        /// How many were given.
        given: usize,
        /// How many servers there are.
        servers: usize,
    },
    /// This machine cannot carry it out.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// There is nobody to believe over TLS.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The server would refuse it.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The lossless lane needs somebody who may write to it.
    #[error(
        "nobody may write to the lossless lane: give --staff-token (`fanwave token --role staff --name Load`) or \
         --secret-file, or send nothing there with --room-rate 0"
    )]
    NoStaff,
    /// A worker cannot be started or spoken to.
    #[error("a worker process cannot be started: {0}")]
    Start(#[source] io::Error),
    /// A worker gave up.
    #[error("{0}")]
    Worker(String),
    /// A worker is gone.
    #[error("a worker process ended before the run did")]
    WorkerLost,
    /// The user would not wait.
    #[error("ended before there was anything to report")]
    Interrupted,
    /// Not one fan was let in.
    #[error("not one fan could connect ({reasons})")]
    Nobody {
        /// What the attempts met.
        reasons: String,
    },
}
