//! The protocol in Protobuf: messages of the published `client.proto`, each after its length as a varint.
//!
//! Written and read by hand, field by field: what is written once per room goes into the caller's buffer without a tree
//! between, and what a stranger sends is read with nothing allocated but what a command keeps. Numbers of fields stand
//! beside their names below, and are the schema's.
//!
//! Reading is as strict as in JSON: a number that does not fit its type, a text that is not UTF-8, a field of another
//! wire type and a command with two methods are refused; fields that are not known are skipped. Of a field that stands
//! twice the last one counts, as the encoding's own rules say.
//!
//! Spec: <https://protobuf.dev/programming-guides/encoding/> and `client.proto` of the Centrifuge protocol.

pub(super) mod command;
pub(super) mod emulation;
pub(super) mod push;
mod reader;
pub(super) mod reply;
mod writer;

#[cfg(test)]
mod tests;
