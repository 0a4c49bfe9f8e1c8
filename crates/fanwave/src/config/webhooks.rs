//! The plan of webhooks that are set through the API, and of which addresses may be called for them.

use std::time::Duration;

use fanwave_api::address::Network;

use super::{check::Check, schema, settings::KeyPath, store::Place};
use crate::outgoing::Guard;

/// Most networks that are allowed; every address that is called is compared with each.
const ALLOWED_MAX: usize = 64;

/// Webhooks that are kept here.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// In which database.
    pub place: Place,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// How often an event is sent at most.
    pub attempts: u32,
}

/// Plans them. Every key is checked, whether or not there are any.
pub(super) fn plan(
    check: &mut Check<'_>,
    webhooks: &schema::Webhooks,
    postgres: &Place,
) -> Option<Webhooks> {
    let key = |name| KeyPath::of("webhooks", name);
    let timeout = check.duration(
        key("timeout"),
        &webhooks.timeout,
        Duration::from_millis(100)..=Duration::from_secs(30),
    );
    let attempts = check.number(key("attempts"), webhooks.attempts, 1..=100);
    let place = match webhooks.kind.as_str() {
        "off" => return None,
        "sqlite" => Place::File,
        "postgresql" => postgres.clone(),
        _ => {
            check.refuse(key("kind"), "must be \"off\", \"sqlite\" or \"postgresql\"");
            return None;
        }
    };
    Some(Webhooks {
        place,
        timeout,
        attempts,
    })
}

/// Plans which addresses may be called.
pub(super) fn outgoing(check: &mut Check<'_>, outgoing: &schema::Outgoing) -> Guard {
    let key = KeyPath::of("outgoing", "allow");
    if outgoing.allow.len() > ALLOWED_MAX {
        check.refuse(key, format!("has at most {ALLOWED_MAX} entries"));
    }
    let mut allowed = Vec::new();
    for entry in &outgoing.allow {
        match entry.parse::<Network>() {
            Ok(network) => allowed.push(network),
            Err(error) => check.refuse(key, format!("holds \"{entry}\": {error}")),
        }
    }
    Guard::allowing(allowed)
}
