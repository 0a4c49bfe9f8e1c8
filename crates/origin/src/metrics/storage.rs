//! What is counted of the storage. Names are prefixed `origin_storage_`.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};

/// All metrics of the storage; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct StorageMetrics {
    /// Segments written.
    pub(crate) written: Counter,
    /// Bytes of them.
    pub(crate) written_bytes: Counter,
    /// Attempts to write or to remove a file that failed.
    pub(crate) failures: Counter,
    /// Streams whose segments cannot be stored at this moment.
    pub(crate) failing: Gauge,
    /// Answers that are being read from the storage.
    pub(crate) answers: Gauge,
}

impl StorageMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("storage");
        registry.register("segments", "Segments written", self.written.clone());
        registry.register_with_unit(
            "written",
            "Media written",
            Unit::Bytes,
            self.written_bytes.clone(),
        );
        registry.register(
            "failures",
            "Attempts to write or to remove a file that failed",
            self.failures.clone(),
        );
        registry.register(
            "failing",
            "Streams whose segments cannot be stored at this moment",
            self.failing.clone(),
        );
        registry.register(
            "answers",
            "Answers that are being read from the storage",
            self.answers.clone(),
        );
    }
}
