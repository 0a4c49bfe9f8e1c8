//! The plan of who decides about publishers.

use std::{fmt, path::PathBuf, time::Duration};

use fanwave_origin::{Form, StreamKeys, limits::AUTHORISER_TIMEOUT_MAX};
use hyper::{Uri, http::uri::Scheme};

use super::{check::Check, schema, settings::KeyPath};

/// Who is asked, and how.
#[derive(Clone)]
pub struct Authorise {
    /// Where; it may hold a secret.
    pub url: Uri,
    /// In which form.
    pub form: Form,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Where the secret is that questions are signed with.
    pub secret_file: Option<PathBuf>,
    /// What a stream key is worth by itself.
    pub stream_keys: StreamKeys,
    /// How often a publisher is asked about while it publishes.
    pub recheck: Option<Duration>,
}

impl fmt::Debug for Authorise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorise")
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

/// Plans it. Every key is checked, whether or not there is an address.
pub(super) fn plan(check: &mut Check<'_>, authorise: &schema::Authorise) -> Option<Authorise> {
    let key = |name| KeyPath::of("authorise", name);
    let form = match authorise.form.as_str() {
        "fanwave" => Form::Fanwave,
        "nginx-rtmp" => Form::NginxRtmp,
        _ => {
            check.refuse(key("form"), "must be \"fanwave\" or \"nginx-rtmp\"");
            Form::Fanwave
        }
    };
    let stream_keys = match authorise.stream_keys.as_str() {
        "known" => StreamKeys::Known,
        "asked" => StreamKeys::Asked,
        _ => {
            check.refuse(key("stream_keys"), "must be \"known\" or \"asked\"");
            StreamKeys::Asked
        }
    };
    let timeout = check.duration(
        key("timeout"),
        &authorise.timeout,
        Duration::from_millis(100)..=AUTHORISER_TIMEOUT_MAX,
    );
    let recheck = check.duration(
        key("recheck"),
        &authorise.recheck,
        Duration::ZERO..=Duration::from_secs(3_600),
    );
    if !recheck.is_zero() && recheck < Duration::from_secs(1) {
        check.refuse(key("recheck"), "must be 1s or more, or \"0s\" for never");
    }
    let secret_file = check.secret_file(key("secret_file"), &authorise.secret_file);
    if authorise.url.is_empty() {
        if stream_keys == StreamKeys::Asked {
            check.refuse(
                key("url"),
                "must be set where authorise.stream_keys is \"asked\": there is nobody to ask",
            );
        }
        return None;
    }
    let Some(url) = address(&authorise.url) else {
        check.refuse(
            key("url"),
            "must be an address such as \"https://crew.example/may-publish\"",
        );
        return None;
    };
    Some(Authorise {
        url,
        form,
        timeout,
        secret_file,
        stream_keys,
        recheck: (!recheck.is_zero()).then_some(recheck),
    })
}

/// An address that can be called over HTTP, in the clear or not.
pub(crate) fn address(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let is_http = url.scheme() == Some(&Scheme::HTTP) || url.scheme() == Some(&Scheme::HTTPS);
    // Nothing would send a user and a password that are in the address.
    let is_plain = url
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    (is_http && is_plain && url.host().is_some_and(|host| !host.is_empty())).then_some(url)
}
