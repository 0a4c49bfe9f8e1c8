//! How answers are delivered: status, type, compression, lifetimes, and what other origins may read.

use std::{net::IpAddr, time::Duration};

use super::secs;
use crate::{
    address::Address,
    finding::Fault,
    observation::{Answer, Asked, Http},
    rules::Rule,
};

/// The origin that requests say they come from.
pub const ORIGIN: &str = "https://judge.invalid";

/// A playlist shorter than this need not be compressed: gzip makes it no shorter.
const COMPRESS_BYTES_MIN: usize = 200;

/// Everything that one answer shows. `target` is the target duration, once it is known.
#[must_use]
pub fn check(asked: Asked, answer: &Answer, target: Option<Duration>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let is_playlist = asked != Asked::Media;
    connection(answer, &mut faults);
    if let Some(cookie) = answer.header("set-cookie") {
        let name = cookie.split('=').next().unwrap_or_default();
        faults.push(Fault::new(
            Rule::Cookie,
            format!("Set-Cookie: {name}=..."),
            "none",
        ));
    }
    if (500..600).contains(&answer.status) {
        let held = target.is_some_and(|target| answer.took() >= target * 5 / 2);
        if !(answer.status == 503 && asked == Asked::Blocking && held) {
            let seen = format!("status {}", answer.status);
            faults.push(Fault::new(Rule::Failed, seen, "an answer"));
        }
    }
    if matches!(answer.status, 200 | 206) {
        let is_empty = answer.body.is_empty();
        if is_empty && !is_playlist {
            faults.push(Fault::new(Rule::MediaMissing, "an empty answer", "media"));
        }
        types(is_playlist, answer, &mut faults);
        cross_origin(answer, &mut faults);
        priority(is_playlist, answer, &mut faults);
        if is_playlist && !answer.was_compressed && answer.body.len() >= COMPRESS_BYTES_MIN {
            let seen = format!(
                "{} bytes, Content-Encoding: {}",
                answer.body.len(),
                answer.header("content-encoding").unwrap_or("none")
            );
            faults.push(Fault::new(Rule::NotCompressed, seen, "gzip"));
        }
        if let Some(wrong) = &answer.bad_encoding {
            faults.push(Fault::new(
                Rule::Failed,
                format!("Content-Encoding: {wrong}"),
                "a body that can be decoded",
            ));
        }
    }
    lifetimes(asked, answer, target, &mut faults);
    faults
}

fn connection(answer: &Answer, faults: &mut Vec<Fault>) {
    if answer.is_https && answer.http < Http::V2 {
        faults.push(Fault::new(Rule::OldHttp, "HTTP/1.1 over TLS", "HTTP/2"));
    }
    let Ok(address) = Address::parse(&answer.url) else {
        return;
    };
    let (host, _) = address.host_and_port();
    let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if !answer.is_https && !is_local {
        faults.push(Fault::new(Rule::Unprotected, "http", "https"));
    }
}

fn types(is_playlist: bool, answer: &Answer, faults: &mut Vec<Fault>) {
    let value = answer.header("content-type").unwrap_or("none");
    let kind = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if is_playlist {
        if !matches!(
            kind.as_str(),
            "application/vnd.apple.mpegurl" | "audio/mpegurl"
        ) {
            let seen = format!("Content-Type: {value}");
            faults.push(Fault::new(
                Rule::PlaylistType,
                seen,
                "application/vnd.apple.mpegurl",
            ));
        }
        return;
    }
    let path = answer.url.split(['?', '#']).next().unwrap_or_default();
    let is_mp4 = [".m4s", ".mp4", ".cmfv", ".cmfa"]
        .iter()
        .any(|end| path.ends_with(end));
    if is_mp4 && !matches!(kind.as_str(), "video/mp4" | "audio/mp4" | "application/mp4") {
        let seen = format!("Content-Type: {value}");
        faults.push(Fault::new(Rule::MediaType, seen, "video/mp4 or audio/mp4"));
    }
}

fn cross_origin(answer: &Answer, faults: &mut Vec<Fault>) {
    let allowed = answer
        .header("access-control-allow-origin")
        .unwrap_or("none");
    if allowed != "*" && allowed != ORIGIN {
        let seen = format!("Access-Control-Allow-Origin: {allowed}");
        faults.push(Fault::new(
            Rule::CrossOrigin,
            seen,
            "* or the origin that asks",
        ));
        return;
    }
    let exposed = answer
        .header("access-control-expose-headers")
        .unwrap_or("none");
    let shows_age = exposed
        .split(',')
        .any(|name| matches!(name.trim().to_ascii_lowercase().as_str(), "*" | "age"));
    if !shows_age {
        let seen = format!("Access-Control-Expose-Headers: {exposed}");
        faults.push(Fault::new(
            Rule::CrossOrigin,
            seen,
            "Age among them, for tuning in behind a cache",
        ));
    }
}

