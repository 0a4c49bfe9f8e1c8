//! The operator's server that is told what happens, as the plan has it.

use prometheus_client::registry::Registry;

use crate::{
    config::webhook::Webhook as Planned,
    secret::{self, SecretError},
    webhook::{Webhook, WebhookConfig, limits::SECRET_CHARS_MIN},
};

/// Starts it, if there is one.
pub(super) fn start(
    plan: Option<&Planned>,
    registry: &mut Registry,
) -> Result<Option<Webhook>, SecretError> {
    let Some(plan) = plan else {
        return Ok(None);
    };
    let secret = plan
        .secret_file
        .as_deref()
        .map(|path| secret::read(path, SECRET_CHARS_MIN))
        .transpose()?;
    let config = WebhookConfig {
        url: plan.url.clone(),
        timeout: plan.timeout,
        secret: secret.map(|secret| fanwave_origin::Secret::new(secret.expose())),
    };
    Ok(Some(Webhook::start(config, registry)))
}
