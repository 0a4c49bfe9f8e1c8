//! The form of nginx-rtmp's notifications, as its `ngx_rtmp_netcall_module.c` and `ngx_rtmp_notify_module.c` write it.
//!
//! The fields are in that module's order, escaped as nginx escapes arguments; what followed the question mark in the
//! encoder comes last, as it is. 2xx is a yes. 3xx is a yes too, and its `Location`, if it is no address, is the name to
//! publish under: here, a channel. Everything else is a no.

use bytes::Bytes;

use super::{Answer, Occasion, Unanswered, Verdict, readable};
use crate::ingest::Publisher;

pub(super) const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

pub(super) fn write(publisher: &Publisher, occasion: Occasion) -> Bytes {
    let wish = &publisher.wish;
    let address = publisher.peer.ip().to_canonical().to_string();
    let mut body = Vec::new();
    for (field, value) in [
        ("app=", wish.app.as_str()),
        ("&flashver=", &wish.agent),
        ("&swfurl=", wish.swf_url.expose()),
        ("&tcurl=", wish.tc_url.expose()),
        ("&pageurl=", wish.page_url.expose()),
        ("&addr=", &address),
    ] {
        body.extend_from_slice(field.as_bytes());
        escape(&mut body, value);
    }
    body.extend_from_slice(format!("&clientid={}", publisher.connection).as_bytes());
    match occasion {
        Occasion::Publish => body.extend_from_slice(b"&call=publish"),
        Occasion::Update(age) => {
            // nginx-rtmp's timestamp is that of the media; both count from the beginning.
            let timestamp = age.as_millis();
            let text = format!(
                "&call=update_publish&time={}&timestamp={timestamp}",
                age.as_secs()
            );
            body.extend_from_slice(text.as_bytes());
        }
        Occasion::Done(_) => body.extend_from_slice(b"&call=publish_done"),
    }
    body.extend_from_slice(b"&name=");
    escape(&mut body, wish.name.expose());
    if occasion == Occasion::Publish {
        body.extend_from_slice(b"&type=");
        escape(&mut body, &wish.kind);
    }
    let arguments = wish.arguments.expose();
    if !arguments.is_empty() {
        body.push(b'&');
        body.extend_from_slice(arguments.as_bytes());
    }
    body.into()
}

/// As `ngx_escape_uri` does for `NGX_ESCAPE_ARGS`: space, `"`, `#`, `%`, `&`, `+`, `;`, `?`, and whatever is no visible
/// ASCII.
fn escape(body: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"#%&+;?".contains(&byte) {
            body.push(byte);
        } else {
            let digit = |nibble: u8| HEX[usize::from(nibble & 15)];
            body.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
        }
    }
}

pub(super) fn read(answer: &Answer) -> Result<Verdict, Unanswered> {
    match answer.status {
        200..=299 => Ok(Verdict::Allowed { channel: None }),
        300..=399 => match answer.location.as_deref() {
            // nginx-rtmp would send the stream on to that address as well.
            Some(to) if to.contains("://") => Err(Unanswered::Answer(
                "it redirects to an address, and only a channel's name can be followed",
            )),
            Some(name) if !name.is_empty() => Ok(Verdict::Allowed {
                channel: Some(name.to_owned()),
            }),
            _ => Ok(Verdict::Allowed { channel: None }),
        },
        _ => Ok(Verdict::Refused {
            reason: readable(""),
        }),
    }
}
