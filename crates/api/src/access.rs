//! Who asks: a back end by its API key, or a person by a token of our own secret.
//!
//! Either is shown as `Authorization: Bearer ...`; a key also as `X-API-Key: ...`. A key may be used for what its scopes
//! say, and may say in whose name it acts. Staff may do everything that keys may, in their own name. Neither is ever
//! logged or repeated.

use std::{borrow::Cow, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, StatusCode, header, request::Parts},
};
use fanwave_wire::{
    ClientMessageId, Role, Sender, UnixMillis, UserId, limits::NAME_CHARS_MAX, token::Claims,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    Api, Problem, api_keys,
    commands::Inside,
    extract::InQuery,
    keys::{ApiKey, Scope},
    moderation::new_id,
    name, schema,
};

/// Where a key can be shown, too.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Who asks.
#[derive(Debug)]
pub(crate) enum Caller {
    /// A back end.
    Key(ApiKey),
    /// A person, as their token has them.
    Person(Sender),
}

/// In whose name a back end acts; in the key's own when nobody is named.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Actor {
    /// Who acts: the id of one of your users. For API keys alone.
    #[param(example = "u-7")]
    actor: Option<String>,
    /// What they are called; the beginning of their id, if that is not said.
    #[param(example = "Kim")]
    actor_name: Option<String>,
    /// What they may do; a moderator, if that is not said.
    #[param(inline, value_type = Option<schema::Role>)]
    actor_role: Option<Role>,
}

/// In whose name the room is to act. Whether they may, is the room's to judge.
#[derive(Debug)]
pub(crate) struct By {
    /// Who acts.
    pub(crate) sender: Sender,
    /// What the act is called, where it has a name already: one that is asked for again is then one.
    act: Option<ClientMessageId>,
}

impl By {
    /// What to call the act.
    pub(crate) fn act(&self) -> Result<ClientMessageId, Problem> {
        self.act.clone().map_or_else(new_id, Ok)
    }
}

impl FromRequestParts<Arc<Api>> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, api).await?;
        // Nobody learns more of the query's form than that they may not ask.
        caller.may_moderate()?;
        let InQuery(actor) = InQuery::<Actor>::from_request_parts(parts, api).await?;
        let inside = parts.extensions.get::<Inside>();
        let act = inside.map(|inside| inside.act.clone());
        let sender = caller.moderator(actor)?;
        Ok(Self { sender, act })
    }
}

/// Proof that who asks may know what is not for everybody: a back end, or somebody who may moderate.
#[derive(Debug)]
pub(crate) struct Reader;

impl FromRequestParts<Arc<Api>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, api).await?;
        caller.reader().map(|()| Self)
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        if let Some(inside) = parts.extensions.get::<Inside>() {
            return Ok(Self::Key(inside.key.clone()));
        }
        caller(api, &parts.headers, (api.now)()).await
    }
}

/// What is shown in `Authorization` (RFC 6750, section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, shown) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}

/// Who asks. That somebody does is all that is sure of it.
async fn caller(api: &Api, headers: &HeaderMap, now: UnixMillis) -> Result<Caller, Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = text(API_KEY) {
        let found = key_of(api, key.trim()).await?.map(Caller::Key);
        return found.ok_or_else(|| Problem::unauthorized("key_refused", "no such API key"));
    }
    let Some(shown) = bearer(headers) else {
        let words = "this needs an API key, or the token of a member of staff, in the header: Authorization: Bearer ...";
        return Err(Problem::unauthorized("token_missing", words));
    };
    if let Some(key) = key_of(api, shown).await? {
        return Ok(Caller::Key(key));
    }
    let claims = api.key.verify(shown, now);
    let claims =
        claims.map_err(|error| Problem::unauthorized("token_refused", error.to_string()))?;
    Ok(Caller::Person(claims.into_sender()))
}

/// The key of the configuration or of the catalogue.
async fn key_of(api: &Api, shown: &str) -> Result<Option<ApiKey>, Problem> {
    match api.keys.find(shown) {
        Some(key) => Ok(Some(key.clone())),
        None => api_keys::find(api, shown).await,
    }
}

