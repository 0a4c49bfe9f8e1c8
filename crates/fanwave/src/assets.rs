//! The web pages, embedded into the binary, and the headers under which they are safe to serve.
//!
//! | Path | What | Cached |
//! |---|---|---|
//! | `/`, `/watch/{channel}` | `index.html`, the watch page | asked for again every time, by its tag |
//! | `/docs` | `docs.html`, the page of the API | the same |
//! | `/studio`, `/studio/{channel}` | `studio.html`, the page of the people behind a show | the same |
//! | `/overlay/{channel}` | `overlay.html`, the chat to lay over a picture in OBS | the same |
//! | `/embed/{channel}` | `embed.html`, a show in a frame of somebody else's page: only with a signed query (`embed`) | the same |
//! | `/embed/fanwave.js` | the elements for other pages; like all below `/embed/`, pages of any origin may load it | the same |
//! | `/assets/...`, `/embed/assets/...` | files with a hash of their content in the name | for ever |
//! | any other file of the page | icons and the like | for an hour |
//!
//! Everything goes out in the smallest form that is taken: packed with Brotli when the page was built (`X.br` beside `X`),
//! or with gzip when it is first asked for. When the page was not built, `/` says so and how.

mod coding;

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use fanwave_api::{Region, Regions};
use fanwave_wire::token::TokenKey;
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;

use self::coding::Coding;
use crate::{clock, embed};

/// What `npm run build` leaves behind.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct Page;

/// What a file is called that was packed with Brotli, behind the name of what is in it.
const BROTLI: &str = ".br";

/// Files smaller than this are not worth compressing.
const COMPRESS_FROM_BYTES: usize = 1024;

/// What the page may do. Scripts only from here, so that a message that got through every other defence still cannot
/// run; `blob:` is how a player hands media to the browser. Nothing inline, no worker, no frame, no plug-in.
///
/// Chat, API and shows may come from other regions, each named: its pictures, its media, its requests and its sockets.
fn policy(regions: &Regions) -> String {
    let (mut files, mut sockets) = (String::new(), String::new());
    for Region { url, .. } in &regions.ranked {
        // To a browser `http:` is no socket's scheme.
        let socket = url.replacen("http", "ws", 1);
        files.extend([" ", url]);
        sockets.extend([" ", url, " ", &socket]);
    }
    format!(
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:{files}; \
         media-src 'self' blob:{files}; worker-src 'none'; connect-src 'self'{sockets}; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )
}

/// What `/` says when there is no page to embed.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Fanwave</title>\
    <h1>The watch page is not in this binary</h1>\
    <p>This server was compiled before its web page was built. Build both, in this order:</p>\
    <pre>cd web &amp;&amp; npm ci &amp;&amp; npm run build\ncargo build --release --package fanwave</pre>\
    <p><code>make run</code> does all of it. The broadcast and the chat work without the page.</p></html>\n";

