//! The certificate that is shown, read anew when its files change.
//!
//! Whoever renews certificates writes two files and has nobody to tell. So whoever is asked for the certificate looks at
//! the files first, if that was not done for a while. Connections that are open keep what they have. Two files that do
//! not go together, or one that is half written, are not shown: the last good pair is, until the next look.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rustls::{
    crypto::CryptoProvider,
    pki_types::{PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{TlsError, TlsFiles, certificates, explain};

/// How long it is believed that the files are as they were.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Served {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    shown: Arc<CertifiedKey>,
    /// As the files were when they were last read, good or not.
    read: Stamps,
    looked: Instant,
}

/// When both files were last changed, and how long they are.
type Stamps = [Option<(SystemTime, u64)>; 2];

impl Served {
    pub(super) fn read(files: &TlsFiles, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let read = stamps(files);
        let shown = pair(files, &provider)?;
        Ok(Self {
            files: files.clone(),
            provider,
            now: Mutex::new(Now {
                shown: Arc::new(shown),
                read,
                looked: Instant::now(),
            }),
        })
    }

    /// What is shown at this time.
    fn at(&self, time: Instant) -> Arc<CertifiedKey> {
        // A panic while it was held leaves a pair that was good.
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if time.saturating_duration_since(now.looked) >= LOOK_EVERY {
            now.looked = time;
            let stamps = stamps(&self.files);
            if stamps != now.read {
                now.read = stamps;
                match pair(&self.files, &self.provider) {
                    Ok(pair) => {
                        tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is shown from now on");
                        now.shown = Arc::new(pair);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the certificate's files have changed and cannot be shown: the last one goes on");
                    }
                }
            }
        }
        Arc::clone(&now.shown)
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.at(Instant::now()))
    }
}

fn stamps(files: &TlsFiles) -> Stamps {
    let stamp = |path: &Path| -> io::Result<_> {
        let seen = fs::metadata(path)?;
        Ok((seen.modified()?, seen.len()))
    };
    [stamp(&files.certificate).ok(), stamp(&files.key).ok()]
}

fn pair(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| explain(error, &files.key, "private key"))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        },
        other => TlsError::Unserved(other),
    })
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs;

    use super::*;

    /// Writes a new pair there; gives back the certificate.
    fn renew(files: &TlsFiles) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    #[test]
    fn a_renewed_pair_is_shown_and_a_bad_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("crt"),
            key: folder.path().join("key"),
        };
        let first = renew(&files);
        let served = Served::read(&files, Arc::new(aws_lc_rs::default_provider())).unwrap();
        let began = Instant::now();
        let at = |looks: u32| served.at(began + LOOK_EVERY * looks).cert[0].to_vec();
        assert_eq!(at(1), first);

        // Half of a renewal: a certificate whose key is not there yet.
        let key = fs::read(&files.key).unwrap();
        let second = renew(&files);
        let new_key = fs::read(&files.key).unwrap();
        // Another length than before and after, whatever the file system's clock says.
        fs::write(&files.key, [&key[..], b"\n"].concat()).unwrap();
        assert_eq!(at(2), first);
        fs::write(&files.key, b"nothing").unwrap();
        assert_eq!(at(3), first);
        fs::remove_file(&files.key).unwrap();
        assert_eq!(at(4), first);

        fs::write(&files.key, [&new_key[..], b"\n\n"].concat()).unwrap();
        assert_eq!(
            served.at(began + LOOK_EVERY * 4).cert[0].to_vec(),
            first,
            "not looked at yet"
        );
        assert_eq!(at(5), second);
    }
}
