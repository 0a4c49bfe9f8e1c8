//! The same engine with its log in PostgreSQL: what it promises does not depend on the database.

#[path = "../../../../store/src/tests/server.rs"]
#[expect(dead_code, reason = "the log's own tests use more of it")]
mod server;

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fanwave_store::{Encryption, PostgresConfig};

use self::server::{Server, USER};
use super::*;
use crate::free_port::free_port;

/// Engines over one schema, of a server that all cases share, or of one that may be ended.
struct OnServer {
    config: PostgresConfig,
    own: Option<Server>,
    store: Option<Store>,
}

impl OnServer {
    fn shared() -> Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        let server = SHARED.get_or_init(Server::start_for_all);
        Self::on(config(server), None)
    }

    fn alone() -> Self {
        let server = Server::start();
        Self::on(config(&server), Some(server))
    }

    fn on(config: PostgresConfig, own: Option<Server>) -> Self {
        Self {
            config,
            own,
            store: None,
        }
    }

    fn own(&mut self) -> &mut Server {
        self.own.as_mut().expect("only a server alone is ended")
    }
}

fn config(server: &Server) -> PostgresConfig {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    PostgresConfig {
        host: server.host(),
        port: server.port(),
        database: "postgres".into(),
        schema: format!("engine_{}", COUNT.fetch_add(1, Ordering::Relaxed)),
        user: USER.into(),
        password: None,
        encryption: Encryption::Off,
        readers: 2,
        replicas: Vec::new(),
        replica_lag: Duration::from_secs(1),
    }
}

impl Harness for OnServer {
    async fn start(&mut self) -> Arc<dyn Engine> {
        let store = Store::connect(&self.config).await.unwrap();
        let store = self.store.insert(store).clone();
        Arc::new(MemoryEngine::open(store))
    }

    async fn end(&mut self, engine: Arc<dyn Engine>) {
        drop(engine);
        if let Some(store) = self.store.take() {
            store.close().await;
        }
    }

    async fn break_log(&mut self) {
        self.own().kill();
    }

    async fn mend_log(&mut self) {
        self.own().run();
    }
}

conformance_cases!(OnServer::shared() => conforms);
conformance_cases!(OnServer::alone() => conforms_when_harmed);
