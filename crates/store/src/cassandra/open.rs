//! Opens an archive, or says in the operator's words why not.

use std::{num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer,
    pki_types::pem::PemObject,
};
use scylla::{
    client::{
        PoolSize, execution_profile::ExecutionProfile, session::Session, session::TlsContext,
        session_builder::SessionBuilder,
    },
    errors::NewSessionError,
    policies::load_balancing::DefaultPolicy,
};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    Archive, CassandraConfig, Inner,
    fault::{fault, unprepared},
    statements::{Statements, TABLES},
};
use crate::{
    Cause, Encryption, OpenError, StoreError,
    damage::Finds,
    keyring::Keyring,
    limits::{
        CASSANDRA_CALL_MAX, CASSANDRA_CALLS_MAX, CASSANDRA_RECORDS_MAX, CONNECT_MAX, MIGRATION_MAX,
    },
};

/// How often nodes are asked whether they are there: one that is not is found within twice that.
const ALIVE: Duration = Duration::from_secs(3);

impl Archive {
    pub(crate) async fn open(
        config: &CassandraConfig,
        keyring: Option<Keyring>,
    ) -> Result<Self, OpenError> {
        let place = config.place();
        assert!(
            CassandraConfig::is_keyspace(&config.keyspace)
                && CassandraConfig::is_datacenter(&config.datacenter),
            "names are checked where they come in"
        );
        match timeout(MIGRATION_MAX, Box::pin(open(config, keyring))).await {
            Ok(Ok(archive)) => Ok(archive),
            Ok(Err(Failure::Away(cause))) => Err(OpenError::Away { place, cause }),
            Ok(Err(Failure::Store(StoreError::Unreachable(cause)))) => {
                Err(OpenError::Away { place, cause })
            }
            Ok(Err(Failure::Store(error))) => {
                let cause = Cause::new(error);
                Err(OpenError::Database { place, cause })
            }
            Err(elapsed) => {
                let cause = Cause::new(elapsed);
                Err(OpenError::Away { place, cause })
            }
        }
    }

    pub(crate) async fn close(&self) {
        self.0.calls.close();
        if let Some(keyring) = &self.0.keyring {
            keyring.close().await;
        }
    }
}

enum Failure {
    Away(Cause),
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NewSessionError> for Failure {
    fn from(error: NewSessionError) -> Self {
        Self::Away(Cause::new(error))
    }
}

async fn open(config: &CassandraConfig, keyring: Option<Keyring>) -> Result<Archive, Failure> {
    let session = connect(config).await?;
    make_tables(config, &session).await?;
    session
        .use_keyspace(&config.keyspace, false)
        .await
        .map_err(|error| Failure::Away(Cause::new(error)))?;
    let statements = Statements::prepare(&session).await.map_err(unprepared)?;
    Ok(Archive(Arc::new(Inner {
        session,
        statements,
        calls: Semaphore::new(CASSANDRA_CALLS_MAX),
        records: Semaphore::new(CASSANDRA_RECORDS_MAX),
        runs: super::Runs::default(),
        traces: super::Traces::default(),
        keyring,
        finds: Finds::default(),
    })))
}

async fn connect(config: &CassandraConfig) -> Result<Session, Failure> {
    let mut policy = DefaultPolicy::builder().token_aware(true);
    if !config.datacenter.is_empty() {
        policy = policy.prefer_datacenter(config.datacenter.clone());
    }
    let profile = ExecutionProfile::builder()
        .consistency(config.consistency.level())
        .serial_consistency(Some(config.consistency.serial()))
        .request_timeout(Some(CASSANDRA_CALL_MAX))
        .load_balancing_policy(policy.build())
        .build();
    let tls = match &config.encryption {
        Encryption::Off => None,
        Encryption::Verified { authorities } => Some(tls(authorities.as_deref())?),
    };
    let mut builder = SessionBuilder::new()
        .known_nodes(&config.contact_points)
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(CONNECT_MAX)
        .keepalive_interval(ALIVE)
        .keepalive_timeout(ALIVE)
        .pool_size(PoolSize::PerHost(NonZeroUsize::MIN))
        // Which keyspaces there are is none of its business.
        .fetch_schema_metadata(false)
        .tls_context(tls);
    if let Some(password) = &config.password {
        builder = builder.user(&config.user, password);
    }
    Ok(builder.build().await?)
}

/// TLS to nodes that show a certificate for their address.
fn tls(authorities: Option<&Path>) -> Result<TlsContext, Failure> {
    let refused = |error| Failure::Store(StoreError::Refused(error));
    let mut roots = RootCertStore::empty();
    match authorities {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(file) => {
            let read =
                CertificateDer::pem_file_iter(file).map_err(|error| refused(Cause::new(error)))?;
            for certificate in read {
                let certificate = certificate.map_err(|error| refused(Cause::new(error)))?;
                roots
                    .add(certificate)
                    .map_err(|error| refused(Cause::new(error)))?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(Cause::new(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

/// Makes the keyspace and the tables, where there are none.
async fn make_tables(config: &CassandraConfig, session: &Session) -> Result<(), StoreError> {
    let keyspace = &config.keyspace;
    let known = session
        .query_unpaged(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?",
            (keyspace,),
        )
        .await
        .map_err(fault)?;
    let known = known
        .into_rows_result()
        .map_err(super::fault::no_rows)?
        .rows_num();
    // A user who may make nothing needs to make nothing, once it is there.
    if known >= TABLES.len() {
        return Ok(());
    }
    let copies = match config.datacenter.as_str() {
        "" => "replication_factor",
        datacenter => datacenter,
    };
    if known == 0 {
        let make = format!(
            "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', '{copies}': {}}}",
            config.replicas
        );
        session.query_unpaged(make, ()).await.map_err(fault)?;
    }
    for table in TABLES {
        let table = table.replacen("EXISTS ", &format!("EXISTS {keyspace}."), 1);
        session.query_unpaged(table, ()).await.map_err(fault)?;
    }
    Ok(())
}
