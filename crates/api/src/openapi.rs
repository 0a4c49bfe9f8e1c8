//! The description of the API for programs: OpenAPI 3.1, made from the code that answers.
//!
//! Each handler says what is its own; what is true of many is added here from what they say, so that no handler can forget
//! it: a body can be too large, a token can be refused, a refusal is a [`Problem`](crate::Problem). `docs/openapi.json` is
//! printed ([`print()`]) by `fanwave openapi`.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use axum::{
    body::Bytes,
    http::{self, HeaderName, HeaderValue},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, Header, HeaderBuilder, HttpMethod, Info, LicenseBuilder,
        ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
        ServerBuilder, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
        tag::TagBuilder,
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Api, limits, problem};

/// The description as it is served: made once, it never changes.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(print()));

const DESCRIPTION: &str = "Live shows with chat. What a client of the chat says and hears over its socket is in docs/chat.md, \
how to use this API in docs/api.md.";

/// How somebody proves who they are.
const BEARER: &str = "bearer";
const API_KEY: &str = "api_key";
const SESSION: &str = "session";

/// What the operations are sorted by.
const TAGS: [(&str, &str); 11] = [
    (
        "accounts",
        "Accounts and sessions, where they are kept here: docs/accounts.md.",
    ),
    ("channels", "What is on, and what was said."),
    ("guests", "Tokens for fans."),
    ("shows", "What the staff sees and says of a show."),
    ("recordings", "Shows that were kept, and clips of them."),
    (
        "moderation",
        "What moderators do in a room, and how it is undone: docs/server-api.md.",
    ),
    (
        "log",
        "What was said, as far back as it is kept, and what is let go of: docs/store.md.",
    ),
    (
        "back ends",
        "For an app that has its own users: docs/server-api.md.",
    ),
    ("webhooks", "Who is told what happens: docs/webhooks.md."),
    ("servers", "The machines behind it."),
    ("description", "This description."),
];

/// Why any request can be refused.
const TOO_MANY: [(u16, &str); 1] = [(
    429,
    "`too_many_requests`: so many from one address in a minute are too many.",
)];

/// Why one with an idempotency key can.
const NAMED: [(u16, &str); 3] = [
    (
        400,
        "`idempotency_key_malformed`: the detail says what one looks like.",
    ),
    (
        409,
        "`idempotency_key_in_use`: the request of this key is being answered.",
    ),
    (
        422,
        "`idempotency_key_reused`: another body was sent with this key.",
    ),
];

/// Why one that needs a token can.
const SECURED: [(u16, &str); 2] = [
    (
        401,
        "`token_missing` or `token_refused`: nobody is proven to ask.",
    ),
    (403, "`not_staff`: this is for the staff."),
];

/// Why one that needs a session can.
const LOGGED_IN: [(u16, &str); 1] = [(
    401,
    "`session_missing` or `session_ended`: nobody is proven to ask.",
)];

/// Why one that API keys are for can, too.
const KEYED: [(u16, &str); 3] = [
    (401, "`key_refused`: there is no such API key."),
    (
        403,
        "`scope_missing`: the API key may not be used for this. `not_moderator`, `actor_refused`: this person may not do it.",
    ),
    (
        503,
        "`room_unavailable`, `history_unavailable`, `unavailable`: the log, or the catalogue of keys, cannot be reached right now; ask again.",
    ),
];

/// Why one that names a room can, where API keys are for it.
const ROOMS: [(u16, &str); 2] = [
    (
        400,
        "`malformed_query`: the detail says what cannot be used.",
    ),
    (
        404,
        "`unknown_channel`: no channel of this id is configured.",
    ),
];

/// Why one that needs the chat log can.
const LOG: [(u16, &str); 2] = [
    (404, "`no_log`: no chat log is kept here."),
    (
        503,
        "`log_unavailable`: the chat log cannot be reached right now; ask again.",
    ),
];

