//! Stream keys of the catalogue, as the origin asks about them: it asks an authoriser, and this is one.
//!
//! Whoever shows a key of the catalogue is answered from there; about everybody else the operator's own authoriser is asked, if
//! there is one. A key that is gone is a no when the origin asks again about whoever publishes with it. A catalogue that does not
//! answer is no answer: who publishes goes on, and who comes is turned away, but for the keys of the configuration.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use fanwave_api::stream_keys::digest;
use fanwave_origin::{Answer, AuthoriserConfig, Endpoint, EndpointError, Form, Post, StreamKeys};
use fanwave_store::catalogue::{Catalogue, Digest};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;

use crate::clock;

/// How often the origin asks again, where the configuration does not say.
const RECHECK: Duration = Duration::from_secs(5);

/// Longest wait for the catalogue, where the configuration does not say.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The operator's authoriser, with the keys of the catalogue before it.
pub(super) fn before(
    operators: Option<AuthoriserConfig>,
    catalogue: &Catalogue,
) -> AuthoriserConfig {
    let config = operators.unwrap_or_else(|| AuthoriserConfig {
        endpoint: Arc::new(Nobody),
        form: Form::Fanwave,
        timeout: TIMEOUT,
        secret: None,
        stream_keys: StreamKeys::Known,
        recheck: None,
    });
    let keys = Keys {
        catalogue: catalogue.clone(),
        form: config.form,
        asks_again: config.recheck.is_some(),
        next: config.endpoint,
    };
    AuthoriserConfig {
        endpoint: Arc::new(keys),
        recheck: Some(config.recheck.unwrap_or(RECHECK)),
        ..config
    }
}

/// Where there is no authoriser of the operator's.
#[derive(Debug)]
struct Nobody;

impl Endpoint for Nobody {
    fn post(&self, _: Post) -> BoxFuture<'static, Result<Answer, EndpointError>> {
        Box::pin(std::future::ready(Ok(no("there is no such stream key"))))
    }
}

struct Keys {
    catalogue: Catalogue,
    form: Form,
    /// Whether the operator's authoriser is asked again.
    asks_again: bool,
    next: Arc<dyn Endpoint>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Endpoint for Keys {
    fn post(&self, post: Post) -> BoxFuture<'static, Result<Answer, EndpointError>> {
        let Some(asked) = Asked::read(self.form, &post.body) else {
            return self.next.post(post);
        };
        let Some(key) = digest(&asked.key) else {
            if asked.action == Action::Update && !self.asks_again {
                return Box::pin(std::future::ready(Ok(yes(self.form, None))));
            }
            return self.next.post(post);
        };
        if asked.action == Action::Done {
            return Box::pin(std::future::ready(Ok(yes(self.form, None))));
        }
        let catalogue = self.catalogue.clone();
        Box::pin(judge(catalogue, self.form, asked.channel, key))
    }
}

async fn judge(
    catalogue: Catalogue,
    form: Form,
    wanted: Option<String>,
    key: Digest,
) -> Result<Answer, EndpointError> {
    let now = i64::try_from(clock::now().0).unwrap_or(i64::MAX);
    let found = catalogue.stream_key(&key, now).await.map_err(|error| {
        tracing::warn!(%error, "the catalogue does not say whether a stream key is good");
        EndpointError("the catalogue of stream keys does not answer".to_owned())
    })?;
    Ok(match found {
        None => no("the stream key is not good, or not any more"),
        Some(key) if wanted.is_some_and(|wanted| wanted != key.channel) => {
            no("the stream key is another channel's")
        }
        Some(key) => yes(form, Some(&key.channel)),
    })
}

fn yes(form: Form, channel: Option<&str>) -> Answer {
    let (status, location, body) = match (form, channel) {
        (_, None) => (200, None, Bytes::new()),
        (Form::Fanwave, Some(channel)) => {
            (200, None, json!({ "channel": channel }).to_string().into())
        }
        // As nginx-rtmp is told of another name.
        (Form::NginxRtmp, Some(channel)) => (302, Some(channel.to_owned()), Bytes::new()),
    };
    Answer {
        status,
        location,
        body,
    }
}

fn no(reason: &str) -> Answer {
    Answer {
        status: 403,
        location: None,
        body: json!({ "reason": reason }).to_string().into(),
    }
}

/// What the origin asks, as far as it matters here.
struct Asked {
    action: Action,
    /// The channel that the encoder names beside its key.
    channel: Option<String>,
    key: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Publish,
    #[serde(alias = "update_publish")]
    Update,
    #[serde(alias = "publish_done")]
    Done,
}

impl Asked {
    fn read(form: Form, body: &[u8]) -> Option<Self> {
        match form {
            Form::Fanwave => {
                let asked: InFanwave = serde_json::from_slice(body).ok()?;
                Some(Self {
                    action: asked.action,
                    channel: asked.channel,
                    key: asked.key,
                })
            }
            Form::NginxRtmp => {
                let asked: InNginx = serde_urlencoded::from_bytes(body).ok()?;
                Some(Self {
                    action: asked.call,
                    channel: None,
                    key: asked.name,
                })
            }
        }
    }
}

#[derive(Deserialize)]
struct InFanwave {
    action: Action,
    channel: Option<String>,
    key: String,
}

#[derive(Deserialize)]
struct InNginx {
    call: Action,
    name: String,
}

