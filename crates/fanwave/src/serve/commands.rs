//! What back ends send over the engine's broker, as the plan has it.

use std::sync::Arc;

use fanwave_api::{Api, commands::Clerk};
use fanwave_bus::commands::CommandQueue;
use prometheus_client::registry::Registry;

use super::{assembly::StartError, engine, health::Pulse};
use crate::{commands::Commands, config::plan::Plan};

/// Begins to have commands done, if any are taken.
pub(super) async fn start(
    plan: &Plan,
    api: &Arc<Api>,
    registry: &mut Registry,
) -> Result<Option<Commands>, StartError> {
    let Some(planned) = &plan.commands else {
        return Ok(None);
    };
    let queue: Option<Arc<dyn CommandQueue>> =
        engine::commands(&plan.engine, &planned.stream).await?;
    let clerk = Clerk::new(Arc::clone(api), planned.scopes.clone());
    Ok(queue.map(|queue| Commands::start(queue, clerk, registry)))
}

/// Whether they can be taken, when asked.
pub(super) fn pulse(commands: Option<&Commands>) -> Pulse {
    commands.map_or_else(|| Arc::new(|| true) as Pulse, Commands::pulse)
}
