//! The secret of a webhook.

use fanwave_store::catalogue::Webhook;
use fanwave_wire::token::TokenKey;

/// What a webhook's secret begins with: whoever finds one knows what it is, and scanners for lost secrets do.
const PREFIX: &str = "fwh_";

/// What signs the events of a webhook, derived from the installation's own secret: it is kept nowhere, and another salt makes
/// another one.
#[must_use]
pub fn secret(key: &TokenKey, webhook: &Webhook) -> String {
    let mut about = b"webhook\0".to_vec();
    about.extend_from_slice(webhook.id.as_bytes());
    about.push(0);
    about.extend_from_slice(&webhook.salt);
    format!("{PREFIX}{}", key.derive(&about))
}
