//! The engine as the plan wants it: of this process alone, or shared with other servers.

use std::sync::Arc;

use fanwave_bus::{Engine, memory::MemoryEngine};
use fanwave_store::Store;
use prometheus_client::registry::Registry;

use super::{assembly::StartError, health::Pulse};
use crate::config::{engine::Engine as Planned, plan::Plan};

/// Has the recorder open an engine of its own; `None` where the log is the engine's.
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
pub(super) fn for_recorder(plan: &Plan) -> Option<fanwave_bus::recorder::Open> {
    if matches!(plan.engine, Planned::Memory) {
        return None;
    }
    let planned = plan.engine.clone();
    Some(Box::new(move || {
        let planned = planned.clone();
        Box::pin(async move {
            // Of this one the recorder tells, and not the engine.
            let mut uncounted = Registry::default();
            let started = start_shared(&planned, &mut uncounted).await;
            let started = started.map_err(|error| error.to_string())?;
            let engine = started.ok_or_else(|| "the log is the engine's own".to_owned())?;
            Ok(engine as Arc<dyn Engine>)
        })
    }))
}

/// No engine of this build has a broker.
#[cfg(not(any(feature = "kafka", feature = "nats", feature = "redis")))]
pub(super) fn for_recorder(_: &Plan) -> Option<fanwave_bus::recorder::Open> {
    None
}

/// The queue of commands at the engine's broker; `None` where there is no broker.
#[cfg_attr(
    not(feature = "nats"),
    expect(clippy::unused_async, reason = "only NATS is waited for")
)]
pub(super) async fn commands(
    planned: &Planned,
    stream: &str,
) -> Result<Option<Arc<dyn fanwave_bus::commands::CommandQueue>>, StartError> {
    Ok(Some(match planned {
        Planned::Memory => {
            let _: &str = stream;
            return Ok(None);
        }
        #[cfg(feature = "redis")]
        Planned::Redis(planned) => {
            let config = shared::redis_config(planned)?;
            let opened = fanwave_bus::redis::RedisCommands::open(config, stream);
            opened.map_err(StartError::Engine)?
        }
        #[cfg(feature = "nats")]
        Planned::Nats(planned) => {
            let config = shared::nats_config(planned)?;
            let opened = fanwave_bus::nats::NatsCommands::open(config, stream).await;
            opened.map_err(StartError::Engine)?
        }
        #[cfg(feature = "kafka")]
        Planned::Kafka(planned) => {
            let config = shared::kafka_config(planned)?;
            let opened = fanwave_bus::kafka::KafkaCommands::open(config, stream);
            opened.map_err(StartError::Engine)?
        }
    }))
}

/// An engine of many servers; `None` where none is planned.
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
async fn start_shared(
    planned: &Planned,
    registry: &mut Registry,
) -> Result<Option<Arc<fanwave_bus::shared::SharedEngine>>, StartError> {
    Ok(Some(match planned {
        Planned::Memory => return Ok(None),
        #[cfg(feature = "redis")]
        Planned::Redis(planned) => shared::redis(planned, registry).await?,
        #[cfg(feature = "nats")]
        Planned::Nats(planned) => shared::nats(planned, registry).await?,
        #[cfg(feature = "kafka")]
        Planned::Kafka(planned) => shared::kafka(planned, registry).await?,
    }))
}

/// The engine that runs.
#[derive(Debug, Clone)]
pub(super) enum Running {
    Memory(Arc<MemoryEngine>),
    #[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
    Shared(Arc<fanwave_bus::shared::SharedEngine>),
}

impl Running {
    /// Starts it.
    #[cfg_attr(
        not(any(feature = "kafka", feature = "nats", feature = "redis")),
        expect(clippy::unused_async, reason = "only a broker is waited for")
    )]
    pub(super) async fn start(
        plan: &Plan,
        store: &Store,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        #[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
        if let Some(shared) = start_shared(&plan.engine, registry).await? {
            return Ok(Self::Shared(shared));
        }
        // Nothing of it is counted, and nothing of it is far away.
        let _: (&mut Registry, &Planned) = (registry, &plan.engine);
        Ok(Self::Memory(Arc::new(MemoryEngine::open(store.clone()))))
    }

    /// As everybody else knows it.
    pub(super) fn as_engine(&self) -> Arc<dyn Engine> {
        match self {
            Self::Memory(engine) => Arc::clone(engine) as Arc<dyn Engine>,
            #[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
            Self::Shared(engine) => Arc::clone(engine) as Arc<dyn Engine>,
        }
    }

    /// Whether it reaches its log, when asked.
    pub(super) fn pulse(&self) -> Pulse {
        match self {
            // Its log is its own: a disk that fails is told with every message.
            Self::Memory(_) => Arc::new(|| true),
            #[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
            Self::Shared(engine) => {
                let engine = Arc::clone(engine);
                Arc::new(move || engine.reaches_log())
            }
        }
    }

    /// Finishes what was taken.
    pub(super) async fn stop(&self) {
        match self {
            Self::Memory(engine) => engine.stop().await,
            #[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
            Self::Shared(engine) => engine.stop().await,
        }
    }
}

