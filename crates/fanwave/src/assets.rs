//! The web page, embedded into the binary, and the headers under which it is safe to serve.
//!
//! | Path | What | Cached |
//! |---|---|---|
//! | `/`, `/watch/{channel}` | `index.html` | asked for again every time, by its tag |
//! | `/assets/...` | files with a hash of their content in the name | for ever |
//! | any other file of the page | icons and the like | for an hour |
//!
//! Everything is compressed once, when it is first asked for. When the page was not built, `/` says so and how.

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;

/// What `npm run build` leaves behind.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct Page;

/// Files smaller than this are not worth compressing.
const COMPRESS_FROM_BYTES: usize = 1024;

/// What the page may do. Scripts only from here, so that a message that got through every other defence still cannot
/// run; `blob:` is how a player hands media to the browser. Nothing inline, no worker, no frame, no plug-in.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    media-src 'self' blob:; worker-src 'none'; connect-src 'self'; object-src 'none'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'self'";

/// What `/` says when there is no page to embed.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Fanwave</title>\
    <h1>The watch page is not in this binary</h1>\
    <p>This server was compiled before its web page was built. Build both, in this order:</p>\
    <pre>cd web &amp;&amp; npm ci &amp;&amp; npm run build\ncargo build --release --package fanwave</pre>\
    <p><code>make run</code> does all of it. The broadcast and the chat work without the page.</p></html>\n";

/// The headers of every answer of the server, where the handler has not set its own.
pub const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::X_FRAME_OPTIONS,
        HeaderValue::from_static("SAMEORIGIN"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// One file, ready to be sent.
#[derive(Debug)]
struct Asset {
    plain: Bytes,
    /// Compressed when it is first asked for; `None` inside when that saves nothing.
    gzip: OnceLock<Option<Bytes>>,
    kind: HeaderValue,
    cache: HeaderValue,
    tag: HeaderValue,
}

/// The files of the page by their path, without a slash in front.
#[derive(Debug, Default)]
struct Site {
    assets: std::collections::BTreeMap<String, Asset>,
}

/// The routes of the page: `/`, `/watch/{channel}`, and every file of it.
pub fn router() -> Router {
    let site = Arc::new(Site::embedded());
    Router::new()
        .route("/", get(index))
        .route("/watch", get(index))
        .route("/watch/{channel}", get(watch))
        .fallback(get(file))
        .with_state(site)
}

async fn index(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    site.index(&headers)
}

/// The page itself finds out whether there is such a channel.
async fn watch(
    State(site): State<Arc<Site>>,
    Path(_): Path<String>,
    headers: HeaderMap,
) -> Response {
    site.index(&headers)
}

async fn file(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Response {
    match site.assets.get(uri.path().trim_start_matches('/')) {
        Some(asset) => asset.answer(&headers),
        None => fanwave_api::Problem::not_found().into_response(),
    }
}

impl Site {
    fn embedded() -> Self {
        let assets = Page::iter().filter_map(|path| {
            let file = Page::get(&path)?;
            let asset = Asset::new(&path, file.data, &file.metadata)?;
            Some((path.into_owned(), asset))
        });
        Self {
            assets: assets.collect(),
        }
    }

    fn index(&self, headers: &HeaderMap) -> Response {
        match self.assets.get("index.html") {
            Some(asset) => asset.answer(headers),
            None => {
                let html = (
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("text/html; charset=utf-8"),
                );
                (StatusCode::SERVICE_UNAVAILABLE, [html], NOT_BUILT).into_response()
            }
        }
    }
}

impl Asset {
    /// `None` for a file whose type cannot be told in a header.
    fn new(path: &str, data: Cow<'static, [u8]>, metadata: &rust_embed::Metadata) -> Option<Self> {
        let plain = match data {
            Cow::Borrowed(data) => Bytes::from_static(data),
            Cow::Owned(data) => Bytes::from(data),
        };
        let mut kind = metadata.mimetype().to_owned();
        if kind.starts_with("text/") {
            kind.push_str("; charset=utf-8");
        }
        let cache = match path {
            "index.html" => "no-cache",
            _ if path.starts_with("assets/") => "public, max-age=31536000, immutable",
            _ => "public, max-age=3600",
        };
        // Half of a SHA-256 never repeats by accident.
        let digits = metadata
            .sha256_hash()
            .into_iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"));
        let tag = format!("\"{}\"", digits.collect::<String>());
        Some(Self {
            plain,
            gzip: OnceLock::new(),
            kind: kind.parse().ok()?,
            cache: HeaderValue::from_static(cache),
            tag: tag.parse().ok()?,
        })
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::CACHE_CONTROL, self.cache.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if lists(
            asked,
            header::IF_NONE_MATCH,
            self.tag.to_str().unwrap_or_default(),
        ) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, self.kind.clone());
        let compressed = if lists(asked, header::ACCEPT_ENCODING, "gzip") {
            self.compressed()
        } else {
            None
        };
        let body = match compressed {
            Some(body) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                body
            }
            None => self.plain.clone(),
        };
        (headers, Body::from(body)).into_response()
    }

    fn compressed(&self) -> Option<Bytes> {
        let compressed = self.gzip.get_or_init(|| {
            if self.plain.len() < COMPRESS_FROM_BYTES {
                return None;
            }
            let smaller = gzip(&self.plain)
                .ok()
                .filter(|body| body.len() < self.plain.len());
            smaller.map(Bytes::from)
        });
        compressed.clone()
    }
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 2), Compression::default());
    encoder.write_all(plain)?;
    encoder.finish()
}

