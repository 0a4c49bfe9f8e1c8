//! The back end that is asked about the chat, as the plan has it.

use std::sync::Arc;

use fanwave_gateway::consult::Consult;
use prometheus_client::registry::Registry;

use crate::{
    config::proxy::{Hook, Proxy as Planned},
    proxy::{HookConfig, Proxy, ProxyConfig},
    secret::{self, SecretError},
};

/// Who is consulted, if anybody is.
pub(super) fn start(
    plan: &Planned,
    registry: &mut Registry,
) -> Result<Option<Arc<dyn Consult>>, SecretError> {
    let secret = secret::read_signing(plan.secret_file.as_deref())?;
    let hook = |hook: &Option<Hook>| {
        hook.as_ref().map(|hook| HookConfig {
            url: hook.url.clone(),
            timeout: hook.timeout,
            secret: secret.clone(),
            on_failure: hook.on_failure,
        })
    };
    let config = ProxyConfig {
        connect: hook(&plan.connect),
        subscribe: hook(&plan.subscribe),
        publish: hook(&plan.publish),
    };
    Ok(Proxy::start(config, registry))
}