#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod shared {
    use std::{sync::Arc, time::Duration};

    use fanwave_bus::shared::{Broker, Settings, SharedEngine, Signal, Stats};
    use prometheus_client::{
        collector::Collector,
        encoding::{DescriptorEncoder, EncodeMetric},
        metrics::{counter::ConstCounter, gauge::ConstGauge},
        registry::Registry,
    };
    use tokio::sync::mpsc;

    use crate::{secret, serve::assembly::StartError};

    /// Everything about Redis, also what is in files.
    #[cfg(feature = "redis")]
    pub(super) fn redis_config(
        planned: &crate::config::engine::Redis,
    ) -> Result<fanwave_bus::redis::RedisConfig, StartError> {
        let mut config = planned.config.clone();
        if let Some(file) = &planned.password_file {
            let password = secret::read(file, 1).map_err(StartError::EnginePassword)?;
            config.password = Some(password.expose().to_owned());
        }
        if let Some(file) = &planned.tls_authorities {
            config.tls.authorities = Some(pem(file)?);
        }
        if let Some((certificate, key)) = &planned.tls_certificate {
            config.tls.certificate = Some((pem(certificate)?, pem(key)?));
        }
        config.check().map_err(StartError::Engine)?;
        Ok(config)
    }

    #[cfg(feature = "redis")]
    pub(super) async fn redis(
        planned: &crate::config::engine::Redis,
        registry: &mut Registry,
    ) -> Result<Arc<SharedEngine>, StartError> {
        let config = redis_config(planned)?;
        let (broker, signals) = fanwave_bus::redis::RedisBroker::open(config);
        if let Err(error) = broker.check().await {
            // Not the end: servers and Redis may start together, and whoever watches sees the log.
            tracing::error!(%error, "Redis cannot be used yet; until it can, messages are refused");
        }
        Ok(run((broker, signals), planned.tick, registry))
    }

    /// What is in a file for TLS.
    #[cfg(feature = "redis")]
    fn pem(file: &std::path::Path) -> Result<Vec<u8>, StartError> {
        std::fs::read(file).map_err(|source| StartError::EngineTls {
            path: file.to_owned(),
            source,
        })
    }

    /// Everything about NATS, also the password.
    #[cfg(feature = "nats")]
    pub(super) fn nats_config(
        planned: &crate::config::nats::Nats,
    ) -> Result<fanwave_bus::nats::NatsConfig, StartError> {
        let mut config = planned.config.clone();
        if let Some((user, file)) = &planned.user {
            let password = secret::read(file, 1).map_err(StartError::EnginePassword)?;
            config.login = fanwave_bus::nats::Login::Password {
                user: user.clone(),
                password: password.expose().to_owned(),
            };
        }
        Ok(config)
    }

    #[cfg(feature = "nats")]
    pub(super) async fn nats(
        planned: &crate::config::nats::Nats,
        registry: &mut Registry,
    ) -> Result<Arc<SharedEngine>, StartError> {
        let config = nats_config(planned)?;
        let opened = fanwave_bus::nats::NatsBroker::open(config).await;
        let (broker, signals) = opened.map_err(StartError::Engine)?;
        if let Err(error) = broker.check().await {
            // Not the end, as with Redis.
            tracing::error!(%error, "NATS cannot be used yet; until it can, messages are refused");
        }
        Ok(run((broker, signals), planned.tick, registry))
    }

    /// Everything about Kafka, also the password.
    #[cfg(feature = "kafka")]
    pub(super) fn kafka_config(
        planned: &crate::config::kafka::Kafka,
    ) -> Result<fanwave_bus::kafka::KafkaConfig, StartError> {
        let mut config = planned.config.clone();
        if let Some((user, mechanism, file)) = &planned.user {
            let password = secret::read(file, 1).map_err(StartError::EnginePassword)?;
            config.login = Some(fanwave_bus::kafka::Login {
                mechanism: *mechanism,
                user: user.clone(),
                password: password.expose().to_owned(),
            });
        }
        Ok(config)
    }

    #[cfg(feature = "kafka")]
    pub(super) async fn kafka(
        planned: &crate::config::kafka::Kafka,
        registry: &mut Registry,
    ) -> Result<Arc<SharedEngine>, StartError> {
        let config = kafka_config(planned)?;
        let (broker, signals) = fanwave_bus::kafka::KafkaBroker::open(config);
        if let Err(error) = broker.check().await {
            // Not the end, as above.
            tracing::error!(%error, "Kafka cannot be used yet; until it can, messages are refused");
        }
        Ok(run((broker, signals), planned.tick, registry))
    }

    fn run<B: Broker>(
        (broker, signals): (Arc<B>, mpsc::Receiver<Signal>),
        tick: Duration,
        registry: &mut Registry,
    ) -> Arc<SharedEngine> {
        let engine = Arc::new(SharedEngine::open(broker, signals, Settings { tick }));
        registry.register_collector(Box::new(Counted(Arc::clone(&engine))));
        engine
    }

    /// What the engine has counted.
    #[derive(Debug)]
    struct Counted(Arc<SharedEngine>);

    impl Collector for Counted {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
            let Stats {
                appends,
                appended,
                reads,
                resumed,
                restarted,
                unreadable,
            } = self.0.stats();
            let counters = [
                (
                    "appends",
                    "Appends to the broker, one a tick and lane",
                    appends,
                ),
                ("messages", "Messages in these appends", appended),
                ("reads", "Windows and gaps read from the broker", reads),
                (
                    "interruptions",
                    "Times that the broker was not heard",
                    resumed,
                ),
                ("restarts", "Lanes that had to begin anew", restarted),
                (
                    "unreadable",
                    "Messages of a release that this one does not understand",
                    unreadable,
                ),
            ];
            let reaches = ConstGauge::new(i64::from(self.0.reaches_log()));
            let metric = encoder.encode_descriptor(
                "fanwave_engine_reaches_log",
                "Whether the broker gives signs of life: 1, or 0",
                None,
                reaches.metric_type(),
            )?;
            reaches.encode(metric)?;
            for (name, help, count) in counters {
                let counter = ConstCounter::new(count);
                let name = format!("fanwave_engine_{name}");
                let metric = encoder.encode_descriptor(&name, help, None, counter.metric_type())?;
                counter.encode(metric)?;
            }
            Ok(())
        }
    }
}
