//! The way to the issuer and back.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{self, Account, Added, Change, Changed};
use fanwave_wire::{Role, token};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Grant, IssuerError, Oidc, claims,
    passes::{Attempt, Ticket, forget, is_here, keep, kept},
};
use crate::{
    Api, Problem,
    accounts::{Desk, login, login::Begun, refused, secrets, sender_of},
    body::NoBody,
    channels::fresh,
    extract::InQuery,
    limits::{OIDC_CODE_BYTES_MAX, REASON_CHARS_MAX},
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(callback))
        .routes(routes!(session))
}

/// Where somebody wants to be when they have logged in.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// A path of this site; its first page, if that is not said.
    #[serde(default, rename = "return")]
    #[param(required = false, pattern = "^/([^/].*)?$", example = "/studio")]
    wanted: Option<String>,
}

/// Sends a browser to the issuer
///
/// Where people log in elsewhere: `GET /api/v1/sessions` says whether they can. Afterwards the browser is at the path that was asked
/// for, with `#login=done` behind it, or `#login=refused`, or `#login=unavailable`; after the first, the page has the session from
/// `POST /api/v1/oidc/session`.
#[utoipa::path(
    get, path = "/oidc/login", tag = "accounts", operation_id = "beginOidcLogin", params(Ask),
    responses(
        (status = 303, description = "To the issuer; or to the path with `#login=unavailable` behind it, if that cannot be reached."),
        (status = 400, description = "`malformed_query`: this is no path of this site."),
        (status = 404, description = "`no_accounts` or `no_oidc`: nobody logs in elsewhere here."),
        (status = 500, description = "`internal`: this could not be done."),
    ),
)]
async fn start(
    State(api): State<Arc<Api>>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Response, Problem> {
    let (desk, oidc) = api.oidc()?;
    let wanted = ask.wanted.unwrap_or_else(|| "/".to_owned());
    if !is_here(&wanted) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_query",
            "return is a path of this site, such as /studio",
        ));
    }
    let endpoint = match oidc.issuer.authorization_endpoint().await {
        Ok(endpoint) => endpoint,
        Err(error) => {
            let home = home(oidc, &wanted, Stays::from(error).word());
            return Ok(to(&home, forget(&oidc.site)));
        }
    };
    let (key, now) = (&desk.accounts.key, desk.now());
    let attempt = Attempt::new(wanted, now)?;
    let query = [
        ("response_type", "code"),
        ("client_id", &oidc.client),
        ("redirect_uri", &oidc.redirect_uri()),
        ("scope", &oidc.scope),
        ("state", &attempt.state(key)),
        ("nonce", &attempt.nonce(key)),
        ("code_challenge", &attempt.challenge(key)),
        ("code_challenge_method", "S256"),
    ];
    let query = serde_urlencoded::to_string(query).map_err(|_| internal())?;
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    let away = format!("{endpoint}{joint}{query}");
    Ok(to(&away, keep(key, &attempt, &oidc.site, now)))
}

/// What the issuer says by way of the browser. It may say more.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Back {
    /// What the browser was sent away with.
    state: Option<String>,
    /// What stands for the login.
    code: Option<String>,
    /// Why there is none.
    error: Option<String>,
    /// Who says so (RFC 9207).
    iss: Option<String>,
}

/// Takes a browser back
///
/// From the issuer, which sends it here. It is sent on to where it wanted to be.
#[utoipa::path(
    get, path = "/oidc/callback", tag = "accounts", operation_id = "endOidcLogin", params(Back),
    responses(
        (status = 303, description = "To where the browser wanted to be; what is behind `#login=` says what has become of the login."),
        (status = 400, description = "`malformed_query`: this is nothing that an issuer says."),
        (status = 403, description = "`login_unknown`: this browser has begun no such login, or too long ago."),
        (status = 404, description = "`no_accounts` or `no_oidc`: nobody logs in elsewhere here."),
    ),
)]
async fn callback(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    InQuery(back): InQuery<Back>,
) -> Result<Response, Problem> {
    let (desk, oidc) = api.oidc()?;
    let (key, now) = (&desk.accounts.key, desk.now());
    let attempt: Option<Attempt> = kept(key, &headers, now);
    let state = back.state.as_deref().unwrap_or_default();
    let attempt = attempt
        .filter(|attempt| attempt.is_state(key, state))
        .ok_or_else(unknown)?;
    let (word, cookie) = match log_in(&api, (desk, oidc), &attempt, &back).await {
        Ok(account) => {
            let ticket = Ticket::new(account.id, now);
            ("done", keep(key, &ticket, &oidc.site, now))
        }
        Err(stays) => (stays.word(), forget(&oidc.site)),
    };
    Ok(to(&home(oidc, &attempt.wanted, word), cookie))
}

