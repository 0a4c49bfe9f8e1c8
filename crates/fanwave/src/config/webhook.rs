//! The plan of who is told what happens.

use std::{fmt, path::PathBuf, time::Duration};

use hyper::Uri;

use super::{authorise::address, check::Check, schema, settings::KeyPath};

/// Who is told, and how.
#[derive(Clone)]
pub struct Webhook {
    /// Where; it may hold a secret.
    pub url: Uri,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Where the secret is that events are signed with.
    pub secret_file: Option<PathBuf>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Plans it. Every key is checked, whether or not there is an address.
pub(super) fn plan(check: &mut Check<'_>, webhook: &schema::Webhook) -> Option<Webhook> {
    let key = |name| KeyPath::of("webhook", name);
    let timeout = check.duration(
        key("timeout"),
        &webhook.timeout,
        Duration::from_millis(100)..=Duration::from_secs(30),
    );
    let secret_file = check.secret_file(key("secret_file"), &webhook.secret_file);
    if webhook.url.is_empty() {
        return None;
    }
    let Some(url) = address(&webhook.url) else {
        check.refuse(
            key("url"),
            "must be an address such as \"https://crew.example/events\"",
        );
        return None;
    };
    Some(Webhook {
        url,
        timeout,
        secret_file,
    })
}
