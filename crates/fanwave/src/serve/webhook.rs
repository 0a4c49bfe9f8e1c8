//! The operator's server that is told what happens, as the plan has it.

use prometheus_client::registry::Registry;

use crate::{
    config::webhook::Webhook as Planned,
    secret::{self, SecretError},
    webhook::{Webhook, WebhookConfig},
};

/// Starts it, if there is one.
pub(super) fn start(
    plan: Option<&Planned>,
    registry: &mut Registry,
) -> Result<Option<Webhook>, SecretError> {
    let Some(plan) = plan else {
        return Ok(None);
    };
    let config = WebhookConfig {
        url: plan.url.clone(),
        timeout: plan.timeout,
        secret: secret::read_signing(plan.secret_file.as_deref())?,
    };
    Ok(Some(Webhook::start(config, registry)))
}
