//! The bucket that recordings are kept in, as the plan wants it, and what is wrong with it in words that say what to do.

use std::{io, path::PathBuf, time::Duration};

use fanwave_vault::{
    VaultError,
    bucket::{Bucket, BucketConfig, OpenError},
    spool::BucketError,
};
use thiserror::Error;

use crate::{
    config::s3::S3,
    secret::{self, Secret, SecretError},
};

/// Shortest secret key.
const SECRET_CHARS_MIN: usize = 8;

/// Longest wait for a bucket at the start, and when it is asked by hand.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

/// Why a bucket cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BucketProblem {
    /// The file with the secret key.
    #[error("the secret key of the bucket cannot be read: {0}")]
    Secret(SecretError),
    /// There are no credentials.
    #[error(
        "there are no credentials for the bucket: set s3.access_key and s3.secret_key_file, or the variables \
         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    NoCredentials,
    /// The file with certificates of authorities.
    #[error("cannot read {}, which s3.tls_authorities names: {source}", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is configured makes no client.
    #[error("the bucket cannot be used as configured: {0}")]
    Open(OpenError),
    /// It was asked, and this is what came of it.
    #[error("recordings cannot be kept in s3://{bucket}: {source}. {advice}")]
    Asked {
        /// Its name.
        bucket: String,
        /// What it said.
        source: VaultError,
        /// What to do.
        advice: &'static str,
    },
}

impl BucketProblem {
    /// Whether it may be otherwise in a moment, without anybody changing what is configured.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Asked { source, .. } => !matches!(
                source,
                VaultError::Bucket(BucketError::Refused { .. }) | VaultError::NotFound
            ),
            _ => false,
        }
    }
}

/// The bucket, of which nothing has been asked yet.
///
/// # Errors
///
/// [`BucketProblem`], but for those of asking.
pub fn open(
    planned: &S3,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Bucket, BucketProblem> {
    let (access_key, secret_key, session_token) = credentials(planned, variable)?;
    let authorities = planned.tls_authorities.as_ref().map(|path| {
        std::fs::read(path).map_err(|source| BucketProblem::Authorities {
            path: path.clone(),
            source,
        })
    });
    let config = BucketConfig {
        name: planned.bucket.clone(),
        prefix: planned.prefix.clone(),
        endpoint: planned.endpoint.clone(),
        region: planned.region.clone(),
        addressing: planned.addressing,
        access_key,
        secret_key: secret_key.expose().to_owned(),
        session_token: session_token.map(|token| token.expose().to_owned()),
        authorities: authorities.transpose()?,
    };
    Bucket::new(&config).map_err(BucketProblem::Open)
}

/// Writes, reads, lists and removes a small file.
///
/// # Errors
///
/// [`BucketProblem::Asked`].
pub async fn probe(planned: &S3, bucket: &Bucket) -> Result<(), BucketProblem> {
    let probed = bucket.probe(PROBE_DEADLINE).await;
    probed.map_err(|source| BucketProblem::Asked {
        bucket: planned.bucket.clone(),
        advice: advice(&source),
        source,
    })
}

fn credentials(
    planned: &S3,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(String, Secret, Option<Secret>), BucketProblem> {
    if let Some((access_key, file)) = &planned.access_key {
        let secret = secret::read(file, SECRET_CHARS_MIN).map_err(BucketProblem::Secret)?;
        return Ok((access_key.clone(), secret, None));
    }
    let set = |name| variable(name).filter(|value| !value.is_empty());
    match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key), Some(secret)) => {
            let token = set("AWS_SESSION_TOKEN").map(Secret::from_environment);
            Ok((access_key, Secret::from_environment(secret), token))
        }
        _ => Err(BucketProblem::NoCredentials),
    }
}

