//! The server's side of WebSocket (RFC 6455): frames in and out, as bytes only.
//!
//! 1. A shell answers the upgrade with [`accept_key`] and keeps one [`Decoder`] per connection: 16 bytes while idle.
//! 2. It reads into a buffer that all connections share and hands the bytes to [`Decoder::feed`]. A message that is
//!    wholly there is unmasked in place and handed out without a copy; what is incomplete is kept on the heap, as
//!    much as has arrived, until the rest comes.
//! 3. It answers with the functions of [`frame`], which append to a buffer that may be shared by all who get the same.
//! 4. A [`Violation`] says with which code the connection must be closed.
//!
//! No extension is negotiated, so that a reserved bit is a violation (section 5.2). Nothing here reads a clock or a
//! random source: a server does not mask (section 5.1).

mod close;
mod decoder;
mod event;
pub mod frame;
mod handshake;
mod header;
mod mask;
mod violation;

pub use close::CloseCode;
pub use decoder::{Decoder, Feed};
pub use event::Event;
pub use handshake::{KeyError, accept_key};
pub use violation::Violation;

#[cfg(test)]
mod tests;
