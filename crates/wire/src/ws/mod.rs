//! The server's side of WebSocket (RFC 6455): frames in and out, as bytes only.
//!
//! 1. A shell answers the upgrade with [`accept_key`] and keeps one [`Decoder`] per connection: 16 bytes while idle.
//! 2. It reads into a buffer that all connections share and hands the bytes to [`Decoder::feed`]. A message that is
//!    wholly there is unmasked in place and handed out without a copy; what is incomplete is kept on the heap, as
//!    much as has arrived, until the rest comes.
//! 3. It answers with the functions of [`frame`], which append to a buffer that may be shared by all who get the same.
//! 4. A [`Violation`] says with which code the connection must be closed.
//!
//! The one extension is `permessage-deflate` (RFC 7692) without context takeover: [`negotiate`] judges what a client
//! offers, a [`Feed`] that was given an [`Inflater`] takes compressed messages, a [`Deflater`] makes them. Without it
//! a reserved bit is a violation (section 5.2). Nothing here reads a clock or a random source: a server does not mask
//! (section 5.1).

mod close;
mod decoder;
mod deflate;
mod event;
mod extension;
pub mod frame;
mod handshake;
mod header;
mod mask;
mod violation;

pub use close::CloseCode;
pub use decoder::{Decoder, Feed};
pub use deflate::{Deflater, InflateError, Inflater};
pub use event::Event;
pub use extension::{Deflate, MalformedExtensions, Negotiated, WindowBits, negotiate};
pub use handshake::{KeyError, accept_key};
pub use violation::Violation;

#[cfg(test)]
mod tests;