/// Why an act can.
const ACTS: [(u16, &str); 4] = [
    (
        403,
        "`not_allowed`, `outranked`: the room does not let this person do it.",
    ),
    (
        404,
        "`not_there`: there is no such message, pin, poll or penalty, or no longer.",
    ),
    (
        422,
        "`argument_refused`, `person_refused`, `empty`: the detail says what cannot be.",
    ),
    (429, "`room_busy`: the room has too much to do."),
];

/// Why one with a body can.
const EMBODIED: [(u16, &str); 4] = [
    (
        400,
        "`malformed_body`: the detail says what cannot be used.",
    ),
    (408, "`body_too_slow`: the body did not come in time."),
    (
        413,
        "`body_too_large`: a body has at most 8192 bytes; messages of back ends together, and the picture of an emote, have 262144.",
    ),
    (
        415,
        "`not_json` or `body_encoded`: the body is said to be something else than JSON, or is packed.",
    ),
];

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Describes this API
///
/// This very document, OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", tag = "description", operation_id = "readOpenApi",
    responses((status = 200, description = "The document.", body = Object, content_type = "application/json")),
)]
async fn show() -> ([(HeaderName, HeaderValue); 2], Bytes) {
    let headers = [
        (
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (
            http::header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache"),
        ),
    ];
    (headers, DOCUMENT.clone())
}

/// The description as JSON that people can read, with a line's end.
#[must_use]
pub fn print() -> String {
    // Nothing in it can fail to be written: it has texts, numbers and maps of texts.
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The description of every route of [`crate::router`].
fn document() -> OpenApi {
    let routes = OpenApiRouter::with_openapi(frame());
    let nested = routes.nest(fanwave_wire::path::API_V1, crate::routes());
    let mut document = nested.into_openapi();
    for item in document.paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            complete(&method, operation);
        }
    }
    document
}

fn frame() -> OpenApi {
    let license = LicenseBuilder::new()
        .name("Apache-2.0")
        .identifier(Some("Apache-2.0"));
    let mut info = Info::new("Fanwave", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    info.license = Some(license.build());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "A token of a member of staff: `fanwave token --role staff`; or an API key, where those are taken.",
        ));
    let key = ApiKey::Header(ApiKeyValue::with_description(
        "X-API-Key",
        "A key of `api.keys_file`, or of `POST /api/v1/api-keys`: docs/server-api.md.",
    ));
    let session = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A session of an account: `POST /api/v1/sessions`."));
    let components = ComponentsBuilder::new()
        .security_scheme(BEARER, SecurityScheme::Http(bearer.build()))
        .security_scheme(API_KEY, SecurityScheme::ApiKey(key))
        .security_scheme(SESSION, SecurityScheme::Http(session.build()))
        .schema("Problem", problem::Body::schema());
    let mut components = components.build();
    let headers = headers().map(|(name, header)| (name.to_owned(), header.into()));
    components.headers.extend(headers);
    let tags = TAGS.map(|(name, words)| {
        TagBuilder::new()
            .name(name)
            .description(Some(words))
            .build()
    });
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .components(Some(components))
        .tags(Some(tags))
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Delete, &mut item.delete),
        (HttpMethod::Patch, &mut item.patch),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Whether an operation takes this proof.
fn asks_for(operation: &Operation, scheme: &str) -> bool {
    let requirements = operation.security.iter().flatten();
    requirements
        .filter_map(|requirement| serde_json::to_value(requirement).ok())
        .any(|requirement| requirement.get(scheme).is_some())
}

