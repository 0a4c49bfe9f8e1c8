//! `GET /api/v1/regions`: where else the same rooms and shows are, the best first.
//!
//! A client that is near two regions asks this of each, and goes where it is answered first: the answer is small, made without
//! waiting for anything, and kept by no cache.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api,
    channels::{Answer, fresh},
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Servers in several parts of the world that have the same rooms.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Regions {
    /// The region of the server that answers; null where it is not said.
    #[schema(value_type = Option<String>, example = "seoul")]
    pub here: Option<Arc<str>>,
    /// All of them, the best first; empty where there is one.
    pub ranked: Vec<Region>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Region {
    /// What it is called.
    #[schema(value_type = String, example = "seoul")]
    pub name: Arc<str>,
    /// Where its API, its chat and its shows are.
    #[schema(value_type = String, example = "https://kr.fans.example")]
    pub url: Arc<str>,
}

/// Lists the regions
///
/// Where the same rooms and shows are, the best first. Whoever answers first is the nearest.
#[utoipa::path(
    get, path = "/regions", tag = "servers", operation_id = "listRegions",
    responses((status = 200, description = "The regions.", body = Regions)),
)]
async fn list(State(api): State<Arc<Api>>) -> Answer<Regions> {
    fresh(api.regions.clone())
}
