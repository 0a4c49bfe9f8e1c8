//! RTMP from encoders: the listener, one task per connection, and the session protocol behind a trait.

mod connection;
mod introduction;
mod listener;
pub(crate) mod session;

pub(crate) use listener::Listener;
