//! The plan of who is asked about the chat.

use std::{fmt, path::PathBuf, time::Duration};

use hyper::Uri;

use super::{authorise::address, check::Check, schema, settings::KeyPath};
use crate::proxy::OnFailure;

/// One kind of question.
#[derive(Clone)]
pub struct Hook {
    /// Where; it may hold a secret.
    pub url: Uri,
    /// Longest time of a question.
    pub timeout: Duration,
    /// What is done where there is no answer.
    pub on_failure: OnFailure,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("timeout", &self.timeout)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}

/// Who is asked what.
#[derive(Debug, Clone, Default)]
pub struct Proxy {
    /// Where the secret is that questions are signed with.
    pub secret_file: Option<PathBuf>,
    /// Who connects.
    pub connect: Option<Hook>,
    /// What they follow.
    pub subscribe: Option<Hook>,
    /// What they say.
    pub publish: Option<Hook>,
}

/// The names of a hook's keys.
type Names = (&'static str, &'static str, &'static str);

/// Plans it. Every key is checked, whether or not anybody is asked.
pub(super) fn plan(check: &mut Check<'_>, proxy: &schema::Proxy) -> Proxy {
    let secret_file = KeyPath::of("proxy", "secret_file");
    Proxy {
        secret_file: check.secret_file(secret_file, &proxy.secret_file),
        connect: hook(
            check,
            ("connect_url", "connect_timeout", "connect_on_failure"),
            (
                &proxy.connect_url,
                &proxy.connect_timeout,
                &proxy.connect_on_failure,
            ),
        ),
        subscribe: hook(
            check,
            ("subscribe_url", "subscribe_timeout", "subscribe_on_failure"),
            (
                &proxy.subscribe_url,
                &proxy.subscribe_timeout,
                &proxy.subscribe_on_failure,
            ),
        ),
        publish: hook(
            check,
            ("publish_url", "publish_timeout", "publish_on_failure"),
            (
                &proxy.publish_url,
                &proxy.publish_timeout,
                &proxy.publish_on_failure,
            ),
        ),
    }
}

fn hook(
    check: &mut Check<'_>,
    names: Names,
    (url, timeout, on_failure): (&str, &str, &str),
) -> Option<Hook> {
    let key = |name| KeyPath::of("proxy", name);
    let timeout = check.duration(
        key(names.1),
        timeout,
        Duration::from_millis(50)..=Duration::from_secs(10),
    );
    let on_failure = match on_failure {
        "refuse" => OnFailure::Refuse,
        "allow" => OnFailure::Allow,
        _ => {
            check.refuse(key(names.2), "must be \"refuse\" or \"allow\"");
            OnFailure::Refuse
        }
    };
    if url.is_empty() {
        return None;
    }
    let Some(url) = address(url) else {
        check.refuse(
            key(names.0),
            "must be an address such as \"https://app.example/connect\"",
        );
        return None;
    };
    Some(Hook {
        url,
        timeout,
        on_failure,
    })
}