fn priority(is_playlist: bool, answer: &Answer, faults: &mut Vec<Fault>) {
    let Some(value) = answer.header("priority") else {
        return;
    };
    let urgency = value
        .split(',')
        .find_map(|item| item.trim().strip_prefix("u=")?.parse::<u8>().ok());
    let allowed = if is_playlist { 1..=1 } else { 2..=6 };
    if urgency.is_none_or(|urgency| !allowed.contains(&urgency)) {
        let expected = if is_playlist { "u=1" } else { "u=2 to u=6" };
        faults.push(Fault::new(
            Rule::Priority,
            format!("Priority: {value}"),
            expected,
        ));
    }
}

/// For how long a shared cache may keep an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    /// Nothing is said.
    Unsaid,
    /// Not at all, or not without asking.
    Never,
    /// So long.
    Seconds(u64),
}

fn lifetime(answer: &Answer) -> Lifetime {
    let (mut max_age, mut shared) = (None, None);
    let Some(value) = answer.header("cache-control") else {
        return Lifetime::Unsaid;
    };
    for directive in value.to_ascii_lowercase().split(',') {
        let (name, value) = directive
            .trim()
            .split_once('=')
            .unwrap_or((directive.trim(), ""));
        match name {
            "no-store" | "no-cache" | "private" => return Lifetime::Never,
            "max-age" => max_age = value.trim_matches('"').parse().ok(),
            "s-maxage" => shared = value.trim_matches('"').parse().ok(),
            _ => {}
        }
    }
    shared
        .or(max_age)
        .map_or(Lifetime::Unsaid, Lifetime::Seconds)
}

/// The header Age, which a player tunes in by.
fn age(answer: &Answer, cached: Lifetime) -> Option<Fault> {
    let age = answer.header("age")?;
    let is_fine = match (age.trim().parse::<u64>(), cached) {
        (Ok(age), Lifetime::Seconds(lives)) => age <= lives,
        (Ok(_), Lifetime::Never | Lifetime::Unsaid) => true,
        (Err(_), _) => false,
    };
    (!is_fine).then(|| {
        let said = answer.header("cache-control").unwrap_or("none");
        let seen = format!("Age: {age}, Cache-Control: {said}");
        Fault::new(Rule::AgeWrong, seen, "whole seconds, within the lifetime")
    })
}

fn lifetimes(asked: Asked, answer: &Answer, target: Option<Duration>, faults: &mut Vec<Fault>) {
    let cached = lifetime(answer);
    let said = || {
        format!(
            "Cache-Control: {}",
            answer.header("cache-control").unwrap_or("none")
        )
    };
    faults.extend(age(answer, cached));
    let Some(target) = target else { return };
    let seconds = match cached {
        Lifetime::Seconds(seconds) => Some(Duration::from_secs(seconds)),
        Lifetime::Never | Lifetime::Unsaid => None,
    };
    if answer.status >= 400 {
        let most = if asked == Asked::Blocking {
            target * 4
        } else {
            target
        };
        let most = most.max(Duration::from_secs(1));
        if seconds.is_some_and(|seconds| seconds > most) {
            let expected = format!("at most {}, or no-store", secs(most));
            faults.push(Fault::new(
                Rule::ErrorLifetime,
                format!("status {}, {}", answer.status, said()),
                expected,
            ));
        }
        return;
    }
    if !matches!(answer.status, 200 | 206) {
        return;
    }
    let (rule, least, most, best) = match asked {
        // An ended playlist, or one behind a cache that knows better, may live longer than is recommended; a live one
        // is useless for tuning in when it is older than a target duration.
        Asked::Plain | Asked::Multivariant => (
            Rule::PlainLifetime,
            Duration::from_secs(1),
            target.max(Duration::from_secs(1)),
            target / 2,
        ),
        Asked::Blocking => (
            Rule::BlockingLifetime,
            target * 3,
            Duration::MAX,
            target * 6,
        ),
        Asked::Media => (Rule::MediaLifetime, target * 3, Duration::MAX, target * 6),
    };
    let most = if asked == Asked::Multivariant {
        Duration::MAX
    } else {
        most
    };
    if seconds.is_none_or(|seconds| seconds < least || seconds > most) {
        faults.push(Fault::new(
            rule,
            said(),
            format!("max-age of {}", secs(best)),
        ));
    }
}
