//! How often one client may ask.
//!
//! Each policy is a leaky bucket per address ([`address`](crate::address)), which is told in the standard headers (IETF
//! draft-ietf-httpapi-ratelimit-headers-10): `RateLimit-Policy` and `RateLimit`, and `Retry-After` where it is full. Who asks by
//! way of a believed proxy that does not say for whom is not counted.

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock, Reference},
    middleware::StateInformationMiddleware,
    state::keyed::HashMapStateStore,
};

use crate::{
    Problem,
    accounts::oidc::CALLBACK,
    address::{Client, NOWHERE, Proxies, household},
    limits::ADDRESSES_MAX,
};

pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(crate) const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The window that a policy is about, seconds.
const WINDOW_S: u32 = 60;

/// How often one client may ask, and who is a client.
#[derive(Debug, Clone, Default)]
pub struct RateLimits {
    /// Guests and accounts that one address may make in a minute, and how often it may log in, together; `None`: any number.
    pub guests_per_minute: Option<NonZeroU32>,
    /// Requests of this API from one address in a minute; `None`: any number.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Beacons of players from one address in a minute; `None`: any number.
    pub beacons_per_minute: Option<NonZeroU32>,
    /// The proxies that are believed.
    pub proxies: Proxies,
}

type Buckets = RateLimiter<
    Option<IpAddr>,
    HashMapStateStore<Option<IpAddr>>,
    DefaultClock,
    StateInformationMiddleware,
>;

/// One policy with the buckets of its clients.
#[derive(Debug)]
struct Policy {
    name: &'static str,
    per_minute: NonZeroU32,
    buckets: Buckets,
    clock: DefaultClock,
}

/// Where somebody becomes somebody: each costs a signature, the hash of a password, or a question to an issuer.
const NEWCOMERS: [(Method, &str); 5] = [
    (Method::POST, fanwave_wire::path::GUESTS),
    (Method::POST, "/api/v1/accounts"),
    (Method::POST, "/api/v1/sessions"),
    (Method::POST, "/api/v1/setup"),
    (Method::GET, CALLBACK),
];

/// Where pages tell how their pictures play.
const BEACONS: [(Method, &str); 1] = [(Method::POST, "/api/v1/channels/{id}/quality")];

/// What a policy says to a request.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// Requests that are left at once.
    remaining: u32,
    /// Until when not, if this one is one too many.
    wait: Option<Duration>,
}

impl Policy {
    fn new(name: &'static str, per_minute: NonZeroU32) -> Self {
        let buckets = RateLimiter::hashmap(Quota::per_minute(per_minute));
        Self {
            name,
            per_minute,
            buckets: buckets.with_middleware(),
            clock: DefaultClock::default(),
        }
    }

    fn ask(&self, client: IpAddr) -> Said {
        let mut bucket = Some(household(client));
        if self.buckets.len() >= ADDRESSES_MAX {
            self.buckets.retain_recent();
            if self.buckets.len() >= ADDRESSES_MAX {
                // Whoever comes when all are taken shares the last one.
                bucket = None;
            }
        }
        match self.buckets.check_key(&bucket) {
            Ok(state) => Said {
                remaining: state.remaining_burst_capacity(),
                wait: None,
            },
            Err(until) => Said {
                remaining: 0,
                wait: Some(self.wait(&until)),
            },
        }
    }

    fn wait<P: Reference>(&self, until: &NotUntil<P>) -> Duration
    where
        DefaultClock: Clock<Instant = P>,
    {
        until.wait_time_from(self.clock.now())
    }

    /// Seconds until all of it is there again.
    fn reset_s(&self, said: &Said) -> u64 {
        let missing = u64::from(self.per_minute.get().saturating_sub(said.remaining));
        (missing * u64::from(WINDOW_S)).div_ceil(u64::from(self.per_minute.get()))
    }
}

/// All policies.
#[derive(Debug)]
pub(crate) struct Limiter {
    proxies: Proxies,
    requests: Option<Policy>,
    guests: Option<Policy>,
    beacons: Option<Policy>,
}

