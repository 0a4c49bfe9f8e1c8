//! What this server does beside the chat, as the gateway tells other servers of it: from the origin, and from what HTTP counts.

use std::{fmt, sync::Arc};

use fanwave_gateway::beside::Beside;
use fanwave_origin::Origin;
use prometheus_client::metrics::counter::Counter;

use crate::telemetry::HttpMetrics;

/// Both, as they are at the moment of asking.
pub(super) fn of(origin: &Arc<Origin>, http: &HttpMetrics) -> Arc<dyn Beside> {
    Arc::new(Parts {
        origin: Arc::clone(origin),
        sent: http.sent.clone(),
    })
}

struct Parts {
    origin: Arc<Origin>,
    sent: Counter,
}

impl Beside for Parts {
    fn viewers(&self) -> u32 {
        self.origin.viewers()
    }

    fn http_bytes(&self) -> u64 {
        self.sent.get()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
