//! What the origin needs to push shows on (the platforms' stream keys, and whose certificates are believed), and how that goes as
//! the API tells it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use fanwave_api::{Push, PushError, PushState};
use fanwave_origin::{PushState as State, PushStatus, PushTrouble as Trouble, SimulcastConfig};
use thiserror::Error;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{
    config::simulcast::Target,
    secret::{self, SecretError},
};

/// Largest file of authorities, bytes; those of a machine are 300 KB.
const AUTHORITIES_BYTES_MAX: u64 = 4 << 20;

/// Why shows cannot be pushed on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimulcastProblem {
    /// A stream key.
    #[error("the stream key of {name} in simulcast.key_file cannot be read: {source}")]
    Key {
        /// The platform.
        name: Arc<str>,
        /// Why not.
        source: SecretError,
    },
    /// Authorities.
    #[error("simulcast.tls_authorities cannot be used: {}: {reason}", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// TLS itself.
    #[error("TLS cannot be spoken to platforms: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

/// Reads what the plan names.
pub(super) fn configs(targets: &[Target]) -> Result<Vec<SimulcastConfig>, SimulcastProblem> {
    // The machine's own are read once, however many believe them.
    let mut machine = None;
    let config = |target: &Target| {
        let name = Arc::clone(&target.name);
        let key = secret::read(&target.key_file, 1)
            .map_err(|source| SimulcastProblem::Key { name, source })?;
        let tls = match (&target.tls_authorities, &machine) {
            (Some(path), _) => believing(authorities(path)?)?,
            (None, Some(machine)) => Arc::clone(machine),
            (None, None) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                Arc::clone(machine.insert(believing(roots)?))
            }
        };
        Ok(SimulcastConfig {
            channel: target.channel.clone(),
            name: Arc::clone(&target.name),
            address: target.address.clone(),
            key: fanwave_origin::Secret::new(key.expose()),
            tls,
        })
    };
    targets.iter().map(config).collect()
}

/// The authorities of a file.
fn authorities(path: &Path) -> Result<RootCertStore, SimulcastProblem> {
    let unusable = |reason: String| SimulcastProblem::Authorities {
        path: path.to_owned(),
        reason,
    };
    let bytes = fs::metadata(path)
        .map_err(|error| unusable(error.to_string()))?
        .len();
    if bytes > AUTHORITIES_BYTES_MAX {
        return Err(unusable(format!(
            "it is larger than {AUTHORITIES_BYTES_MAX} bytes"
        )));
    }
    let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}

fn believing(roots: RootCertStore) -> Result<Arc<ClientConfig>, tokio_rustls::rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// How pushes go, as the API has it.
pub(super) fn described(statuses: Vec<PushStatus>) -> Vec<Push> {
    statuses.into_iter().map(push).collect()
}

fn push(status: PushStatus) -> Push {
    Push {
        name: status.name,
        host: status.host,
        state: match status.state {
            State::Waiting => PushState::Waiting,
            State::Connecting => PushState::Connecting,
            State::Live => PushState::Live,
            State::Failed => PushState::Failed,
        },
        since: status.since,
        retry_at: status.retry_at,
        sent_bytes: status.sent_bytes,
        dropped_pictures: status.dropped_pictures,
        reconnects: status.reconnects,
        error: status.trouble.map(|trouble| match trouble {
            Trouble::Unreachable => PushError::Unreachable,
            Trouble::Tls => PushError::Tls,
            Trouble::Refused => PushError::Refused,
            Trouble::Silent => PushError::Silent,
            Trouble::Protocol => PushError::Protocol,
            Trouble::Stalled => PushError::Stalled,
            Trouble::Ended => PushError::Ended,
            Trouble::Codec => PushError::Codec,
            Trouble::SoundCodec => PushError::SoundCodec,
            Trouble::Broken => PushError::Broken,
        }),
    }
}
