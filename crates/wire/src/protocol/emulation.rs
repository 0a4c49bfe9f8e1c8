//! What a client sends that listens on one HTTP response and speaks by other requests.
//!
//! Each such request names the session it belongs to, as the connect result told it, and carries what a WebSocket frame
//! would have carried. The names of session and node prove that the sender is the listener, and are kept out of logs.
//!
//! Spec: `EmulationRequest` of the schema `client.proto`.

use std::fmt;

use serde::Deserialize;

use super::{Encoding, ProtocolError, protobuf};

/// Commands for a session.
#[derive(Clone, PartialEq, Eq)]
pub struct EmulationRequest {
    /// Whose they are, as the connect result said.
    pub session: String,
    /// Which node that session is on, as the connect result said.
    pub node: String,
    /// A frame of commands.
    pub frame: Vec<u8>,
}

/// The JSON form: the frame is a string there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    session: String,
    node: String,
    data: String,
}

impl EmulationRequest {
    /// Reads a request's body.
    ///
    /// # Errors
    ///
    /// It is not in the form of this encoding.
    pub fn parse(encoding: Encoding, body: &[u8]) -> Result<Self, ProtocolError> {
        match encoding {
            Encoding::Json => {
                let fields: Fields =
                    serde_json::from_slice(body).map_err(|error| ProtocolError::Malformed {
                        column: error.column(),
                    })?;
                Ok(Self {
                    session: fields.session,
                    node: fields.node,
                    frame: fields.data.into_bytes(),
                })
            }
            Encoding::Protobuf => protobuf::emulation::parse(body),
        }
    }
}

impl fmt::Debug for EmulationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulationRequest")
            .field("frame_bytes", &self.frame.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let expected = EmulationRequest {
            session: "s1".to_owned(),
            node: "n1".to_owned(),
            frame: b"{\"id\":2}".to_vec(),
        };
        let json = br#"{"session":"s1","node":"n1","data":"{\"id\":2}","new":1}"#;
        assert_eq!(
            EmulationRequest::parse(Encoding::Json, json).as_ref(),
            Ok(&expected)
        );
        let protobuf = b"\x0a\x02n1\x12\x02s1\x1a\x08{\"id\":2}\x20\x01";
        assert_eq!(
            EmulationRequest::parse(Encoding::Protobuf, protobuf).as_ref(),
            Ok(&expected)
        );
        assert_eq!(
            format!("{expected:?}"),
            "EmulationRequest { frame_bytes: 8, .. }"
        );
    }

    #[test]
    fn what_has_another_form_is_refused() {
        for body in [b"".as_slice(), b"{", br#"{"data":1}"#, b"\xff"] {
            assert!(EmulationRequest::parse(Encoding::Json, body).is_err());
        }
        for body in [b"\x0a\x05n1".as_slice(), b"\x0a\x01\xff", b"\xff"] {
            assert!(EmulationRequest::parse(Encoding::Protobuf, body).is_err());
        }
    }
}