impl Limiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let policy = |name, limit: Option<NonZeroU32>| limit.map(|limit| Policy::new(name, limit));
        Self {
            proxies: limits.proxies,
            requests: policy("requests", limits.requests_per_minute),
            guests: policy("guests", limits.guests_per_minute),
            beacons: policy("beacons", limits.beacons_per_minute),
        }
    }

    /// Those that a request comes under.
    fn policies(&self, method: &Method, route: Option<&MatchedPath>) -> Vec<&Policy> {
        let is_one_of = |places: &[(Method, &str)]| {
            let comes = |route: &MatchedPath| {
                let mut places = places.iter();
                places.any(|(by, place)| by == method && *place == route.as_str())
            };
            route.is_some_and(comes)
        };
        let guests = self.guests.as_ref().filter(|_| is_one_of(&NEWCOMERS));
        let beacons = self.beacons.as_ref().filter(|_| is_one_of(&BEACONS));
        self.requests.iter().chain(guests).chain(beacons).collect()
    }
}

/// Lets a request pass on to `next` that is not one too many, and tells how many are left.
pub(crate) async fn limit<N>(
    limiter: &Limiter,
    mut request: Request,
    next: impl FnOnce(Request) -> N,
) -> Response
where
    N: Future<Output = Response>,
{
    let policies = limiter.policies(request.method(), request.extensions().get());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(NOWHERE, |ConnectInfo(peer)| *peer);
    let client = limiter.proxies.client(peer, request.headers());
    request.extensions_mut().insert(Client(client));
    let (Some(client), false) = (client, policies.is_empty()) else {
        return next(request).await;
    };
    let said: Vec<(&Policy, Said)> = policies
        .into_iter()
        .map(|policy| (policy, policy.ask(client)))
        .collect();
    let wait = said.iter().filter_map(|(_, said)| said.wait).max();
    let mut response = match wait {
        Some(wait) => refuse(wait),
        None => next(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(POLICY, policy_header(&said));
    headers.insert(LIMIT, limit_header(&said));
    response
}

fn refuse(wait: Duration) -> Response {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let words = format!("too many requests from this address: ask again in {seconds} s");
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", words);
    let mut response = problem.into_response();
    let retry = HeaderValue::from(seconds.max(1));
    response.headers_mut().insert(header::RETRY_AFTER, retry);
    response
}

fn policy_header(said: &[(&Policy, Said)]) -> HeaderValue {
    list(said, |text, policy, _| {
        write!(
            text,
            "\"{}\";q={};w={WINDOW_S}",
            policy.name, policy.per_minute
        )
    })
}

fn limit_header(said: &[(&Policy, Said)]) -> HeaderValue {
    list(said, |text, policy, said| {
        let reset = policy.reset_s(said);
        write!(text, "\"{}\";r={};t={reset}", policy.name, said.remaining)
    })
}

fn list(
    said: &[(&Policy, Said)],
    write: impl Fn(&mut String, &Policy, &Said) -> std::fmt::Result,
) -> HeaderValue {
    let mut text = String::new();
    for (policy, said) in said {
        if !text.is_empty() {
            text.push_str(", ");
        }
        // Writing to a String cannot fail.
        let _ = write(&mut text, policy, said);
    }
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn a_minute_has_so_many_and_each_client_has_its_own() {
        let policy = Policy::new("guests", NonZeroU32::new(3).unwrap());
        let left: Vec<u32> = (0..3).map(|_| policy.ask(client(1)).remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = policy.ask(client(1));
        let wait = refused.wait.unwrap();
        assert!(
            wait <= Duration::from_secs(20),
            "one comes back in {wait:?}"
        );
        assert_eq!((refused.remaining, policy.reset_s(&refused)), (0, 60));
        assert_eq!(policy.ask(client(2)).wait, None);
    }

    #[test]
    fn more_addresses_than_are_remembered_share_one_bucket() {
        let policy = Policy::new("guests", NonZeroU32::new(2).unwrap());
        let most = u32::try_from(ADDRESSES_MAX).unwrap();
        for number in 0..most {
            assert_eq!(policy.ask(client(number)).wait, None);
        }
        let late: Vec<bool> = (most..most + 3)
            .map(|number| policy.ask(client(number)).wait.is_none())
            .collect();
        assert_eq!(late, [true, true, false]);
        assert!(policy.buckets.len() <= ADDRESSES_MAX + 1);
    }
}