#[cfg(test)]
mod tests {
    use fanwave_store::catalogue::{Database, Entry, StreamKey};

    use super::*;

    fn key(letter: &str) -> String {
        format!("fsk_{}", letter.repeat(48))
    }

    /// A catalogue with one key of the channel `demo`.
    async fn catalogue(folder: &std::path::Path) -> Catalogue {
        let database = Database::Sqlite(folder.join("catalogue.db"));
        let catalogue = Catalogue::open(&database).await.unwrap();
        let made = StreamKey {
            id: "k-1".into(),
            channel: "demo".into(),
            name: "main desk".into(),
            created_at: 0,
            expires_at: None,
            show: None,
        };
        let digest = digest(&key("a")).unwrap();
        let entry = entry("e-1");
        let add = catalogue.add_stream_key(&made, &digest, None, &entry);
        add.await.unwrap();
        catalogue
    }

    fn entry(id: &str) -> Entry {
        Entry {
            id: id.into(),
            at: 0,
            actor: "a-1".into(),
            action: "stream_key.made".into(),
            subject: "k-1".into(),
            detail: "{}".into(),
        }
    }

    /// Whom the operator's own authoriser has been asked about.
    #[derive(Debug, Default)]
    struct Operators(std::sync::Mutex<Vec<Bytes>>);

    impl Endpoint for Operators {
        fn post(&self, post: Post) -> BoxFuture<'static, Result<Answer, EndpointError>> {
            self.0.lock().unwrap().push(post.body);
            Box::pin(std::future::ready(Ok(yes(Form::Fanwave, None))))
        }
    }

    fn operators(endpoint: &Arc<Operators>, form: Form) -> AuthoriserConfig {
        AuthoriserConfig {
            endpoint: Arc::clone(endpoint) as Arc<dyn Endpoint>,
            form,
            timeout: Duration::from_secs(1),
            secret: None,
            stream_keys: StreamKeys::Asked,
            recheck: None,
        }
    }

    async fn ask(config: &AuthoriserConfig, body: String) -> Answer {
        let post = Post {
            content_type: "",
            signature: None,
            body: body.into(),
        };
        config.endpoint.post(post).await.unwrap()
    }

    fn question(action: &str, channel: Option<&str>, key: &str) -> String {
        json!({ "action": action, "protocol": "rtmp", "channel": channel, "key": key }).to_string()
    }

    #[tokio::test]
    async fn a_key_of_the_catalogue_opens_its_channel_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = catalogue(folder.path()).await;
        let config = before(None, &catalogue);
        assert_eq!(config.recheck, Some(RECHECK));
        let publish = |channel, key: &str| question("publish", channel, key);
        let answer = ask(&config, publish(None, &key("a"))).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (200, &br#"{"channel":"demo"}"#[..])
        );
        for (channel, key, status) in [
            (Some("demo"), key("a"), 200),
            (Some("other"), key("a"), 403),
            (None, key("b"), 403),
            (None, "guessed".to_owned(), 403),
        ] {
            let answer = ask(&config, publish(channel, &key)).await;
            assert_eq!(answer.status, status, "{channel:?}");
        }
        let update = question("update", None, &key("a"));
        assert_eq!(ask(&config, update.clone()).await.status, 200);
        let entry = entry("e-2");
        let revoked = catalogue.revoke_stream_key("demo", "k-1", &entry);
        assert!(revoked.await.unwrap());
        assert_eq!(ask(&config, update.clone()).await.status, 403);

        // No answer is no verdict.
        catalogue.close().await;
        let post = Post {
            content_type: "",
            signature: None,
            body: update.into(),
        };
        let error = config.endpoint.post(post).await.unwrap_err();
        assert!(error.to_string().contains("does not answer"), "{error}");
    }

    #[tokio::test]
    async fn about_everybody_else_the_operators_own_authoriser_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = catalogue(folder.path()).await;
        let theirs = Arc::<Operators>::default();
        let config = before(Some(operators(&theirs, Form::Fanwave)), &catalogue);
        let publish = question("publish", None, "their-own");
        assert_eq!(ask(&config, publish.clone()).await.status, 200);
        // It is not asked again where it was not to be.
        let update = question("update", None, "their-own");
        assert_eq!(ask(&config, update).await.status, 200);
        let done = question("done", None, "their-own");
        assert_eq!(ask(&config, done.clone()).await.status, 200);
        assert_eq!(
            ask(&config, question("done", None, &key("a"))).await.status,
            200
        );
        assert_eq!(*theirs.0.lock().unwrap(), [publish, done]);
    }

    #[tokio::test]
    async fn in_the_form_of_nginx_a_channel_is_a_redirection() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = catalogue(folder.path()).await;
        let theirs = Arc::<Operators>::default();
        let config = before(Some(operators(&theirs, Form::NginxRtmp)), &catalogue);
        let publish = |key: &str| format!("app=live&call=publish&name={key}&type=live");
        let answer = ask(&config, publish(&key("a"))).await;
        assert_eq!(
            (answer.status, answer.location.as_deref()),
            (302, Some("demo"))
        );
        assert_eq!(ask(&config, publish(&key("b"))).await.status, 403);
        assert!(theirs.0.lock().unwrap().is_empty());
        let other = publish("their-own");
        ask(&config, other.clone()).await;
        assert_eq!(*theirs.0.lock().unwrap(), [other]);
    }
}
