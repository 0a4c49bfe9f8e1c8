//! `GET /api/v1/nodes`: the servers of these rooms, as the one that is asked knows them. For staff alone.
//!
//! The token goes into the `Authorization` header, as `Bearer TOKEN`. What a server says about the others is what it has
//! heard of them within the last seconds; ask another one and it may be a second older or newer.

use std::sync::Arc;

use axum::extract::State;
use fanwave_room::census::Node;
use fanwave_wire::{
    UnixMillis,
    envelope::{NodeId, NodeState},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api,
    channels::{Answer, fresh},
    extract::Staff,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Who knows the servers of these rooms.
pub trait NodeList: Send + Sync + 'static {
    /// Those that are there at this moment, the one that is asked first. Must not block.
    fn nodes(&self) -> Vec<Node>;
}

/// The servers of these rooms.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Nodes {
    /// Milliseconds since 1970, by the clock that `heard_at` goes by.
    #[schema(value_type = u64)]
    now: UnixMillis,
    nodes: Vec<Described>,
}

/// One server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
struct Described {
    /// Drawn at its start.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    id: String,
    /// What the operator calls it.
    name: String,
    /// The release that it runs.
    #[schema(value_type = String)]
    version: Arc<str>,
    /// Whether it has answered this request.
    this: bool,
    /// Whether it sends its fans away.
    draining: bool,
    /// When it was started, by its own clock, milliseconds since 1970.
    #[schema(value_type = u64)]
    started_at: UnixMillis,
    /// When the one that answers has heard of it last, milliseconds since 1970.
    #[schema(value_type = u64)]
    heard_at: UnixMillis,
    /// Fans that are connected.
    connections: u32,
    /// As many as it takes.
    connections_max: u32,
    /// Rooms that somebody follows there.
    rooms: u32,
    /// How much of their time its reactors have worked lately.
    #[schema(minimum = 0, maximum = 100)]
    busy_percent: f64,
    /// Its region; null where its operator does not say it.
    #[schema(value_type = Option<String>, example = "seoul")]
    region: Option<Arc<str>>,
    /// About how many watch a show by asking it for playlists; of those behind one cache, one.
    viewers: u32,
    /// What it has sent to fans' sockets since it was started, bytes.
    sent_chat_bytes: u64,
    /// What it has sent in answers over HTTP since then, bytes: the broadcast, pages and the API.
    sent_http_bytes: u64,
}

/// Lists the servers
///
/// The servers of these rooms, as the one that answers knows them; it comes first. For staff.
#[utoipa::path(
    get, path = "/nodes", tag = "servers", operation_id = "listNodes", security(("bearer" = [])),
    responses((status = 200, description = "The servers.", body = Nodes)),
)]
async fn list(State(api): State<Arc<Api>>, Staff { now }: Staff) -> Answer<Nodes> {
    let nodes = api.nodes.nodes();
    let own = nodes.first().map(|node| node.id);
    let nodes = nodes.into_iter().map(|node| describe(node, own));
    fresh(Nodes {
        now,
        nodes: nodes.collect(),
    })
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
        region: about.region,
        viewers: about.viewers,
        sent_chat_bytes: about.sent.chat_bytes,
        sent_http_bytes: about.sent.http_bytes,
    }
}
