//! `GET /api/v1/channels/{id}/log/search?text=&user=&from=&until=`: what was said of something, or by somebody.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use fanwave_store::Search;
use fanwave_wire::{Channel, UnixMillis, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Cursor, Logged, logged, unavailable};
use crate::{
    Api, Problem,
    access::Reader,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, InQuery, PageLimit, Whole},
    limits::SEARCH_CHARS_MAX,
    messages::LaneName,
};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(search))
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Words that all have to be there, in any case and with any accents; without any, everything is found.
    #[serde(default)]
    #[param(max_length = 64, required = false, example = "night")]
    text: String,
    /// Only what this user has said: with no words, their history card.
    #[param(min_length = 1, max_length = 64, example = "u-42")]
    user: Option<String>,
    /// Which of the channel's lanes.
    #[serde(default)]
    #[param(inline, required = false)]
    lane: LaneName,
    /// Only what was said at this time or later, milliseconds since 1970.
    #[param(inline)]
    from: Option<Whole>,
    /// Only what was said before this time, milliseconds since 1970.
    #[param(inline)]
    until: Option<Whole>,
    /// Go on before this place: `next_before` of the page before.
    #[param(inline)]
    before: Option<Cursor>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

/// What was found, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogSearchPage)]
struct Page {
    /// The lane, as the chat's protocol names it.
    #[schema(example = "chat:demo")]
    channel: String,
    messages: Vec<Logged>,
    /// Cursor of the next, older page, although this one may have found nothing; null on the last.
    next_before: Option<Cursor>,
}

/// Searches the log of a channel
///
/// Newest first, in any language: words are compared without case and accents. One answer looks through 20,000 messages at
/// most, and says where to go on. What was deleted is not found. For moderators and back ends.
#[utoipa::path(
    get, path = "/channels/{id}/log/search", tag = "log", operation_id = "searchLog", params(ChannelPath, Ask),
    security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "What was found.", body = Page)),
)]
async fn search(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Page>, Problem> {
    let channel = Channel {
        lane: ask.lane.lane(),
        room: api.channel(&id)?.id.clone(),
    };
    let PageLimit(limit) = ask.limit;
    let fits = |text: &str| text.chars().count() <= SEARCH_CHARS_MAX;
    if !fits(&ask.text)
        || ask
            .user
            .as_ref()
            .is_some_and(|user| user.is_empty() || !fits(user))
    {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_query",
            format!(
                "text has at most {SEARCH_CHARS_MAX} characters, and user 1 to {SEARCH_CHARS_MAX}"
            ),
        ));
    }
    let time = |time: Option<Whole>| time.map(|time| UnixMillis(time.0));
    let search = Search {
        text: ask.text,
        by: ask.user.map(|user| UserId(user.into())),
        from: time(ask.from),
        until: time(ask.until),
        limit,
    };
    let before = ask.before.map(|cursor| cursor.0);
    let sought = api.log()?.search(&channel, &search, before.as_ref()).await;
    let sought = sought.map_err(|error| unavailable(&error))?;
    Ok(fresh(Page {
        channel: channel.to_string(),
        messages: logged(&sought.found).collect(),
        next_before: sought.next.map(Cursor),
    }))
}
