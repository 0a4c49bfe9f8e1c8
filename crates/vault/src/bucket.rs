//! A bucket that speaks S3, over the HTTP and the TLS that the rest of the program speaks.

mod wire;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig, aws::AmazonS3Builder,
    path::Path, prefix::PrefixStore,
};
use thiserror::Error;
use tokio::time::timeout;

use self::wire::Connector;
use crate::{
    VaultError,
    limits::{RETRIES_MAX, RETRY_DEADLINE},
    spool::{BucketError, far_error},
};

/// Where a bucket is, and who uses it.
#[derive(Clone)]
pub struct BucketConfig {
    /// Its name.
    pub name: String,
    /// The folder in it that is ours; empty: all of it.
    pub prefix: String,
    /// Where it is spoken to, as `https://host:port`; `None`: Amazon's own address of the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Whether its name is in the path of an address, or in front of the host.
    pub addressing: Addressing,
    /// Who asks.
    pub access_key: String,
    /// What requests are signed with.
    pub secret_key: String,
    /// Of credentials for a while, what goes with them.
    pub session_token: Option<String>,
    /// Certificates (PEM) of the authorities that vouch for it; `None`: those that the machine trusts.
    pub authorities: Option<Vec<u8>>,
}

impl fmt::Debug for BucketConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketConfig")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Where a bucket's name stands in an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addressing {
    /// `https://host/bucket/file`.
    #[default]
    Path,
    /// `https://bucket.host/file`.
    Host,
}

/// Why a bucket cannot be used as configured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The certificates of authorities.
    #[error("the certificates of the authorities cannot be used: {0}")]
    Authorities(String),
    /// What it is called.
    #[error("the bucket's name or address cannot be used")]
    Address,
}

/// Where in the bucket it is tried what may be done there.
const PROBE: &str = "fanwave-probe";

/// A bucket. Nothing has been asked of it yet.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bucket")
    }
}

impl Bucket {
    /// The bucket as configured. It connects when something is asked of it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn new(config: &BucketConfig) -> Result<Self, OpenError> {
        let connector = Connector::new(config.authorities.as_deref())?;
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(200),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_DEADLINE,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.name)
            .with_region(&config.region)
            .with_access_key_id(&config.access_key)
            .with_secret_access_key(&config.secret_key)
            .with_virtual_hosted_style_request(config.addressing == Addressing::Host)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_retry(retry)
            .with_http_connector(connector);
        if let Some(token) = &config.session_token {
            builder = builder.with_token(token);
        }
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(match config.addressing {
                Addressing::Path => endpoint.clone(),
                Addressing::Host => in_front(endpoint, &config.name).ok_or(OpenError::Address)?,
            });
        }
        // What it says has parts of the configuration in it.
        let store = builder.build().map_err(|_| OpenError::Address)?;
        let prefix = Path::parse(&config.prefix).map_err(|_| OpenError::Address)?;
        Ok(Self {
            store: if prefix.as_ref().is_empty() {
                Arc::new(store)
            } else {
                Arc::new(PrefixStore::new(store, prefix))
            },
        })
    }

    /// What stands behind a vault.
    #[must_use]
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Writes a small file, reads it, lists it and removes it: all that will be asked of the bucket.
    ///
    /// # Errors
    /// [`VaultError`]: the first that did not work, or it took longer than this.
    pub async fn probe(&self, deadline: Duration) -> Result<(), VaultError> {
        let place = Path::from(PROBE);
        let probe = async {
            let text = Bytes::from_static(b"Fanwave has tried whether it may write here.\n");
            self.store.put(&place, text.clone().into()).await?;
            let read = self.store.get(&place).await?.bytes().await?;
            self.store
                .list_with_delimiter(Some(&Path::from(PROBE)))
                .await?;
            self.store.delete(&place).await?;
            Ok(read == text)
        };
        match timeout(deadline, probe).await {
            Err(_) => Err(VaultError::Bucket(BucketError::Late(deadline))),
            Ok(Err(error)) => Err(far_error(error)),
            Ok(Ok(false)) => Err(crate::broken(
                "the bucket returns something else than was written",
            )),
            Ok(Ok(true)) => Ok(()),
        }
    }
}

/// The endpoint with the bucket's name in front of its host.
fn in_front(endpoint: &str, bucket: &str) -> Option<String> {
    let (scheme, host) = endpoint.split_once("://")?;
    Some(format!("{scheme}://{bucket}.{host}"))
}

#[cfg(test)]
mod tests;
