//! What is announced: shows made, listed, changed and removed.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use fanwave_store::catalogue::{
    Show, ShowAdded, ShowRemoved, ShowState, WhichShows, limits::SHOWS_MAX,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{KIND, ShowPath, Shown, State as Stage, made, states, tagged, unknown, wrong_state};
use crate::{
    Api, Problem,
    accounts::{Boss, IfMatch, expected, is_id, new_id, refused, rows, there},
    channels::{Answer, fresh},
    extract::{ChannelPath, InBody, InPath, InQuery, PageLimit, Whole, malformed},
    limits::{
        SHOW_LANGUAGE_CHARS_MAX, SHOW_LANGUAGES_MAX, SHOW_LENGTH_MAX, SHOW_REGION_CHARS_MAX,
        SHOW_TEXT_CHARS_MAX,
    },
    name,
    webhooks::kinds::EventKind,
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
}

/// Which shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Only those that are to begin then or later, milliseconds since 1970.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991i64)]
    from: Option<Whole>,
    /// Only those of this state.
    #[param(inline)]
    state: Option<Stage>,
    /// Only those behind this one: `next_after` of the page before.
    #[param(pattern = "^[0-9]{1,16}[.]w-[0-9a-f]{32}$")]
    after: Option<String>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

/// Some shows of a channel, in the order in which they are to begin.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Shows)]
struct Page {
    shows: Vec<Shown>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<String>,
}

/// A cursor, as a page has named it.
fn cursor(text: &str) -> Result<(i64, &str), Problem> {
    let parts = text.split_once('.').and_then(|(at, id)| {
        let is_time = (1..=16).contains(&at.len()) && at.bytes().all(|byte| byte.is_ascii_digit());
        let at = at.parse().ok().filter(|_| is_time)?;
        is_id(KIND, id).then_some((at, id))
    });
    parts.ok_or_else(|| {
        let words = "the query cannot be used: no page has named this cursor";
        Problem::new(StatusCode::BAD_REQUEST, "malformed_query", words)
    })
}

