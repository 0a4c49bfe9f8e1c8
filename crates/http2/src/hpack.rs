//! The fields of a request and of an answer as HTTP/2 packs them: HPACK, RFC 7541.
//!
//! The two directions are not alike here. What a client sends may use all of the format, for that is the client's choice:
//! [`Decoder`] keeps the dynamic table that the two sides must agree on, byte for byte. What we send uses the static table
//! alone: an answer is a few short fields, and a table for each connection would cost more memory than it saves on the wire.
//! A client that is told so ([`forget_table`]) needs no table for us either.
//!
//! A block that is [malformed](decode::Malformed) leaves the two tables out of step. It ends the whole connection, with
//! `COMPRESSION_ERROR` (RFC 9113, section 4.3): no later block could be read.

mod decode;
mod encode;
mod huffman;
mod table;

#[cfg(test)]
mod codes;
#[cfg(test)]
mod tests;

pub(crate) use decode::Decoder;
pub(crate) use encode::{field, forget_table, status};
