//! The plan of logging in elsewhere.

use std::path::PathBuf;

use fanwave_api::accounts::oidc::{CALLBACK, Roles};
use fanwave_wire::{Role, token::Algorithm};
use hyper::{Uri, http::uri::Scheme};

use super::{authorise::address, check::Check, schema::Config, settings::KeyPath};

/// Longest name of anything here, bytes.
const NAME_BYTES_MAX: usize = 256;

/// Most values that mean a role, and most scopes.
const LIST_MAX: usize = 64;

/// Most characters of what a page calls it.
const SHOWN_CHARS_MAX: usize = 40;

/// What is always asked for.
const OPENID: &str = "openid";

/// Who says who people are, and what is believed.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// What the issuer calls itself, to the letter.
    pub issuer: String,
    /// Where its description is.
    pub description: Uri,
    /// What it calls us.
    pub client: String,
    /// Where the secret is that it knows us by, if it does.
    pub secret_file: Option<PathBuf>,
    /// What is asked of it.
    pub scope: String,
    /// How its tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Which role somebody has.
    pub roles: Roles,
    /// What a page calls it.
    pub name: String,
    /// Where this installation is, as browsers know it.
    pub site: String,
}

/// Plans it. Every key is checked, whether or not there is an issuer.
pub(super) fn plan(check: &mut Check<'_>, config: &Config) -> Option<Oidc> {
    let key = |name| KeyPath::of("oidc", name);
    let oidc = &config.oidc;
    let secret_file = check.secret_file(key("client_secret_file"), &oidc.client_secret_file);
    let scope = scope(check, &oidc.scopes);
    let algorithms = algorithms(check, &oidc.algorithms);
    let roles = roles(check, &oidc.role_claim, &oidc.roles);
    if oidc.name.trim().is_empty() || oidc.name.chars().count() > SHOWN_CHARS_MAX {
        check.refuse(
            key("name"),
            format!("has 1 to {SHOWN_CHARS_MAX} characters"),
        );
    }
    if oidc.issuer.is_empty() {
        return None;
    }
    if oidc.client_id.is_empty() || oidc.client_id.len() > NAME_BYTES_MAX {
        check.refuse(
            key("client_id"),
            format!(
                "must be what the issuer calls this installation, of {NAME_BYTES_MAX} bytes at most"
            ),
        );
    }
    if config.accounts.registration == "off" {
        check.refuse(
            key("issuer"),
            "needs accounts: set accounts.registration to \"closed\", where people come from the issuer alone, or to \"open\"",
        );
    }
    let site = config.http.public_url.trim_end_matches('/');
    if site.is_empty() {
        check.refuse(
            KeyPath::of("http", "public_url"),
            format!("must be set with oidc.issuer: browsers are sent back to it, with {CALLBACK} behind it"),
        );
    }
    let Some(description) = description(&oidc.issuer) else {
        check.refuse(
            key("issuer"),
            "must be an address such as \"https://id.example\", as the issuer itself writes it",
        );
        return None;
    };
    Some(Oidc {
        issuer: oidc.issuer.clone(),
        description,
        client: oidc.client_id.clone(),
        secret_file,
        scope,
        algorithms,
        roles,
        name: oidc.name.clone(),
        site: site.to_owned(),
    })
}

/// Where an issuer describes itself (`OpenID` Connect Discovery 1.0, section 4).
fn description(issuer: &str) -> Option<Uri> {
    let is_plain = issuer.len() <= NAME_BYTES_MAX && !issuer.contains(['?', '#']);
    let place = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    is_plain.then(|| address(&place))?
}

fn scope(check: &mut Check<'_>, scopes: &[String]) -> String {
    let is_scope = |scope: &String| {
        let legal = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
        (1..=NAME_BYTES_MAX).contains(&scope.len()) && scope.bytes().all(legal)
    };
    if scopes.len() > LIST_MAX || !scopes.iter().all(is_scope) {
        check.refuse(
            KeyPath::of("oidc", "scopes"),
            format!("is a list of {LIST_MAX} words at most, such as \"profile\""),
        );
    }
    let others = scopes.iter().map(String::as_str);
    let all = std::iter::once(OPENID).chain(others.filter(|scope| *scope != OPENID));
    all.collect::<Vec<_>>().join(" ")
}

fn algorithms(check: &mut Check<'_>, names: &[String]) -> Vec<Algorithm> {
    let named = names
        .iter()
        .map(|name| Algorithm::of_name(name).filter(|algorithm| !algorithm.is_symmetric()));
    let algorithms: Option<Vec<Algorithm>> = named.collect();
    algorithms
        .filter(|list| !list.is_empty())
        .unwrap_or_else(|| {
            check.refuse(
                KeyPath::of("oidc", "algorithms"),
                "is a list of RS256, ES256 and EdDSA",
            );
            Vec::new()
        })
}

fn roles(check: &mut Check<'_>, claim: &str, values: &[String]) -> Roles {
    let key = KeyPath::of("oidc", "roles");
    if values.len() > LIST_MAX {
        check.refuse(key, format!("has at most {LIST_MAX} entries"));
    }
    if claim.is_empty() && !values.is_empty() {
        check.refuse(
            key,
            "needs oidc.role_claim, which says where the values are",
        );
    }
    let roles = [
        Role::Fan,
        Role::Member,
        Role::Moderator,
        Role::Artist,
        Role::Staff,
    ];
    let mut known = Vec::new();
    for entry in values {
        let meant = entry.rsplit_once('=').and_then(|(value, name)| {
            let role = roles.into_iter().find(|role| role.name() == name.trim())?;
            (!value.trim().is_empty()).then(|| (value.trim().to_owned(), role))
        });
        match meant {
            Some(meant) => known.push(meant),
            None => check.refuse(
                key,
                format!("holds \"{entry}\": an entry is a value, = and fan, member, moderator, artist or staff"),
            ),
        }
    }
    Roles {
        claim: (!claim.is_empty()).then(|| claim.to_owned()),
        values: known,
    }
}

impl Oidc {
    /// Whether what the issuer names has to be called over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.description.scheme() == Some(&Scheme::HTTPS)
    }
}