fn advice(error: &VaultError) -> &'static str {
    let code = match error {
        VaultError::Bucket(BucketError::Refused { code, .. }) => code.as_str(),
        VaultError::Bucket(BucketError::Unreachable(_) | BucketError::Late(_)) => {
            return "Look whether the server is on, and whether s3.endpoint, s3.region and s3.tls_authorities are right";
        }
        _ => return "Look into the server's own log",
    };
    match code {
        "NoSuchBucket" => "Create the bucket, or mend its name in recording.storage",
        "SignatureDoesNotMatch" => {
            "The secret key is not that of this access key: mend s3.secret_key_file, or AWS_SECRET_ACCESS_KEY"
        }
        // The second is versitygw's word.
        "InvalidAccessKeyId" | "XAdminUserNotFound" => {
            "The server does not know this access key: mend s3.access_key, or AWS_ACCESS_KEY_ID"
        }
        "ExpiredToken" | "InvalidToken" => "Get new credentials: the token is not valid any more",
        "AuthorizationHeaderMalformed"
        | "PermanentRedirect"
        | "IllegalLocationConstraintException" => "The bucket is of another region: mend s3.region",
        "RequestTimeTooSkewed" => "Set this machine's clock: it is too far from the server's",
        "AccessDenied" | "AllAccessDisabled" | "MethodNotAllowed" => {
            "Allow these credentials s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket there"
        }
        _ => "Look up the word in the server's documentation, and mend [s3] or the bucket",
    }
}

#[cfg(test)]
mod tests {
    use fanwave_vault::bucket::Addressing;

    use super::*;

    fn planned() -> S3 {
        S3 {
            bucket: "shows".to_owned(),
            prefix: String::new(),
            endpoint: Some("http://127.0.0.1:1".to_owned()),
            region: "us-east-1".to_owned(),
            addressing: Addressing::Path,
            access_key: None,
            tls_authorities: None,
            waiting_bytes_max: 1 << 30,
        }
    }

    #[test]
    fn credentials_are_of_a_file_or_of_the_environment_and_never_shown() {
        let none = open(&planned(), |_| None).unwrap_err();
        assert!(none.to_string().contains("s3.access_key"), "{none}");
        let half = |name: &str| (name == "AWS_ACCESS_KEY_ID").then(|| "canary".to_owned());
        assert!(matches!(
            open(&planned(), half),
            Err(BucketProblem::NoCredentials)
        ));
        let (key, secret, token) =
            credentials(&planned(), |name| Some(format!("canary-{name}"))).unwrap();
        assert_eq!(key, "canary-AWS_ACCESS_KEY_ID");
        assert_eq!(secret.expose(), "canary-AWS_SECRET_ACCESS_KEY");
        assert_eq!(token.unwrap().expose(), "canary-AWS_SESSION_TOKEN");
        let bucket = open(&planned(), |name| Some(format!("canary-{name}"))).unwrap();
        assert!(!format!("{bucket:?}").contains("canary"));

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let with = S3 {
            access_key: Some(("id".to_owned(), file.clone())),
            ..planned()
        };
        assert!(matches!(
            open(&with, |_| None),
            Err(BucketProblem::Secret(_))
        ));
        secret::write(&file, &Secret::generate().unwrap()).unwrap();
        open(&with, |_| None).unwrap();
    }

    #[tokio::test]
    async fn a_bucket_that_nobody_answers_for_may_come_and_a_refusal_stays() {
        let bucket = open(&planned(), |name| Some(format!("canary-{name}"))).unwrap();
        let problem = probe(&planned(), &bucket).await.unwrap_err();
        assert!(problem.may_pass());
        let text = problem.to_string();
        assert!(
            text.contains("s3.endpoint") && !text.contains("canary"),
            "{text}"
        );
        let refused = |code: &str| {
            let told = BucketError::Refused {
                status: 403,
                code: code.to_owned(),
            };
            let source = VaultError::Bucket(told);
            BucketProblem::Asked {
                bucket: "shows".to_owned(),
                advice: advice(&source),
                source,
            }
        };
        for (code, word) in [
            ("NoSuchBucket", "Create"),
            ("SignatureDoesNotMatch", "secret key"),
            ("InvalidAccessKeyId", "access key"),
            ("AuthorizationHeaderMalformed", "s3.region"),
            ("AccessDenied", "s3:PutObject"),
            ("", "documentation"),
        ] {
            let problem = refused(code);
            assert!(!problem.may_pass());
            assert!(problem.to_string().contains(word), "{problem}");
        }
    }
}
