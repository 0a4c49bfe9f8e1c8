//! Idempotency keys: a request that is sent again is not done again (IETF draft-ietf-httpapi-idempotency-key-header-07).
//!
//! A `POST` may name itself in the header `Idempotency-Key`. Sent again with the same token, or from the same address, and with the same body, it is answered
//! with the first answer. What is remembered is what has been done: an answer that refuses is forgotten, and its key may
//! be used again. It is remembered by this process alone, for [`KEY_LIFE`], and at most [`KEYS_MAX`] keys and [`KEPT_BYTES_MAX`]
//! bytes of answers, of which the oldest go first.
//!
//! The body decides whether two requests are the same, and only [`guests::read`](crate::guests) reads bodies. So the layer
//! gives the request a [`Ticket`], the reader shows it the body and is told whether to go on, and the layer keeps the answer.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{
    Problem,
    access::API_KEY,
    address::Client,
    limits::{ANSWER_BYTES_MAX, KEPT_BYTES_MAX, KEY_CHARS_MAX, KEY_LIFE, KEYS_MAX},
};

pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A print of bytes that nobody can aim at: keyed with what only this process knows.
type Print = u128;

/// An answer that can be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Debug)]
enum Stage {
    /// It is being done.
    Begun,
    /// It was done, and this was answered.
    Done(Kept),
}

#[derive(Debug)]
struct Known {
    body: Print,
    at: Instant,
    stage: Stage,
}

/// What is known of a request that names itself.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is new: do it.
    New,
    /// It is being done.
    UnderWay,
    /// Another request has this name.
    Another,
    /// It was done.
    Done(Kept),
}

#[derive(Debug, Default)]
struct Shelf {
    known: HashMap<Print, Known>,
    /// The names with their times, the oldest first.
    order: VecDeque<(Instant, Print)>,
    kept_bytes: usize,
}

impl Shelf {
    fn begin(&mut self, now: Instant, name: Print, body: Print) -> Verdict {
        self.forget(now);
        match self.known.get(&name) {
            Some(known) if known.body != body => return Verdict::Another,
            Some(Known {
                stage: Stage::Begun,
                ..
            }) => return Verdict::UnderWay,
            Some(Known {
                stage: Stage::Done(kept),
                ..
            }) => return Verdict::Done(kept.clone()),
            None => {}
        }
        let stage = Stage::Begun;
        let at = now;
        self.known.insert(name, Known { body, at, stage });
        self.order.push_back((now, name));
        Verdict::New
    }

    /// Keeps what was answered, if something was done.
    fn end(&mut self, now: Instant, name: Print, answer: Option<Kept>) {
        let Some(known) = self.known.get_mut(&name) else {
            return;
        };
        match answer {
            Some(kept) => {
                self.kept_bytes += kept.body.len();
                known.stage = Stage::Done(kept);
            }
            None => {
                let at = known.at;
                self.known.remove(&name);
                self.order.retain(|entry| *entry != (at, name));
            }
        }
        self.forget(now);
    }

    /// Forgets what is too old, and the oldest of what is too much.
    fn forget(&mut self, now: Instant) {
        while let Some(&(at, name)) = self.order.front() {
            let is_old = now.saturating_duration_since(at) >= KEY_LIFE;
            let is_much = self.known.len() >= KEYS_MAX || self.kept_bytes > KEPT_BYTES_MAX;
            if !is_old && !is_much {
                return;
            }
            self.order.pop_front();
            if let Some(Known {
                stage: Stage::Done(kept),
                ..
            }) = self.known.remove(&name)
            {
                self.kept_bytes -= kept.body.len();
            }
        }
    }
}

/// What was done lately, by name.
#[derive(Debug)]
pub(crate) struct Memory {
    shelf: Mutex<Shelf>,
    hasher: SipHasher13,
}

