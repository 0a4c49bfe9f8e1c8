//! What a server says on a connection of HTTP/2 (RFC 9113): a machine without sockets, clocks or tasks.
//!
//! [`Connection::receive`] takes the bytes of the peer, [`Connection::poll_event`] tells what came of them,
//! [`Connection::respond`] and [`Connection::send`] answer, and [`Connection::poll_output`] hands out what is to be written. What is
//! written first is what the peer, or the answer itself, says is more urgent (RFC 9218): a playlist does not wait behind the
//! pictures of a second ago.
//!
//! It is ours for what a show is: a hundred thousand connections that ask four times a second each. What the machine keeps of
//! a connection that rests is a few hundred bytes, an answer's head is written without a table of the connection's own
//! (RFC 7541 lets a sender do without) and packed once for all who are given the same ([`Packed`]), and the bytes of an answer
//! are shared until they are gathered for the socket.
//! `make bench-origin` measures what that is worth.
//!
//! The peer is a stranger: every wait, queue and count has its limit in [`limits`], and a peer that provokes more is told so
//! and left.

mod code;
mod connection;
mod frame;
pub mod fuzz;
mod head;
mod hpack;
pub mod limits;
mod packed;
mod priority;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

pub use self::{
    code::Code,
    connection::{Connection, Event, PREFACE, StreamId},
    packed::Packed,
};