/// The headers of every answer of the server, where the handler has not set its own.
pub fn security_headers(regions: &Regions) -> Vec<(HeaderName, HeaderValue)> {
    let policy = HeaderValue::from_str(&policy(regions))
        .expect("the addresses of regions have been checked: they are origins");
    let mut headers = vec![(header::CONTENT_SECURITY_POLICY, policy)];
    headers.extend(FIXED_HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers
}

/// Those that are the same for every server.
const FIXED_HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// One file, ready to be sent.
#[derive(Debug)]
struct Asset {
    plain: Bytes,
    /// As it was packed with the page; nothing where that saved nothing.
    brotli: Option<Bytes>,
    /// Compressed when it is first asked for; `None` inside when that saves nothing.
    gzip: OnceLock<Option<Bytes>>,
    kind: HeaderValue,
    cache: HeaderValue,
    tag: HeaderValue,
    /// Pages of any origin may load it.
    for_all: bool,
}

/// The page of those who watch.
const WATCH: &str = "index.html";

/// The page of those who write programs.
const DOCS: &str = "docs.html";

/// The page of those who make the show, keep its chat in order and run the servers.
const STUDIO: &str = "studio.html";

/// The chat as it is laid over a picture.
const OVERLAY: &str = "overlay.html";

/// The show as it is framed by other pages.
const EMBED: &str = "embed.html";

/// What a module script of another origin is loaded with (HTML standard, "fetch a single module script"). What is public
/// may be read by everybody.
const FOR_ALL_ORIGINS: HeaderValue = HeaderValue::from_static("*");

/// The files of the pages by their path, without a slash in front.
#[derive(Debug, Default)]
struct Site {
    assets: std::collections::BTreeMap<String, Asset>,
}

/// The frames, and the key that their addresses are signed with.
#[derive(Debug, Clone)]
struct Frames {
    site: Arc<Site>,
    key: TokenKey,
    /// Of a page that nobody else frames.
    policy: Arc<str>,
}

/// The routes of the pages: `/`, `/watch/{channel}`, `/docs`, `/studio`, `/studio/{channel}`, `/overlay/{channel}`,
/// `/embed/{channel}`, and every file of them.
pub fn router(key: TokenKey, regions: &Regions) -> Router {
    let site = Arc::new(Site::embedded());
    let frames = Frames {
        site: Arc::clone(&site),
        key,
        policy: policy(regions).into(),
    };
    let frames = Router::new()
        .route("/embed/{channel}", get(frame))
        .with_state(frames);
    Router::new()
        .route("/", get(index))
        .route("/watch", get(index))
        .route("/watch/{channel}", get(watch))
        .route("/docs", get(docs))
        .route("/studio", get(studio))
        .route("/studio/{channel}", get(studio))
        .route("/overlay/{channel}", get(overlay))
        // A channel may be called as a file is; the file was there first.
        .route("/embed/fanwave.js", get(file))
        .route("/embed/frame.js", get(file))
        .fallback(get(file))
        .with_state(site)
        .merge(frames)
}

async fn index(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    site.page(WATCH, &headers)
}

async fn docs(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    site.page(DOCS, &headers)
}

/// The page itself finds out who is asking, and what they may see.
async fn studio(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    site.page(STUDIO, &headers)
}

/// The page itself finds out whether there is such a channel.
async fn watch(
    State(site): State<Arc<Site>>,
    Path(_): Path<String>,
    headers: HeaderMap,
) -> Response {
    site.page(WATCH, &headers)
}

/// As `watch`.
async fn overlay(
    State(site): State<Arc<Site>>,
    Path(_): Path<String>,
    headers: HeaderMap,
) -> Response {
    site.page(OVERLAY, &headers)
}

/// Whether the framing page may is for the browser to say, by the policy; whether the address may name it, for us.
async fn frame(
    State(Frames { site, key, policy }): State<Frames>,
    Path(channel): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let policy = embed::ancestors(&key, &channel, &query, clock::now()).map(|ancestors| {
        // A policy of legal origins is a legal header.
        HeaderValue::try_from(framed_by(&policy, &ancestors)).ok()
    });
    match policy {
        Ok(Some(policy)) => {
            let mut response = site.page(EMBED, &headers);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
            response.extensions_mut().insert(Framed);
            response
        }
        Ok(None) => embed_refused(embed::Refusal::Unsigned),
        Err(refusal) => embed_refused(refusal),
    }
}

/// Marks the answer of a page that others may frame: `X-Frame-Options` knows no list.
#[derive(Debug, Clone, Copy)]
pub struct Framed;

/// The policy of a page that these origins may frame, and nobody else.
fn framed_by(policy: &str, ancestors: &str) -> String {
    policy.replace(
        "frame-ancestors 'self'",
        &format!("frame-ancestors {ancestors}"),
    )
}

fn embed_refused(refusal: embed::Refusal) -> Response {
    fanwave_api::Problem::new(StatusCode::FORBIDDEN, "embed_refused", refusal.to_string())
        .into_response()
}

async fn file(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Response {
    match site.assets.get(uri.path().trim_start_matches('/')) {
        Some(asset) => asset.answer(&headers),
        None => fanwave_api::Problem::not_found().into_response(),
    }
}

impl Site {
    fn embedded() -> Self {
        let files = Page::iter().filter(|path| !path.ends_with(BROTLI));
        let assets = files.filter_map(|path| {
            let file = Page::get(&path)?;
            let packed = Page::get(&format!("{path}{BROTLI}")).map(|packed| packed.data);
            let asset = Asset::new(&path, (file.data, packed), &file.metadata)?;
            Some((path.into_owned(), asset))
        });
        Self {
            assets: assets.collect(),
        }
    }

    fn page(&self, name: &str, headers: &HeaderMap) -> Response {
        match self.assets.get(name) {
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
    /// From a file and what it was packed to, if it was; `None` for a file whose type cannot be told in a header.
    fn new(
        path: &str,
        (plain, packed): (Cow<'static, [u8]>, Option<Cow<'static, [u8]>>),
        metadata: &rust_embed::Metadata,
    ) -> Option<Self> {
        let bytes = |data: Cow<'static, [u8]>| match data {
            Cow::Borrowed(data) => Bytes::from_static(data),
            Cow::Owned(data) => Bytes::from(data),
        };
        let mut kind = metadata.mimetype().to_owned();
        if kind.starts_with("text/") {
            kind.push_str("; charset=utf-8");
        }
        let cache = match path {
            WATCH | DOCS | STUDIO | OVERLAY | EMBED => "no-cache",
            _ if path.starts_with("assets/") || path.starts_with("embed/assets/") => {
                "public, max-age=31536000, immutable"
            }
            // The pages that load these are not ours: their names stay, and what they load is found under its hash.
            _ if path.starts_with("embed/") => "no-cache",
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
            plain: bytes(plain),
            brotli: packed.map(bytes),
            gzip: OnceLock::new(),
            kind: kind.parse().ok()?,
            cache: HeaderValue::from_static(cache),
            tag: tag.parse().ok()?,
            for_all: path.starts_with("embed/"),
        })
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::CACHE_CONTROL, self.cache.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if self.for_all {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, FOR_ALL_ORIGINS);
        }
        if lists(
            asked,
            header::IF_NONE_MATCH,
            self.tag.to_str().unwrap_or_default(),
        ) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, self.kind.clone());
        let (body, coding) = self.form(asked);
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        (headers, Body::from(body)).into_response()
    }

    /// What is sent, and how it is packed.
    fn form(&self, asked: &HeaderMap) -> (Bytes, Option<&'static str>) {
        let accepted = asked.get_all(header::ACCEPT_ENCODING);
        let packed = match coding::best(accepted, self.brotli.is_some()) {
            Coding::Brotli => self.brotli.clone().map(|body| (body, Some("br"))),
            Coding::Gzip => self.gzipped().map(|body| (body, Some("gzip"))),
            Coding::Plain => None,
        };
        packed.unwrap_or_else(|| (self.plain.clone(), None))
    }

    fn gzipped(&self) -> Option<Bytes> {
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

/// Whether one of a header's comma-separated values is this one; a weak tag counts as its strong one (RFC 9110,
/// section 13.1.2).
fn lists(headers: &HeaderMap, name: HeaderName, value: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    values
        .map(str::trim)
        .any(|entry| entry.strip_prefix("W/").unwrap_or(entry) == value)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// What other pages load.
    const ELEMENTS: &str = "embed/fanwave.js";

    fn site() -> Site {
        let asset = |path: &str, kind: &str, body: &'static [u8]| Asset {
            plain: Bytes::from_static(body),
            brotli: (path == "assets/b.js").then(|| Bytes::from_static(b"packed")),
            gzip: OnceLock::new(),
            kind: kind.parse().unwrap(),
            cache: HeaderValue::from_static(if path == "index.html" {
                "no-cache"
            } else {
                "immutable"
            }),
            tag: HeaderValue::from_static("\"tag\""),
            for_all: path.starts_with("embed/"),
        };
        let page = asset("index.html", "text/html; charset=utf-8", b"<!doctype html>");
        let script = asset("assets/a.js", "text/javascript", &[b'a'; 4096]);
        let packed = asset("assets/b.js", "text/javascript", &[b'b'; 4096]);
        let elements = asset(ELEMENTS, "text/javascript", b"export {};");
        Site {
            assets: [
                (ELEMENTS.to_owned(), elements),
                ("index.html".to_owned(), page),
                ("assets/a.js".to_owned(), script),
                ("assets/b.js".to_owned(), packed),
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

    #[tokio::test]
    async fn what_was_packed_with_the_page_goes_out_so_to_who_takes_it() {
        let site = site();
        let script = &site.assets["assets/b.js"];
        for (accepted, coding) in [
            ("gzip, br", Some("br")),
            ("gzip, br;q=0", Some("gzip")),
            ("", None),
        ] {
            let response = script.answer(&asking(header::ACCEPT_ENCODING, accepted));
            let headers = response.headers();
            let sent = headers
                .get(header::CONTENT_ENCODING)
                .map(|value| value.to_str().unwrap());
            assert_eq!(sent, coding, "{accepted}");
            assert_eq!(headers[header::VARY], "accept-encoding");
            assert_eq!(headers[header::CONTENT_TYPE], "text/javascript");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body == "packed", coding == Some("br"), "{accepted}");
        }
    }

    #[test]
    fn a_known_tag_is_not_sent_again() {
        let site = site();
        for tag in ["\"tag\"", "W/\"tag\"", "\"other\", \"tag\""] {
            let response = site.page(WATCH, &asking(header::IF_NONE_MATCH, tag));
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tag}");
        }
        let response = site.page(WATCH, &asking(header::IF_NONE_MATCH, "\"old\""));
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
        let response = Site::default().page(WATCH, &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("npm run build"));
    }

    #[test]
    fn the_policy_lets_no_inline_script_run() {
        let scripts = part_of(&policy(&Regions::default()), "script-src");
        assert_eq!(scripts, "script-src 'self'");
    }

    #[test]
    fn the_policy_lets_the_page_reach_the_regions_and_nobody_else() {
        let alone = policy(&Regions::default());
        assert_eq!(part_of(&alone, "connect-src"), "connect-src 'self'");
        let region = |name: &str, url: &str| Region {
            name: name.into(),
            url: url.into(),
        };
        let two = policy(&Regions {
            here: None,
            ranked: vec![
                region("seoul", "https://kr.example"),
                region("lab", "http://127.0.0.1:8081"),
            ],
        });
        assert_eq!(
            part_of(&two, "connect-src"),
            "connect-src 'self' https://kr.example wss://kr.example http://127.0.0.1:8081 ws://127.0.0.1:8081"
        );
        assert_eq!(
            part_of(&two, "media-src"),
            "media-src 'self' blob: https://kr.example http://127.0.0.1:8081"
        );
        for part in ["default-src", "script-src", "style-src", "form-action"] {
            assert_eq!(part_of(&two, part), part_of(&alone, part));
        }
    }

    fn part_of(policy: &str, name: &str) -> String {
        let part = policy.split("; ").find(|part| part.starts_with(name));
        part.unwrap_or_else(|| panic!("the policy says nothing of {name}"))
            .to_owned()
    }

    #[test]
    fn a_framed_page_has_the_same_policy_but_for_who_frames_it() {
        let alone = policy(&Regions::default());
        let framed = framed_by(&alone, "https://a.example https://b.example");
        assert_eq!(
            framed.replace("https://a.example https://b.example", "'self'"),
            alone
        );
        assert_ne!(framed, alone);
    }

    #[test]
    fn only_what_is_for_other_pages_may_be_loaded_by_them() {
        let site = site();
        let name = header::ACCESS_CONTROL_ALLOW_ORIGIN;
        for (path, asset) in &site.assets {
            let answer = asset.answer(&HeaderMap::new());
            let allowed = answer.headers().get(&name);
            assert_eq!(allowed.is_some(), path.starts_with("embed/"), "{path}");
        }
        let known = asking(header::IF_NONE_MATCH, "\"tag\"");
        assert_eq!(site.assets[ELEMENTS].answer(&known).headers()[&name], "*");
    }
}