impl Caller {
    /// Lets a key of the scope pass, and staff.
    pub(crate) fn demand(&self, scope: Scope) -> Result<(), Problem> {
        match self {
            Self::Key(key) if key.allows(scope) => Ok(()),
            Self::Key(_) => Err(lacks(scope)),
            Self::Person(sender) if sender.role == Role::Staff => Ok(()),
            Self::Person(_) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not_staff",
                "this is for back ends and the staff: fanwave token --role staff makes a token",
            )),
        }
    }

    /// Lets who may know what is not for everybody pass.
    pub(crate) fn reader(&self) -> Result<(), Problem> {
        match self {
            Self::Key(key) if key.allows(Scope::Read) || key.allows(Scope::Moderate) => Ok(()),
            Self::Key(_) => Err(lacks(Scope::Read)),
            Self::Person(sender) if sender.role.may_moderate() => Ok(()),
            Self::Person(_) => Err(not_moderator()),
        }
    }

    /// Whether it may do something that two scopes are needed for, one of which it has shown.
    pub(crate) fn allows(&self, scope: Scope) -> bool {
        self.demand(scope).is_ok()
    }

    fn may_moderate(&self) -> Result<(), Problem> {
        match self {
            Self::Key(key) if key.allows(Scope::Moderate) => Ok(()),
            Self::Key(_) => Err(lacks(Scope::Moderate)),
            Self::Person(sender) if sender.role.may_moderate() => Ok(()),
            Self::Person(_) => Err(not_moderator()),
        }
    }

    fn moderator(self, actor: Actor) -> Result<Sender, Problem> {
        match self {
            Self::Key(key) => Ok(actor.named()?.unwrap_or_else(|| key.sender())),
            Self::Person(_) if actor.is_named() => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "actor_refused",
                "only an API key acts in another's name",
            )),
            Self::Person(sender) => Ok(sender),
        }
    }

    /// Who speaks where nobody is named.
    pub(crate) fn sender(self) -> Sender {
        match self {
            Self::Key(key) => key.sender(),
            Self::Person(sender) => sender,
        }
    }
}

impl Actor {
    fn is_named(&self) -> bool {
        self.actor.is_some() || self.actor_name.is_some() || self.actor_role.is_some()
    }

    fn named(self) -> Result<Option<Sender>, Problem> {
        let is_named = self.is_named();
        let Some(user) = self.actor else {
            return match is_named {
                false => Ok(None),
                true => Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "malformed_query",
                    "actor_name and actor_role say more of actor, which is missing",
                )),
            };
        };
        let role = self.actor_role.unwrap_or(Role::Moderator);
        sender(&user, self.actor_name.as_deref(), role, None).map(Some)
    }
}

/// Somebody whom a back end names, by the rules of tokens and of names. Without a name, the beginning of the id is shown.
pub(crate) fn sender(
    user: &str,
    shown: Option<&str>,
    role: Role,
    badge: Option<&str>,
) -> Result<Sender, Problem> {
    let refuse =
        |words: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "person_refused", words);
    let beginning = || user.chars().take(NAME_CHARS_MAX).collect();
    let shown: Cow<'_, str> = shown.map_or_else(|| Cow::Owned(beginning()), Cow::Borrowed);
    let name = name::parse(&shown).map_err(|error| refuse(error.to_string()))?;
    let sender = Sender {
        badge: badge.map(Into::into),
        ..Sender::new(UserId(user.into()), name, role)
    };
    let claims = Claims::new(sender, UnixMillis(0), UnixMillis(0));
    claims
        .map(Claims::into_sender)
        .map_err(|error| refuse(error.to_string()))
}

fn not_moderator() -> Problem {
    let words = "this is for moderators, artists and staff, and for back ends";
    Problem::new(StatusCode::FORBIDDEN, "not_moderator", words)
}

fn lacks(scope: Scope) -> Problem {
    let words = format!(
        "this API key lacks the scope {}: add it in the file of api.keys_file, or make a key that has it",
        scope.name()
    );
    Problem::new(StatusCode::FORBIDDEN, "scope_missing", words)
}