/// Begins the session
///
/// Of the browser that has just logged in elsewhere. It goes into the header Authorization, as Bearer SESSION.
#[utoipa::path(
    post, path = "/oidc/session", tag = "accounts", operation_id = "createOidcSession",
    responses(
        (status = 201, description = "The session.", body = Begun),
        (status = 403, description = "`login_unknown`: this browser has logged in nowhere else, or more than a minute ago. `login_wrong`: the account is kept out."),
        (status = 404, description = "`no_accounts` or `no_oidc`: nobody logs in elsewhere here."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn session(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    let (desk, oidc) = api.oidc()?;
    let ticket: Option<Ticket> = kept(&desk.accounts.key, &headers, desk.now());
    let ticket = ticket.ok_or_else(unknown)?;
    let account = desk.catalogue().account(&ticket.account).await;
    let account = account.map_err(|error| refused(&error))?;
    let begun = login::begin(desk, account.ok_or_else(login::wrong)?).await?;
    let cookie = [(header::SET_COOKIE, forget(&oidc.site))];
    Ok((StatusCode::CREATED, cookie, fresh(begun)).into_response())
}

/// Why somebody does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stays {
    /// They may not, or have not logged in.
    Refused,
    /// Something is away that is needed.
    Unavailable,
}

impl Stays {
    fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<IssuerError> for Stays {
    fn from(error: IssuerError) -> Self {
        tracing::warn!(%error, "somebody could not log in elsewhere");
        match error {
            IssuerError::Away(_) => Self::Unavailable,
            IssuerError::Refused(_) => Self::Refused,
        }
    }
}

impl From<Problem> for Stays {
    fn from(problem: Problem) -> Self {
        if problem.status().is_server_error() {
            Self::Unavailable
        } else {
            Self::Refused
        }
    }
}

/// The account of somebody who has come back.
async fn log_in(
    api: &Api,
    (desk, oidc): (&Desk, &Oidc),
    attempt: &Attempt,
    back: &Back,
) -> Result<Account, Stays> {
    if back.iss.as_ref().is_some_and(|iss| *iss != oidc.identifier) {
        tracing::warn!("an answer of another issuer was refused");
        return Err(Stays::Refused);
    }
    let code = back.code.as_deref().unwrap_or_default();
    if back.error.is_some() || code.is_empty() || code.len() > OIDC_CODE_BYTES_MAX {
        // A stranger may have written it: it is shown as what it is, and not at any length.
        let error = back.error.as_deref().unwrap_or_default();
        let error: String = error.chars().take(REASON_CHARS_MAX).collect();
        tracing::info!(?error, "somebody came back from the issuer without a login");
        let is_away = ["server_error", "temporarily_unavailable"].contains(&&*error);
        return Err(if is_away {
            Stays::Unavailable
        } else {
            Stays::Refused
        });
    }
    let Ok(_turn) = desk.exchanges.try_acquire() else {
        return Err(Stays::Unavailable);
    };
    let key = &desk.accounts.key;
    let grant = Grant {
        code,
        verifier: &attempt.verifier(key),
        nonce: &attempt.nonce(key),
        redirect_uri: &oidc.redirect_uri(),
    };
    let identity = oidc.issuer.redeem(grant).await?;
    account_of(api, (desk, oidc), &identity).await
}

/// The account of an identity, as its issuer has it now; a new one for whoever comes for the first time.
async fn account_of(
    api: &Api,
    (desk, oidc): (&Desk, &Oidc),
    identity: &token::Identity,
) -> Result<Account, Stays> {
    let who = catalogue::Identity {
        issuer: &oidc.identifier,
        subject: &identity.subject,
    };
    let role = oidc.roles.of(&identity.claims);
    let name = claims::name(&identity.claims);
    let find = async || {
        let found = desk.catalogue().account_of_identity(who).await;
        found.map_err(|error| Stays::from(refused(&error)))
    };
    let found = match find().await? {
        Some(account) => account,
        None => {
            let account = drafted(desk, role.unwrap_or_default(), name.as_deref())?;
            let detail = json!({ "by": "oidc", "role": account.role });
            let entry = desk.entry((&account.id, "account.made"), &account.id, &detail)?;
            let catalogue = desk.catalogue();
            let added = catalogue
                .add_account_of_identity(&account, who, &entry)
                .await;
            match added.map_err(|error| Stays::from(refused(&error)))? {
                Added::New => return Ok(account),
                // They have come twice at once.
                Added::Taken => find().await?.ok_or(Stays::Unavailable)?,
            }
        }
    };
    if found.suspended {
        return Err(Stays::Refused);
    }
    brought_up(api, desk, found, (role, name.as_deref())).await
}

/// The account of somebody who comes for the first time. Nobody can type its login.
fn drafted(desk: &Desk, role: Role, name: Option<&str>) -> Result<Account, Problem> {
    let now = desk.now();
    let id = secrets::id("a", now)?;
    let end = id.get(id.len().saturating_sub(6)..).unwrap_or_default();
    Ok(Account {
        login: format!("oidc:{id}"),
        name: name.map_or_else(|| format!("fan-{end}"), str::to_owned),
        id,
        password: None,
        role: role.name().to_owned(),
        suspended: false,
        created_at: now,
        version: 1,
    })
}

/// Changes an account to what the issuer says of its owner now. Nothing is left of what they were before.
async fn brought_up(
    api: &Api,
    desk: &Desk,
    account: Account,
    (role, name): (Option<Role>, Option<&str>),
) -> Result<Account, Stays> {
    let role = role.map(Role::name).filter(|role| *role != account.role);
    let name = name.filter(|name| *name != account.name);
    let action = match (role, name) {
        (None, None) => return Ok(account),
        (Some(_), _) => "account.role",
        (None, Some(_)) => "account.name",
    };
    let change = Change {
        version: Some(account.version),
        role: role.map(str::to_owned),
        name: name.map(str::to_owned),
        ends_sessions: role.is_some(),
        ..Change::default()
    };
    let detail = json!({ "by": "oidc", "role": role });
    let entry = desk.entry((&account.id, action), &account.id, &detail)?;
    let catalogue = desk.catalogue();
    let changed = catalogue.change_account(&account.id, &change, &entry).await;
    match changed.map_err(|error| Stays::from(refused(&error)))? {
        Changed::Made(now) => {
            if role.is_some() {
                api.throw_out(sender_of(&now), &now.id).await;
            }
            Ok(*now)
        }
        // Somebody else has changed it at this moment: it is for them to try again.
        Changed::Moved | Changed::Unknown => Err(Stays::Unavailable),
    }
}

/// Where somebody is sent on to: with all of this site's address, so that no path leads anywhere else.
fn home(oidc: &Oidc, wanted: &str, word: &str) -> String {
    format!("{}{wanted}#login={word}", oidc.site)
}

fn to(place: &str, cookie: HeaderValue) -> Response {
    let Ok(place) = HeaderValue::try_from(place) else {
        return internal().into_response();
    };
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::LOCATION, place),
        (header::SET_COOKIE, cookie),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // The address has a code in it, or had.
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "login_unknown",
        format!(
            "this browser has begun no such login, or too long ago: begin again at {}",
            super::LOGIN
        ),
    )
}

fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "this could not be done",
    )
}