/// Adds to an operation what follows from what its handler says.
fn complete(method: &HttpMethod, operation: &mut Operation) {
    let mut reasons = TOO_MANY.to_vec();
    if *method == HttpMethod::Post {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.push(idempotency_key().into());
        reasons.extend(NAMED);
    }
    if asks_for(operation, BEARER) {
        reasons.extend(SECURED);
    }
    if asks_for(operation, SESSION) {
        reasons.extend(LOGGED_IN);
    }
    let tags = operation.tags.clone().unwrap_or_default();
    let is_of = |tag: &str| tags.iter().any(|of| of == tag);
    if is_of("log") {
        reasons.extend(LOG);
    }
    if is_of("moderation") || is_of("back ends") || is_of("log") {
        reasons.extend(KEYED);
        if operation.parameters.is_some() {
            reasons.extend(ROOMS);
        }
    }
    if is_of("moderation") && *method != HttpMethod::Get {
        reasons.extend(ACTS);
    }
    if operation.request_body.is_some() {
        reasons.extend(EMBODIED);
    }
    let answers = &mut operation.responses.responses;
    for (status, reason) in reasons {
        add(answers, status, reason);
    }
    for (status, answer) in answers {
        let RefOr::T(answer) = answer else { continue };
        if status.starts_with(['4', '5']) {
            refuse(answer);
        }
        let mut headers = vec!["RateLimit-Policy", "RateLimit"];
        if status == "429" {
            headers.push("Retry-After");
        }
        if *method == HttpMethod::Post && status.starts_with('2') {
            headers.push("Idempotency-Replayed");
        }
        for name in headers {
            let header = Ref::new(format!("#/components/headers/{name}"));
            answer.headers.insert(name.to_owned(), RefOr::Ref(header));
        }
    }
}

/// The headers of answers that are not about their bodies.
fn headers() -> [(&'static str, Header); 4] {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let seconds = || {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
    };
    let header = |schema, words| {
        HeaderBuilder::new()
            .schema(Some(schema))
            .description(Some(words))
            .build()
    };
    [
        (
            "RateLimit-Policy",
            header(
                text(),
                "How many may be sent in how many seconds, where that is limited.",
            ),
        ),
        (
            "RateLimit",
            header(
                text(),
                "How many are left, and when all of them are there again.",
            ),
        ),
        (
            "Retry-After",
            header(seconds(), "Seconds until it may be asked again."),
        ),
        (
            "Idempotency-Replayed",
            header(text(), "`true` where the answer was given before."),
        ),
    ]
}

/// See [`crate::once`].
fn idempotency_key() -> Parameter {
    let most = limits::KEY_CHARS_MAX;
    let legal = format!("[A-Za-z0-9._:-]{{1,{most}}}");
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(format!("^(\"{legal}\"|{legal})$")));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Names this request, so that it is done once, however often it is sent: docs/api.md. A UUID is a good one.",
        ))
        .schema(Some(schema))
        .build()
}

/// Adds one more reason for a status, which may have some.
fn add(answers: &mut BTreeMap<String, RefOr<Response>>, status: u16, reason: &str) {
    let answer = answers
        .entry(status.to_string())
        .or_insert_with(|| ResponseBuilder::new().build().into());
    if let RefOr::T(answer) = answer {
        if !answer.description.is_empty() {
            answer.description.push(' ');
        }
        answer.description.push_str(reason);
    }
}

/// Has an answer be a problem.
fn refuse(answer: &mut Response) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(problem::Body::name())));
    answer
        .content
        .insert("application/problem+json".to_owned(), problem.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_in_the_repository_is_the_one_that_the_code_gives() {
        let kept = include_str!("../../../docs/openapi.json");
        assert!(
            kept == print(),
            "docs/openapi.json is not what the code describes: cargo run -p fanwave -- openapi > docs/openapi.json"
        );
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_and_words() {
        let mut document = document();
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in &mut document.paths.paths {
            assert!(path.starts_with("/api/v1/"), "{path}");
            for (_, operation) in operations(item) {
                let id = operation.operation_id.clone().expect("an id");
                assert!(operation.summary.is_some(), "{id}");
                assert!(operation.description.is_some(), "{id}");
                let tags = operation.tags.as_deref().unwrap_or_default();
                let is_known = |tag: &String| TAGS.iter().any(|(name, _)| name == tag);
                assert!(
                    tags.len() == 1 && tags.iter().all(is_known),
                    "{id}: {tags:?}"
                );
                assert!(ids.insert(id.clone()), "{id} is there twice");
            }
        }
        assert!(ids.len() >= 37, "{ids:?}");
    }
}
