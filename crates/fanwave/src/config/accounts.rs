//! The plan of accounts that are kept here.

use std::time::Duration;

use fanwave_api::accounts::Registration;

use super::{
    check::Check,
    oidc::{self, Oidc},
    schema,
    settings::KeyPath,
    store::Place,
};

/// Accounts that are kept here.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// In which database.
    pub place: Place,
    /// Who may make one.
    pub registration: Registration,
    /// How long a session lasts.
    pub session_ttl: Duration,
    /// Where people log in elsewhere, if they can.
    pub oidc: Option<Oidc>,
}

/// Plans it. Every key is checked, whether or not accounts are kept.
pub(super) fn plan(
    check: &mut Check<'_>,
    config: &schema::Config,
    postgres: &Place,
) -> Option<Accounts> {
    let accounts = &config.accounts;
    let key = |name| KeyPath::of("accounts", name);
    let session_ttl = check.duration(
        key("session_ttl"),
        &accounts.session_ttl,
        Duration::from_secs(300)..=Duration::from_secs(400 * 86_400),
    );
    let place = match accounts.kind.as_str() {
        "sqlite" => Place::File,
        "postgresql" => postgres.clone(),
        _ => {
            check.refuse(key("kind"), "must be \"sqlite\" or \"postgresql\"");
            Place::File
        }
    };
    let oidc = oidc::plan(check, config);
    let registration = match accounts.registration.as_str() {
        "off" => return None,
        "closed" => Registration::Closed,
        "open" => Registration::Open,
        _ => {
            check.refuse(
                key("registration"),
                "must be \"off\", \"closed\" or \"open\"",
            );
            return None;
        }
    };
    Some(Accounts {
        place,
        registration,
        session_ttl,
        oidc,
    })
}
