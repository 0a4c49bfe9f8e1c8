//! Reads the requests of clients that cannot speak on the connection they listen on.

use super::reader::Reader;
use crate::protocol::{EmulationRequest, ProtocolError};

/// Reads the one message that is a request's whole body.
pub(in crate::protocol) fn parse(body: &[u8]) -> Result<EmulationRequest, ProtocolError> {
    let mut request = EmulationRequest {
        session: String::new(),
        node: String::new(),
        frame: Vec::new(),
    };
    let mut fields = Reader::new(body);
    while let Some((field, value)) = fields.next_field()? {
        match field {
            1 => request.node = value.text()?,
            2 => request.session = value.text()?,
            3 => request.frame = value.bytes()?.to_vec(),
            _ => {}
        }
    }
    Ok(request)
}
