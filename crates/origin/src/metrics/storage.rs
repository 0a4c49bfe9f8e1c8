//! What is counted of the storage. Names are prefixed `origin_storage_`.

use std::sync::{Arc, OnceLock};

use fanwave_vault::spool::{Spool, Waiting};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        counter::Counter,
        gauge::{ConstGauge, Gauge},
    },
    registry::{Registry, Unit},
};

use crate::limits::UPLOAD_LATE;

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
    /// What goes to a bucket.
    pub(crate) uploads: UploadMetrics,
}

/// What is counted of the way to a bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct UploadMetrics {
    /// Files uploaded.
    pub(crate) files: Counter,
    /// Bytes of them.
    pub(crate) bytes: Counter,
    /// Uploads that failed.
    pub(crate) failures: Counter,
    /// 1 while they fail.
    pub(crate) failing: Gauge,
    spool: Arc<OnceLock<Arc<Spool>>>,
}

impl UploadMetrics {
    /// Tells of what waits here from now on.
    pub(crate) fn follow(&self, spool: Option<&Arc<Spool>>) {
        if let Some(spool) = spool {
            self.spool.get_or_init(|| Arc::clone(spool));
        }
    }

    fn waiting(&self) -> Waiting {
        let spool = self.spool.get();
        spool.map_or_else(Waiting::default, |spool| spool.waiting())
    }

    /// Whether what is recorded gets to the bucket, and in time.
    pub(crate) fn is_well(&self) -> bool {
        self.failing.get() == 0 && self.waiting().longest < UPLOAD_LATE
    }

    fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("upload");
        registry.register("files", "Files uploaded", self.files.clone());
        registry.register_with_unit(
            "uploaded",
            "Bytes uploaded",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register("failures", "Uploads that failed", self.failures.clone());
        registry.register(
            "failing",
            "Whether uploads fail at this moment",
            self.failing.clone(),
        );
        registry.register_collector(Box::new(Wait(self.clone())));
    }
}

/// What waits, told when it is asked for.
#[derive(Debug)]
struct Wait(UploadMetrics);

impl Collector for Wait {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let waiting = self.0.waiting();
        let figures = [
            (
                "waiting_files",
                "Files that wait to be uploaded",
                None,
                waiting.files as u64,
            ),
            (
                "waiting",
                "Bytes that wait to be uploaded",
                Some(&Unit::Bytes),
                waiting.bytes,
            ),
            (
                "wait",
                "How long the media that waits longest has waited to be uploaded",
                Some(&Unit::Seconds),
                waiting.longest.as_secs(),
            ),
        ];
        for (name, help, unit, figure) in figures {
            let gauge = ConstGauge::new(i64::try_from(figure).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
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
        self.uploads.register(registry);
    }
}