impl Memory {
    pub(crate) fn new() -> Self {
        // A process without randomness has refused to start long before.
        let mut key = [0; 16];
        let _ = getrandom::fill(&mut key);
        Self {
            shelf: Mutex::default(),
            hasher: SipHasher13::new_with_key(&key),
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A print of several texts, which are told apart.
    fn print(&self, texts: &[&[u8]]) -> Print {
        let mut hasher = self.hasher;
        for text in texts {
            hasher.write_usize(text.len());
            hasher.write(text);
        }
        hasher.finish128().as_u128()
    }
}

/// Goes with a request that names itself.
#[derive(Debug, Clone)]
pub(crate) struct Ticket(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    memory: Arc<Memory>,
    name: Print,
    verdict: Mutex<Option<Verdict>>,
}

impl Ticket {
    /// Shows the body of the request.
    ///
    /// # Errors
    ///
    /// The request is not to be done. Where it was done before, the layer answers in place of this.
    pub(crate) fn show(&self, body: &[u8]) -> Result<(), Problem> {
        let shown = &self.0;
        let print = shown.memory.print(&[body]);
        let verdict = shown
            .memory
            .shelf()
            .begin(Instant::now(), shown.name, print);
        let answer = match verdict {
            Verdict::New => Ok(()),
            Verdict::UnderWay | Verdict::Done(_) => Err(Problem::new(
                StatusCode::CONFLICT,
                "idempotency_key_in_use",
                "the request of this Idempotency-Key is being answered: wait for its answer",
            )),
            Verdict::Another => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "another body was sent with this Idempotency-Key: a new request needs a new one",
            )),
        };
        *shown.verdict() = Some(verdict);
        answer
    }

    fn is_new(&self) -> bool {
        *self.0.verdict() == Some(Verdict::New)
    }

    /// It was done, and this is answered.
    fn end(&self, answer: Kept) {
        let shown = &self.0;
        *shown.verdict() = None;
        let now = Instant::now();
        shown.memory.shelf().end(now, shown.name, Some(answer));
    }
}

impl Shown {
    fn verdict(&self) -> MutexGuard<'_, Option<Verdict>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever was refused, has gone away, or whose handler has panicked, may come again.
impl Drop for Shown {
    fn drop(&mut self) {
        if *self.verdict() == Some(Verdict::New) {
            self.memory.shelf().end(Instant::now(), self.name, None);
        }
    }
}

/// Answers a request that names itself, once.
pub(crate) async fn once(memory: Arc<Memory>, mut request: Request, next: Next) -> Response {
    let key = match key(request.method(), request.headers()) {
        Ok(Some(key)) => key,
        Ok(None) => return next.run(request).await,
        Err(problem) => return problem.into_response(),
    };
    let name = memory.print(&[
        &asker(&request),
        request.uri().path().as_bytes(),
        key.as_bytes(),
    ]);
    let ticket = Ticket(Arc::new(Shown {
        memory,
        name,
        verdict: Mutex::default(),
    }));
    request.extensions_mut().insert(ticket.clone());
    let response = next.run(request).await;
    if ticket.is_new() {
        return keep(&ticket, response).await;
    }
    let verdict = ticket.0.verdict().take();
    match verdict {
        Some(Verdict::Done(kept)) => again(kept),
        Some(Verdict::New | Verdict::UnderWay | Verdict::Another) => response,
        None => {
            debug_assert!(
                !response.status().is_success(),
                "a handler of a POST reads the body, be it none: or it cannot know that it was asked before"
            );
            response
        }
    }
}

/// Who says so: a token, and otherwise an address.
fn asker(request: &Request) -> Vec<u8> {
    let shown = [header::AUTHORIZATION, API_KEY];
    if let Some(token) = shown.iter().find_map(|name| request.headers().get(name)) {
        return token.as_bytes().to_vec();
    }
    let client = request.extensions().get::<Client>();
    let address = client.and_then(|Client(address)| *address);
    address.map_or_else(Vec::new, |address| address.to_string().into_bytes())
}

fn again(kept: Kept) -> Response {
    let mut response = (kept.status, kept.headers, kept.body).into_response();
    let yes = HeaderValue::from_static("true");
    response.headers_mut().insert(REPLAYED, yes);
    response
}

async fn keep(ticket: &Ticket, response: Response) -> Response {
    if !response.status().is_success() {
        return response;
    }
    let (head, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await else {
        tracing::error!("an answer was too large to be kept for its idempotency key");
        return Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "it was done, but the answer is too large to be kept",
        )
        .into_response();
    };
    ticket.end(Kept {
        status: head.status,
        headers: head.headers.clone(),
        body: body.clone(),
    });
    Response::from_parts(head, Body::from(body))
}

/// The name of the request, if it has one: a string of structured fields (RFC 9651, section 3.3.3), or the same bare.
fn key(method: &Method, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    if method != Method::POST {
        return Ok(None);
    }
    let mut lines = headers.get_all(KEY).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let key = line
        .to_str()
        .ok()
        .and_then(bare)
        .filter(|_| lines.next().is_none());
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "idempotency_key_malformed",
            format!("an Idempotency-Key is 1 to {KEY_CHARS_MAX} of A-Z a-z 0-9 - _ . :, in quotes or not"),
        )
    })
}

