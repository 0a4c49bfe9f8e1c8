//! Media bodies that are read from the storage, chunk by chunk, as their client takes them.

use std::{ops::Range, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use fanwave_vault::{Reading, VaultError};
use futures_util::TryStreamExt;

use super::negotiate::{Wanted, wanted};
use crate::{archive::Archive, metrics::Counted};

/// Why there is no body.
#[derive(Debug)]
pub(super) enum NoBody {
    /// It is gone from the storage.
    Gone,
    /// The storage does not answer, or too many others are asking.
    Unavailable,
}

/// The file in this stretch of the storage, or the range of it that is asked for: 200, 206 or 416.
pub(super) async fn send(
    archive: &Archive,
    span: Range<u64>,
    range: Option<&HeaderValue>,
    open: impl AsyncFnOnce(Range<u64>) -> Result<Reading, VaultError>,
) -> Result<Response, NoBody> {
    let length = span.end.saturating_sub(span.start);
    let bounded = usize::try_from(length).map_err(|_| NoBody::Unavailable)?;
    let (status, part, content_range) = match wanted(range, bounded) {
        Wanted::All => (StatusCode::OK, span, None),
        Wanted::Range { first, last } => (
            StatusCode::PARTIAL_CONTENT,
            span.start + first as u64..span.start + last as u64 + 1,
            Some(format!("bytes {first}-{last}/{length}")),
        ),
        Wanted::Beyond => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            describe(&mut response, 0, Some(format!("bytes */{length}")));
            return Ok(response);
        }
    };
    let permit = Arc::clone(&archive.answers)
        .try_acquire_owned()
        .map_err(|_| NoBody::Unavailable)?;
    let counted = Counted::new(&archive.metrics().answers);
    let wanted_bytes = part.end - part.start;
    let reading = open(part).await.map_err(|error| match error {
        VaultError::NotFound => NoBody::Gone,
        error => {
            tracing::warn!(%error, "a segment cannot be read from the storage");
            NoBody::Unavailable
        }
    })?;
    if reading.length != wanted_bytes {
        // Whoever has put another file there knows why; nothing of ours changes one.
        tracing::warn!("a segment in the storage is shorter than it was");
        return Err(NoBody::Gone);
    }
    let held = (permit, counted);
    let body = reading.body.inspect_err(move |error| {
        let _held = &held;
        tracing::warn!(%error, "a segment breaks off in the storage");
    });
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = status;
    describe(&mut response, wanted_bytes, content_range);
    Ok(response)
}

fn describe(response: &mut Response, length: u64, content_range: Option<String>) {
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(value) = content_range.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::CONTENT_RANGE, value);
    }
}
