//! The plan of the bucket that recordings are kept in.

use super::{check::Check, schema::Config};

/// Which bucket, and how it is used.
#[cfg(feature = "s3")]
#[derive(Debug, Clone)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// The folder in it.
    pub prefix: String,
    /// Where it is; `None`: Amazon's own of the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Where its name stands in an address.
    pub addressing: fanwave_vault::bucket::Addressing,
    /// The access key and where its secret is; `None`: in the environment.
    pub access_key: Option<(String, std::path::PathBuf)>,
    /// Where the certificates of authorities are.
    pub tls_authorities: Option<std::path::PathBuf>,
    /// Most that may wait to be uploaded.
    pub waiting_bytes_max: u64,
}

/// Plans it, where it can be used.
#[cfg(not(feature = "s3"))]
pub(super) fn plan(check: &mut Check<'_>, config: &Config) {
    if !config.recording.storage.is_empty() {
        check.refuse(
            super::settings::KeyPath::of("recording", "storage"),
            "is a bucket, which this build was made without",
        );
    }
}

/// Plans it. Every key is checked, whether or not there is a bucket.
#[cfg(feature = "s3")]
pub(super) fn plan(check: &mut Check<'_>, config: &Config) -> Option<S3> {
    use fanwave_vault::bucket::Addressing;

    use super::settings::KeyPath;

    let s3 = &config.s3;
    let key = |name| KeyPath::of("s3", name);
    let addressing = match s3.addressing.as_str() {
        "path" => Addressing::Path,
        "host" => Addressing::Host,
        _ => {
            check.refuse(key("addressing"), "must be \"path\" or \"host\"");
            Addressing::Path
        }
    };
    if s3.region.is_empty() || !s3.region.bytes().all(is_of_a_name) {
        check.refuse(key("region"), "must be a region such as \"eu-central-1\"");
    }
    if !s3.endpoint.is_empty() && !is_endpoint(&s3.endpoint) {
        check.refuse(
            key("endpoint"),
            "must be http:// or https:// and a host, without a path",
        );
    }
    let secret = check.secret_file(key("secret_key_file"), &s3.secret_key_file);
    if s3.access_key.is_empty() != secret.is_none() {
        check.refuse(
            key("secret_key_file"),
            "must be set with s3.access_key, and not without it",
        );
    }
    let waiting_gib: u64 = check.number(
        KeyPath::of("recording", "waiting_gib_max"),
        config.recording.waiting_gib_max,
        1..=1_000_000,
    );
    if config.recording.storage.is_empty() {
        return None;
    }
    let Some((bucket, prefix)) = place(&config.recording.storage) else {
        check.refuse(
            KeyPath::of("recording", "storage"),
            "must be \"s3://BUCKET\" or \"s3://BUCKET/FOLDER\", of letters, digits and -._",
        );
        return None;
    };
    Some(S3 {
        bucket,
        prefix,
        endpoint: (!s3.endpoint.is_empty()).then(|| s3.endpoint.trim_end_matches('/').to_owned()),
        region: s3.region.clone(),
        addressing,
        access_key: secret.map(|file| (s3.access_key.clone(), file)),
        tls_authorities: (!s3.tls_authorities.is_empty()).then(|| (&s3.tls_authorities).into()),
        waiting_bytes_max: waiting_gib << 30,
    })
}

/// The bucket's name and the folder in it.
#[cfg(feature = "s3")]
fn place(text: &str) -> Option<(String, String)> {
    let place = text.strip_prefix("s3://")?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = prefix.trim_end_matches('/');
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(is_of_a_name) && !matches!(name, "." | "..")
    };
    let is_prefix = prefix.is_empty() || prefix.split('/').all(is_name);
    (is_name(bucket) && is_prefix).then(|| (bucket.to_owned(), prefix.to_owned()))
}

#[cfg(feature = "s3")]
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

/// Scheme, host and port and nothing else: what is in an address is no secret.
#[cfg(feature = "s3")]
fn is_endpoint(text: &str) -> bool {
    let authority = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    authority.is_some_and(|host| {
        let host = host.trim_end_matches('/');
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b);
        !host.is_empty() && host.bytes().all(legal)
    })
}