fn bare(line: &str) -> Option<&str> {
    let inner = line.strip_prefix('"').map(|rest| rest.strip_suffix('"'));
    let key = inner.unwrap_or(Some(line))?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    ((1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(legal)).then_some(key)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn kept(bytes: usize) -> Kept {
        Kept {
            status: StatusCode::CREATED,
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b'x'; bytes]),
        }
    }

    #[test]
    fn keys_are_read_with_quotes_or_without() {
        for (line, key) in [
            ("8e03978e-40d5-43e8", Some("8e03978e-40d5-43e8")),
            ("\"8e03978e\"", Some("8e03978e")),
            ("\"8e03978e", None),
            ("8e03978e\"", None),
            ("", None),
            ("\"\"", None),
            ("\"", None),
            ("a b", None),
            ("é", None),
        ] {
            assert_eq!(bare(line), key, "{line}");
        }
        assert!(bare(&"k".repeat(KEY_CHARS_MAX)).is_some());
        assert!(bare(&"k".repeat(KEY_CHARS_MAX + 1)).is_none());
    }

    #[test]
    fn what_was_done_is_answered_again_and_what_was_not_is_done() {
        let now = Instant::now();
        let mut shelf = Shelf::default();
        assert_eq!(shelf.begin(now, 1, 10), Verdict::New);
        assert_eq!(shelf.begin(now, 1, 10), Verdict::UnderWay);
        assert_eq!(shelf.begin(now, 1, 11), Verdict::Another);
        shelf.end(now, 1, Some(kept(3)));
        assert_eq!(shelf.begin(now, 1, 10), Verdict::Done(kept(3)));
        assert_eq!(shelf.begin(now, 1, 11), Verdict::Another);

        assert_eq!(shelf.begin(now, 2, 10), Verdict::New);
        shelf.end(now, 2, None);
        assert_eq!(shelf.begin(now, 2, 11), Verdict::New);

        let later = now + KEY_LIFE;
        assert_eq!(shelf.begin(later, 1, 12), Verdict::New);
        assert_eq!(shelf.known.len(), 1, "the others are forgotten");
        assert_eq!((shelf.order.len(), shelf.kept_bytes), (1, 0));
    }

    #[test]
    fn no_more_is_remembered_than_may_be() {
        let now = Instant::now();
        let mut shelf = Shelf::default();
        for name in 0..=KEYS_MAX as u128 {
            let at = now + Duration::from_millis(u64::try_from(name).unwrap());
            assert_eq!(shelf.begin(at, name, 1), Verdict::New);
            shelf.end(at, name, Some(kept(1)));
        }
        assert!(shelf.known.len() <= KEYS_MAX);
        assert_eq!(shelf.known.len(), shelf.order.len());
        assert!(!shelf.known.contains_key(&0), "the oldest goes first");
        let large = KEPT_BYTES_MAX / ANSWER_BYTES_MAX + 2;
        for name in 0..large as u128 {
            assert_eq!(shelf.begin(now, u128::MAX - name, 1), Verdict::New);
            shelf.end(now, u128::MAX - name, Some(kept(ANSWER_BYTES_MAX)));
            assert!(shelf.kept_bytes <= KEPT_BYTES_MAX);
        }
    }

    proptest! {
        /// Against a list of all that was ever done: what is answered is what was done under that name, never anything else.
        #[test]
        fn no_request_has_the_answer_of_another(
            steps in prop::collection::vec((0_u128..6, 0_u128..3, 0_u8..4, 0_u64..2_000), 1..80),
        ) {
            let mut shelf = Shelf::default();
            let mut now = Instant::now();
            let mut done: Vec<(u128, u128, Kept)> = Vec::new();
            for (step, (name, body, what, pause_s)) in steps.into_iter().enumerate() {
                now += Duration::from_secs(pause_s);
                match shelf.begin(now, name, body) {
                    Verdict::New if what == 0 => shelf.end(now, name, None),
                    Verdict::New if what == 1 => {}
                    Verdict::New => {
                        done.retain(|(known, _, _)| *known != name);
                        done.push((name, body, kept(step)));
                        shelf.end(now, name, Some(kept(step)));
                    }
                    Verdict::Done(answer) => prop_assert!(done.contains(&(name, body, answer))),
                    Verdict::UnderWay | Verdict::Another => {}
                }
                let bytes = shelf.known.values().map(|known| match &known.stage {
                    Stage::Begun => 0,
                    Stage::Done(kept) => kept.body.len(),
                });
                prop_assert_eq!(bytes.sum::<usize>(), shelf.kept_bytes);
                prop_assert_eq!(shelf.known.len(), shelf.order.len());
            }
        }
    }
}
