//! `POST /api/v1/accounts`: somebody makes themselves an account.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{Account, Added};
use fanwave_wire::Role;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Desk, Registration, Shown, refused, secrets};
use crate::{
    Api, Problem,
    channels::fresh,
    extract::InBody,
    guests::wanted_name,
    limits::{LOGIN_CHARS_MAX, LOGIN_CHARS_MIN},
    name,
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Somebody who wants an account.
// It has no `Debug`: the password is a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccount)]
pub(super) struct Ask {
    /// What to log in with; capitals are the same as small letters.
    #[schema(pattern = "^[A-Za-z0-9._+@-]{3,254}$", example = "mina@example.com")]
    pub(super) login: String,
    /// However a keyboard composes its letters.
    #[schema(min_length = 10, max_length = 128)]
    pub(super) password: String,
    /// What others see.
    #[schema(schema_with = wanted_name)]
    pub(super) name: String,
}

/// Makes an account
///
/// An account of a fan, for whoever asks, where registration is open.
#[utoipa::path(
    post, path = "/accounts", tag = "accounts", operation_id = "createAccount", request_body = Ask,
    responses(
        (status = 201, description = "The account.", body = Shown),
        (status = 403, description = "`registration_closed`: accounts are not made by those who want one."),
        (status = 404, description = "`no_accounts`: none are kept here."),
        (status = 409, description = "`login_taken`: somebody has this login already."),
        (status = 422, description = "`login_refused`, `password_refused`, `name_empty`, `name_too_long` or `name_character`."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`busy` or `unavailable`: try again in a moment."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    InBody(ask): InBody<Ask>,
) -> Result<Response, Problem> {
    let desk = api.desk()?;
    if desk.accounts.registration == Registration::Closed {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "registration_closed",
            "accounts are not made here by those who want one",
        ));
    }
    let account = drafted(desk, &ask, Role::Fan).await?;
    let entry = desk.entry((&account.id, "account.made"), &account.id, &json!({}))?;
    let added = desk.catalogue().add_account(&account, &entry).await;
    answer(added.map_err(|error| refused(&error))?, account)
}

/// The account that is asked for, if it can be one.
pub(super) async fn drafted(desk: &Desk, ask: &Ask, role: Role) -> Result<Account, Problem> {
    let login = folded(&ask.login).ok_or_else(|| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "login_refused",
            format!(
                "a login has {LOGIN_CHARS_MIN} to {LOGIN_CHARS_MAX} letters and digits of ASCII, or - . _ + @: an address of mail is one"
            ),
        )
    })?;
    let name = name::parse(&ask.name).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.code(),
            error.to_string(),
        )
    })?;
    let now = desk.now();
    Ok(Account {
        id: secrets::id("a", now)?,
        login,
        name: name.to_string(),
        password: Some(desk.passwords.hash(&ask.password).await?),
        role: role.name().to_owned(),
        suspended: false,
        created_at: now,
        version: 1,
    })
}

pub(super) fn answer(added: Added, account: Account) -> Result<Response, Problem> {
    match added {
        Added::New => Ok((StatusCode::CREATED, fresh(Shown::from(account))).into_response()),
        Added::Taken => Err(Problem::new(
            StatusCode::CONFLICT,
            "login_taken",
            "somebody has this login already: choose another one",
        )),
    }
}

/// A login as it is compared. Letters of one script alone: no two that look the same are different people.
pub(super) fn folded(typed: &str) -> Option<String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "-._+@".contains(c);
    let legal =
        (LOGIN_CHARS_MIN..=LOGIN_CHARS_MAX).contains(&typed.len()) && typed.chars().all(is_letter);
    legal.then(|| typed.to_ascii_lowercase())
}