/// Lists the shows of a channel
///
/// Page by page, in the order in which they are to begin. What is on and what comes next is in the channel itself, where many can ask for
/// it.
#[utoipa::path(
    get, path = "/channels/{id}/shows", tag = "shows", operation_id = "listShows", params(ChannelPath, Ask),
    responses(
        (status = 200, description = "A page.", body = Page),
        (status = 400, description = "`malformed_query`: the detail says what cannot be used."),
        (status = 404, description = "`unknown_channel` or `no_accounts`: no such channel, or none are kept here."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn list(
    State(api): State<Arc<Api>>,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Page>, Problem> {
    api.channel(&id)?;
    let desk = api.desk()?;
    let limit = rows(ask.limit);
    let which = WhichShows {
        from: ask.from.and_then(|Whole(from)| i64::try_from(from).ok()),
        state: ask.state.map(ShowState::from),
        after: ask.after.as_deref().map(cursor).transpose()?,
    };
    let found = desk.catalogue().shows(&id, which, limit).await;
    let found = found.map_err(|error| refused(&error))?;
    let is_full = u32::try_from(found.len()).is_ok_and(|found| found == limit);
    let last = found.last().filter(|_| is_full);
    Ok(fresh(Page {
        next_after: last.map(|show| format!("{}.{}", show.starts_at, show.id)),
        shows: found.iter().map(Shown::from).collect(),
    }))
}

/// A line of text that people read.
fn line() -> openapi::Object {
    openapi::ObjectBuilder::new()
        .schema_type(openapi::schema::Type::String)
        .description(Some(
            "At least one character that can be seen, none that steers the text around it.",
        ))
        .min_length(Some(1))
        .max_length(Some(SHOW_TEXT_CHARS_MAX))
        .pattern(Some(name::pattern()))
        .examples([json!("Late show")])
        .build()
}

/// Tags of BCP 47.
fn tags() -> openapi::Array {
    let tag = openapi::ObjectBuilder::new()
        .schema_type(openapi::schema::Type::String)
        .max_length(Some(SHOW_LANGUAGE_CHARS_MAX))
        .pattern(Some("^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"))
        .examples([json!("ko"), json!("pt-BR")]);
    openapi::schema::ArrayBuilder::new()
        .items(tag)
        .max_items(Some(SHOW_LANGUAGES_MAX))
        .description(Some("What is spoken, as tags of BCP 47."))
        .build()
}

/// A new show.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewShow)]
struct Wish {
    /// What it is called.
    #[schema(schema_with = line)]
    title: String,
    /// Whose it is.
    #[schema(schema_with = line)]
    artist: String,
    /// When it is to begin, milliseconds since 1970.
    #[schema(value_type = u64, maximum = 9_007_199_254_740_991i64)]
    starts_at: Whole,
    /// When it is to end: later than that, by a week at most.
    #[schema(value_type = u64, maximum = 9_007_199_254_740_991i64)]
    ends_at: Whole,
    /// What is spoken; nothing is said of it, if that is left out.
    #[serde(default)]
    #[schema(schema_with = tags, required = false)]
    languages: Vec<String>,
    /// Where it is at home, as you call your regions.
    #[schema(pattern = "^[a-z0-9-]{1,32}$", example = "ap-northeast")]
    home_region: Option<String>,
}

/// What is to be changed; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShowChange, min_properties = 1)]
struct Patch {
    /// Another title.
    #[serde(default, deserialize_with = "there")]
    #[schema(schema_with = line, required = false)]
    title: Option<String>,
    /// Another artist.
    #[serde(default, deserialize_with = "there")]
    #[schema(schema_with = line, required = false)]
    artist: Option<String>,
    /// Another beginning, milliseconds since 1970.
    #[serde(default, deserialize_with = "there")]
    #[schema(value_type = u64, required = false, maximum = 9_007_199_254_740_991i64)]
    starts_at: Option<Whole>,
    /// Another end: later than the beginning, by a week at most.
    #[serde(default, deserialize_with = "there")]
    #[schema(value_type = u64, required = false, maximum = 9_007_199_254_740_991i64)]
    ends_at: Option<Whole>,
    /// Other languages.
    #[serde(default, deserialize_with = "there")]
    #[schema(schema_with = tags, required = false)]
    languages: Option<Vec<String>>,
    /// Another home; null for none.
    #[serde(default, deserialize_with = "there")]
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9-]{1,32}$", example = "ap-northeast")]
    home_region: Option<Home>,
}

/// A region, or null for none.
#[derive(Debug)]
struct Home(Option<String>);

impl<'de> Deserialize<'de> for Home {
    fn deserialize<D: Deserializer<'de>>(field: D) -> Result<Self, D::Error> {
        Option::deserialize(field).map(Self)
    }
}

impl Patch {
    const fn is_empty(&self) -> bool {
        self.title.is_none()
            && self.artist.is_none()
            && self.starts_at.is_none()
            && self.ends_at.is_none()
            && self.languages.is_none()
            && self.home_region.is_none()
    }

    /// What can be judged of it without the show that it is for.
    fn checked(self) -> Result<Self, Problem> {
        let line = |field, text: Option<String>| text.map(|text| line_of(field, &text)).transpose();
        self.languages.as_deref().map(are_tags).transpose()?;
        if let Some(Home(region)) = &self.home_region {
            is_region(region.as_deref())?;
        }
        Ok(Self {
            title: line("title", self.title)?,
            artist: line("artist", self.artist)?,
            ..self
        })
    }

    /// The show as it would be.
    fn of(self, show: &Show) -> Result<Show, Problem> {
        let wanted = Show {
            title: self.title.unwrap_or_else(|| show.title.clone()),
            artist: self.artist.unwrap_or_else(|| show.artist.clone()),
            starts_at: self.starts_at.map_or(show.starts_at, millis),
            ends_at: self.ends_at.map_or(show.ends_at, millis),
            languages: self.languages.unwrap_or_else(|| show.languages.clone()),
            home_region: match self.home_region {
                Some(Home(region)) => region,
                None => show.home_region.clone(),
            },
            ..show.clone()
        };
        in_time(wanted)
    }
}

/// Every number that is taken fits.
fn millis(Whole(at): Whole) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// A line of text that can be shown, without the space around it.
fn line_of(field: &str, text: &str) -> Result<String, Problem> {
    let line = name::up_to(SHOW_TEXT_CHARS_MAX, text).map_err(|_| {
        malformed(&format_args!(
            "{field} has up to {SHOW_TEXT_CHARS_MAX} characters, one of which can be seen and none of which steers the text around it"
        ))
    })?;
    Ok(line.to_string())
}

fn are_tags(tags: &[String]) -> Result<(), Problem> {
    let fits = |part: &str, most: usize| {
        (2..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_language =
        |part: &str| fits(part, 3) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_tag = |tag: &String| {
        let mut parts = tag.split('-');
        tag.len() <= SHOW_LANGUAGE_CHARS_MAX
            && parts.next().is_some_and(is_language)
            && parts.all(|part| fits(part, 8))
    };
    if tags.len() <= SHOW_LANGUAGES_MAX && tags.iter().all(is_tag) {
        return Ok(());
    }
    Err(malformed(&"languages has up to 8 tags such as ko or pt-BR"))
}

fn is_region(region: Option<&str>) -> Result<(), Problem> {
    let is_of = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = |region: &str| (1..=SHOW_REGION_CHARS_MAX).contains(&region.len());
    if region.is_none_or(|region| fits(region) && region.bytes().all(is_of)) {
        return Ok(());
    }
    Err(malformed(
        &"home_region has 1 to 32 small letters, digits and hyphens",
    ))
}

/// Lets a show pass whose times can be announced.
fn in_time(show: Show) -> Result<Show, Problem> {
    let longest = i64::try_from(SHOW_LENGTH_MAX.as_millis()).unwrap_or(i64::MAX);
    if (1..=longest).contains(&show.ends_at.saturating_sub(show.starts_at)) {
        return Ok(show);
    }
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "show_refused",
        "ends_at is later than starts_at, by a week at most",
    ))
}

/// Announces a show
///
/// It is scheduled. Nothing starts or stops it but the staff. For staff.
#[utoipa::path(
    post, path = "/channels/{id}/shows", tag = "shows", operation_id = "createShow", params(ChannelPath),
    security(("session" = []), ("bearer" = [])), request_body = Wish,
    responses(
        (status = 201, description = "The show.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 404, description = "`unknown_channel` or `no_accounts`: no such channel, or none are kept here."),
        (status = 409, description = "`too_many_shows`: the channel has 1000, with those that are over; remove some."),
        (status = 422, description = "`show_refused`: it has to end later than it begins, by a week at most."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InBody(wish): InBody<Wish>,
) -> Result<Response, Problem> {
    let channel = &api.channel(&id)?.id;
    let desk = api.desk()?;
    are_tags(&wish.languages)?;
    is_region(wish.home_region.as_deref())?;
    let show = in_time(Show {
        id: new_id(KIND, desk.now())?,
        channel: channel.to_string(),
        title: line_of("title", &wish.title)?,
        artist: line_of("artist", &wish.artist)?,
        languages: wish.languages,
        home_region: wish.home_region,
        state: ShowState::Scheduled,
        starts_at: millis(wish.starts_at),
        ends_at: millis(wish.ends_at),
        started_at: None,
        ended_at: None,
        created_at: desk.now(),
        version: 1,
    })?;
    let detail =
        json!({ "channel": show.channel, "starts_at": show.starts_at, "ends_at": show.ends_at });
    let entry = desk.entry((staff.id(), "show.scheduled"), &show.id, &detail)?;
    let added = desk.catalogue().add_show(&show, &entry).await;
    match added.map_err(|error| refused(&error))? {
        ShowAdded::New => {
            api.tell(desk, EventKind::ShowScheduled, &show).await;
            Ok(tagged(StatusCode::CREATED, &show))
        }
        ShowAdded::Full => Err(Problem::new(
            StatusCode::CONFLICT,
            "too_many_shows",
            format!("the channel has {SHOWS_MAX} shows already: remove some that are over"),
        )),
    }
}

/// Shows a show
///
/// With its version as `ETag`.
#[utoipa::path(
    get, path = "/channels/{id}/shows/{show}", tag = "shows", operation_id = "readShow", params(ShowPath),
    responses(
        (status = 200, description = "The show.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 404, description = "`unknown_channel`, `unknown_show` or `no_accounts`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn show(
    State(api): State<Arc<Api>>,
    InPath(path): InPath<ShowPath>,
) -> Result<Response, Problem> {
    let show = api.show(&path.id, &path.show).await?;
    Ok(tagged(StatusCode::OK, &show))
}

/// Changes what is announced of a show
///
/// As long as it is to come, or is on. With `If-Match`, only what was read is changed. For staff.
#[utoipa::path(
    patch, path = "/channels/{id}/shows/{show}", tag = "shows", operation_id = "changeShow", request_body = Patch,
    params(ShowPath, IfMatch),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The show.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 400, description = "`malformed_if_match`: it is no ETag."),
        (status = 404, description = "`unknown_channel`, `unknown_show` or `no_accounts`: there is none."),
        (status = 409, description = "`show_state`: it is over."),
        (status = 412, description = "`changed_meanwhile`: it has another version."),
        (status = 422, description = "`show_refused`: it has to end later than it begins, by a week at most."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn change(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(path): InPath<ShowPath>,
    headers: HeaderMap,
    InBody(patch): InBody<Patch>,
) -> Result<Response, Problem> {
    api.channel(&path.id)?;
    let desk = api.desk()?;
    let version = expected(&headers)?;
    if patch.is_empty() {
        return Err(malformed(&"it changes nothing"));
    }
    // What can never be is told before what cannot be now.
    let patch = patch.checked()?;
    if !is_id(KIND, &path.show) {
        return Err(unknown());
    }
    let changed = desk
        .catalogue()
        .change_show((&path.id, &path.show), version, |show| {
            if !states::is_open(show.state) {
                return Err(wrong_state(
                    show.state,
                    "only one that is not over can be changed",
                ));
            }
            let wanted = patch.of(show)?;
            let times =
                |show: &Show| json!({ "starts_at": show.starts_at, "ends_at": show.ends_at });
            let detail =
                json!({ "channel": show.channel, "was": times(show), "is": times(&wanted) });
            let entry = desk.entry((staff.id(), "show.changed"), &show.id, &detail)?;
            Ok((wanted, entry))
        })
        .await;
    let show = made(changed.map_err(|error| refused(&error))?)?;
    api.tell(desk, EventKind::ShowChanged, &show).await;
    Ok(tagged(StatusCode::OK, &show))
}

/// Removes a show
///
/// One that is over or was cancelled, with the stream keys that were for it. This cannot be undone. For staff.
#[utoipa::path(
    delete, path = "/channels/{id}/shows/{show}", tag = "shows", operation_id = "deleteShow", params(ShowPath),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "`unknown_channel`, `unknown_show` or `no_accounts`: there is none."),
        (status = 409, description = "`show_state`: it is to come, or is on; cancel or stop it first."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn remove(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(path): InPath<ShowPath>,
) -> Result<StatusCode, Problem> {
    let show = api.show(&path.id, &path.show).await?;
    let desk = api.desk()?;
    let detail = json!({ "channel": show.channel, "was": show.state.name() });
    let entry = desk.entry((staff.id(), "show.removed"), &show.id, &detail)?;
    let key = (&*show.channel, &*show.id);
    let removed = desk.catalogue().remove_show(key, &entry).await;
    match removed.map_err(|error| refused(&error))? {
        ShowRemoved::Gone => Ok(StatusCode::NO_CONTENT),
        ShowRemoved::NotOver => Err(wrong_state(
            show.state,
            "cancel or stop it before it is removed",
        )),
        ShowRemoved::Unknown => Err(unknown()),
    }
}
