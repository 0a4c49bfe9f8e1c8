//! The one computation of the opening handshake (RFC 6455, sections 1.3 and 4.2.2).

use base64::{Engine, prelude::BASE64_STANDARD};
use sha1::{Digest, Sha1};
use thiserror::Error;

/// "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", which no other protocol would append.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a client's nonce, before base64.
const NONCE_BYTES: usize = 16;

/// Computes `Sec-WebSocket-Accept` from the client's `Sec-WebSocket-Key`.
///
/// # Errors
///
/// The key is not 16 bytes in base64; the upgrade must be refused with status 400.
pub fn accept_key(client_key: &str) -> Result<String, KeyError> {
    // "If the header field includes any leading or trailing whitespace, it is removed" by the rules of HTTP.
    let key = client_key.trim_ascii();
    let mut nonce = [0; NONCE_BYTES + 2];
    match BASE64_STANDARD.decode_slice(key, &mut nonce) {
        Ok(NONCE_BYTES) => {}
        Ok(_) | Err(_) => return Err(KeyError),
    }
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    Ok(BASE64_STANDARD.encode(digest))
}

/// The client's key is not 16 bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the WebSocket key is not 16 bytes in base64")]
pub struct KeyError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(
            accept_key("dGhlIHNhbXBsZSBub25jZQ==").as_deref(),
            Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        assert_eq!(
            accept_key(" dGhlIHNhbXBsZSBub25jZQ==\t").as_deref(),
            Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
    }

    #[test]
    fn what_is_not_16_bytes_is_no_key() {
        let short = BASE64_STANDARD.encode([7; 15]);
        let long = BASE64_STANDARD.encode([7; 17]);
        let huge = BASE64_STANDARD.encode([7; 4000]);
        for key in [
            "",
            "=",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhl IHNhbXBsZSBub25jZQ==",
            &short,
            &long,
            &huge,
        ] {
            assert_eq!(accept_key(key), Err(KeyError), "{key}");
        }
    }
}