/// Whether one of a header's comma-separated values is this one; parameters such as `;q=1` are looked through, a weak
/// tag counts as its strong one (RFC 9110, section 13.1.2), and a value that is refused by `q=0` does not count.
fn lists(headers: &HeaderMap, name: HeaderName, value: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    values
        .map(|entry| entry.split_once(';').unwrap_or((entry, "")))
        .any(|(entry, parameters)| {
            let entry = entry.trim();
            let refused = matches!(parameters.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            !refused && entry.strip_prefix("W/").unwrap_or(entry) == value
        })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn site() -> Site {
        let asset = |path: &str, kind: &str, body: &'static [u8]| Asset {
            plain: Bytes::from_static(body),
            gzip: OnceLock::new(),
            kind: kind.parse().unwrap(),
            cache: HeaderValue::from_static(if path == "index.html" {
                "no-cache"
            } else {
                "immutable"
            }),
            tag: HeaderValue::from_static("\"tag\""),
        };
        let page = asset("index.html", "text/html; charset=utf-8", b"<!doctype html>");
        let script = asset("assets/a.js", "text/javascript", &[b'a'; 4096]);
        Site {
            assets: [
                ("index.html".to_owned(), page),
                ("assets/a.js".to_owned(), script),
            ]
            .into(),
        }
    }

    fn asking(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[tokio::test]
    async fn a_file_goes_out_compressed_only_to_who_takes_it() {
        let site = site();
        let script = &site.assets["assets/a.js"];
        for accepted in ["gzip", "br;q=1, gzip;q=0.8", "deflate,gzip"] {
            let response = script.answer(&asking(header::ACCEPT_ENCODING, accepted));
            assert_eq!(
                response.headers()[header::CONTENT_ENCODING],
                "gzip",
                "{accepted}"
            );
            assert!(
                response
                    .into_body()
                    .collect()
                    .await
                    .unwrap()
                    .to_bytes()
                    .len()
                    < 100
            );
        }
        for refused in ["", "br", "gzip;q=0", "xgzip"] {
            let response = script.answer(&asking(header::ACCEPT_ENCODING, refused));
            assert!(
                !response.headers().contains_key(header::CONTENT_ENCODING),
                "{refused}"
            );
            assert_eq!(
                response
                    .into_body()
                    .collect()
                    .await
                    .unwrap()
                    .to_bytes()
                    .len(),
                4096
            );
        }
    }

    #[test]
    fn a_known_tag_is_not_sent_again() {
        let site = site();
        for tag in ["\"tag\"", "W/\"tag\"", "\"other\", \"tag\""] {
            let response = site.index(&asking(header::IF_NONE_MATCH, tag));
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tag}");
        }
        let response = site.index(&asking(header::IF_NONE_MATCH, "\"old\""));
        assert_eq!(
            (
                response.status(),
                &response.headers()[header::CACHE_CONTROL]
            ),
            (StatusCode::OK, &HeaderValue::from_static("no-cache"))
        );
    }

    #[tokio::test]
    async fn a_page_that_was_not_built_says_how() {
        let response = Site::default().index(&HeaderMap::new());
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("npm run build"));
    }

    #[test]
    fn the_policy_lets_no_inline_script_run() {
        let scripts = POLICY
            .split(';')
            .find(|part| part.trim().starts_with("script-src"))
            .unwrap();
        assert_eq!(scripts.trim(), "script-src 'self'");
    }
}
