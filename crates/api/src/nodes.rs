//! `GET /api/v1/nodes`: the servers of these rooms, as the one that is asked knows them. For staff alone.
//!
//! The token goes into the `Authorization` header, as `Bearer TOKEN`. What a server says about the others is what it has
//! heard of them within the last seconds; ask another one and it may be a second older or newer.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap};
use fanwave_room::census::Node;
use fanwave_wire::{
    UnixMillis,
    envelope::{NodeId, NodeState},
};
use serde::Serialize;

use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    staff::demand_staff,
};

/// Who knows the servers of these rooms.
pub trait NodeList: Send + Sync + 'static {
    /// Those that are there at this moment, the one that is asked first. Must not block.
    fn nodes(&self) -> Vec<Node>;
}

#[derive(Debug, Serialize)]
pub(crate) struct Nodes {
    /// Unix time in milliseconds, by the clock that `heard_at` goes by.
    now: UnixMillis,
    nodes: Vec<Described>,
}

#[derive(Debug, Serialize)]
struct Described {
    id: String,
    name: String,
    version: Arc<str>,
    /// It has answered this request.
    this: bool,
    draining: bool,
    /// By its own clock.
    started_at: UnixMillis,
    heard_at: UnixMillis,
    connections: u32,
    connections_max: u32,
    rooms: u32,
    /// How much of their time its reactors have worked lately, 0 to 100.
    busy_percent: f64,
}

/// Every server, the one that answers first.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Result<Answer<Nodes>, Problem> {
    let now = (api.now)();
    demand_staff(&api, &headers, now)?;
    let nodes = api.nodes.nodes();
    let own = nodes.first().map(|node| node.id);
    let nodes = nodes.into_iter().map(|node| describe(node, own));
    Ok(fresh(Nodes {
        now,
        nodes: nodes.collect(),
    }))
}

fn describe(node: Node, own: Option<NodeId>) -> Described {
    let Node {
        id,
        about,
        heard_at,
    } = node;
    Described {
        id: id.to_string(),
        name: about.name.to_string(),
        version: about.release,
        this: Some(id) == own,
        draining: about.state == NodeState::Draining,
        started_at: about.started_at,
        heard_at,
        connections: about.connections,
        connections_max: about.connections_max,
        rooms: about.rooms,
        busy_percent: f64::from(about.busy_permille) / 10.0,
    }
}
