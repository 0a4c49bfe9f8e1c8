//! The chat gateway as the plan wants it.

use std::{fs, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use fanwave_bus::Engine;
use fanwave_gateway::{
    Gateway, GatewayConfig, OriginPolicy, Rooms, beside::Beside, consult::Consult,
};
use fanwave_wire::{envelope::NodeName, token::KeyRing};
use prometheus_client::registry::Registry;

use super::{assembly::StartError, proxy};
use crate::config::plan::Plan;

/// Where the system says what the host is called.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// What the plan says about the gateway of a server at an address, in its own terms.
fn config(plan: &Plan, http: SocketAddr, consult: Option<Arc<dyn Consult>>) -> GatewayConfig {
    let readers = plan.readers();
    let origins = match (plan.http.allowed_origins.as_slice(), readers.is_empty()) {
        ([], true) => OriginPolicy::SameHost,
        ([], false) => OriginPolicy::SameHostOr(readers),
        _ => OriginPolicy::Listed(readers),
    };
    let defaults = GatewayConfig::default();
    GatewayConfig {
        name: plan
            .name
            .clone()
            .or_else(|| name_of_host(http.port()))
            .unwrap_or(defaults.name),
        region: plan.regions.here.clone(),
        origins,
        connections_max: plan.chat.connections_max,
        ping_interval: plan.chat.ping_interval,
        pong_timeout: plan.chat.pong_timeout,
        tick: plan.chat.tick,
        room_log_bytes: plan.chat.room_log_bytes,
        governor: fanwave_room::governor::Settings {
            shown_per_second: plan.chat.shown_per_second,
            ..defaults.governor
        },
        commands_per_second: plan.chat.commands_per_second,
        rooms: Rooms::Only(
            plan.channels
                .iter()
                .map(|channel| channel.id.clone())
                .collect(),
        ),
        rules: plan.chat.rules.clone(),
        subscribe_tokens: plan.chat.subscribe_tokens,
        listen: plan.gateway.listen.clone(),
        tls: plan.gateway.tls.clone(),
        accepts_per_second: plan.gateway.accepts_per_second,
        prefer: plan.drain.prefer.clone(),
        handshake_timeout: plan.gateway.handshake_timeout,
        compression: plan.gateway.compression,
        reactors: plan.gateway.reactors.unwrap_or(defaults.reactors),
        consult,
        ..defaults
    }
}

/// Starts it, for a server with the HTTP port at an address, and what it does beside the chat.
pub(super) fn start(
    plan: &Plan,
    (http, beside): (SocketAddr, Arc<dyn Beside>),
    (engine, keys): (Arc<dyn Engine>, Arc<ArcSwap<KeyRing>>),
    registry: &mut Registry,
) -> Result<Arc<Gateway>, StartError> {
    let consult = proxy::start(&plan.proxy, registry).map_err(StartError::ProxySecret)?;
    let config = GatewayConfig {
        beside: Some(beside),
        ..config(plan, http, consult)
    };
    let gateway = Gateway::start(config, engine, keys, registry);
    gateway.map(Arc::new).map_err(error)
}

/// The host's name and the port, so that two servers of one host are told apart.
fn name_of_host(port: u16) -> Option<NodeName> {
    let host = fs::read_to_string(HOSTNAME).ok()?;
    format!("{}:{port}", host.trim()).parse().ok()
}

/// A taken port is told like any other.
fn error(error: fanwave_gateway::StartError) -> StartError {
    match error {
        fanwave_gateway::StartError::Listen { address, source } => StartError::Listen {
            what: "chat",
            address,
            key: "gateway.listen",
            variable: "FANWAVE__GATEWAY__LISTEN",
            source,
        },
        other => StartError::Gateway(other),
    }
}
