//! What an answer says beside what its handler says, where no library adds it.

use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::http::{HeaderName, HeaderValue, StatusCode, header, response::Parts};

/// Fields that only HTTP/1 has (RFC 9113, section 8.2.2; RFC 9114, section 4.2).
const OF_THE_CONNECTION: [HeaderName; 3] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

thread_local! {
    static WRITTEN: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// Adds the length of the body, where it is known, and the date; takes out what only HTTP/1 has.
pub(super) fn complete(head: &mut Parts, length: Option<u64>, is_head: bool) {
    for name in OF_THE_CONNECTION {
        head.headers.remove(name);
    }
    // RFC 9110, section 8.6: not with these, nor where it is the length of another answer.
    let has_length = !matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if let Some(length) = length
        && has_length
        && !(is_head && length == 0)
        && !head.headers.contains_key(header::CONTENT_LENGTH)
    {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    if !head.headers.contains_key(header::DATE) {
        head.headers.insert(header::DATE, date());
    }
}

/// The date of an answer (RFC 9110, section 6.6.1), which is written once a second.
pub(super) fn date() -> HeaderValue {
    date_at(SystemTime::now())
}

fn date_at(now: SystemTime) -> HeaderValue {
    let second = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    WRITTEN.with_borrow_mut(|written| match written {
        Some((of, value)) if *of == second => value.clone(),
        written => {
            let text = httpdate::fmt_http_date(now);
            let value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
            *written = Some((second, value.clone()));
            value
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_has_its_date() {
        let at = |millis| date_at(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
    }

    #[test]
    fn a_length_is_said_where_there_is_one() {
        let said = |status: u16, length, is_head| {
            let answer = axum::http::Response::builder()
                .status(status)
                .header("connection", "close");
            let (mut head, ()) = answer.body(()).unwrap().into_parts();
            complete(&mut head, length, is_head);
            assert!(head.headers.contains_key(header::DATE));
            assert!(!head.headers.contains_key(header::CONNECTION));
            let length = head.headers.get(header::CONTENT_LENGTH)?;
            Some(length.to_str().unwrap().to_owned())
        };
        assert_eq!(said(200, Some(7), false).as_deref(), Some("7"));
        assert_eq!(said(404, Some(0), false).as_deref(), Some("0"));
        assert_eq!(said(200, None, false), None);
        assert_eq!(said(204, Some(0), false), None);
        assert_eq!(said(304, Some(0), false), None);
        assert_eq!(said(200, Some(0), true), None);
        assert_eq!(said(200, Some(7), true).as_deref(), Some("7"));
    }
}
