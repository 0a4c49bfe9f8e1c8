//! Logging in elsewhere: `OpenID` Connect, by the authorization code flow with PKCE (RFC 7636).
//!
//! | Method and path | Answer |
//! |---|---|
//! | `GET /api/v1/oidc/login` | sends a browser to the issuer |
//! | `GET /api/v1/oidc/callback` | where the issuer sends it back to; sends it on to the page that it came from |
//! | `POST /api/v1/oidc/session` | the session, for that page |
//!
//! What is to be known when somebody comes back is in a cookie of their own browser, signed here (`passes`), so that any server
//! of the installation can take them. Who they are is what their issuer calls them, and nothing else: neither a name nor an address
//! of mail makes one account another's. What talks to the issuer is an [`Issuer`]; this module knows no sockets.

mod callback;
mod claims;
mod passes;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use axum::http::StatusCode;
use fanwave_bus::BoxFuture;
use fanwave_wire::token::Identity;
use thiserror::Error;
use utoipa_axum::router::OpenApiRouter;

pub use self::claims::Roles;
use super::Desk;
use crate::{Api, Problem};

/// Where a browser begins.
pub(super) const LOGIN: &str = "/api/v1/oidc/login";

/// Where the issuer sends a browser back to. It has to know of it before.
pub const CALLBACK: &str = "/api/v1/oidc/callback";

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    callback::routes()
}

/// Somebody else who says who people are.
pub trait Issuer: Send + Sync + 'static {
    /// Where browsers are sent.
    fn authorization_endpoint(&self) -> BoxFuture<'_, Result<Arc<str>, IssuerError>>;

    /// Who somebody is that came back with a code. A code is taken once, which is the issuer's to see to.
    fn redeem<'a>(&'a self, grant: Grant<'a>) -> BoxFuture<'a, Result<Identity, IssuerError>>;
}

/// What somebody came back with, and what they were sent away with.
#[derive(Clone, Copy)]
pub struct Grant<'a> {
    /// What the issuer gave them.
    pub code: &'a str,
    /// What proves that they were sent from here (RFC 7636, section 4.5).
    pub verifier: &'a str,
    /// What the ID token has to repeat.
    pub nonce: &'a str,
    /// Where they were to be sent back to.
    pub redirect_uri: &'a str,
}

// All of it is secret.
impl fmt::Debug for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").finish_non_exhaustive()
    }
}

/// Why an issuer does not say who somebody is. The words are for the operator's log, and have no secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// It does not answer, or not as it should. It may pass.
    #[error("the issuer cannot be used: {0}")]
    Away(String),
    /// It does not vouch for them, or in a way that is not taken.
    #[error("the login was refused: {0}")]
    Refused(String),
}

/// What the routes answer from.
pub struct Oidc {
    /// Who says who people are.
    pub issuer: Arc<dyn Issuer>,
    /// What the issuer calls itself, to the letter: identities are kept under it.
    pub identifier: String,
    /// What the issuer calls us.
    pub client: String,
    /// What is asked of it, with spaces between: `openid` is among them.
    pub scope: String,
    /// What a page calls it.
    pub name: Arc<str>,
    /// Which role somebody has, if that is the issuer's to say.
    pub roles: Roles,
    /// Where this installation is, as browsers know it: scheme, host and port, without a slash behind.
    pub site: String,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Oidc {
    fn redirect_uri(&self) -> String {
        format!("{}{CALLBACK}", self.site)
    }
}

impl Api {
    /// Where people log in elsewhere, if they can.
    fn oidc(&self) -> Result<(&Desk, &Oidc), Problem> {
        let desk = self.desk()?;
        let oidc = desk.accounts.oidc.as_ref().ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "no_oidc",
                "nobody logs in elsewhere here: oidc.issuer is not set",
            )
        })?;
        Ok((desk, oidc))
    }
}
