//! What a chat room does: admit a message, give it its place, remember the newest, count who is there.
//!
//! This crate is pure. It knows no socket, clock, thread, random source or hash order: a shell passes `now` in, drains
//! what comes out and obeys. That is why its rules can be checked as laws, by property tests, against simple models.
//!
//! * [`admit`]: may this fan say this, here, now?
//! * [`sequence`]: one offset per message, without a gap, durable before it is delivered, never twice.
//! * [`recent`]: the newest messages of a channel, and exactly what a returning fan has missed.
//! * [`governor`]: how much of a busy chat is shown, to whom, and how many more there were.
//! * [`moderation`]: who may write what, and when; who may do what to whom.
//! * [`words`]: words that are not said here, however they are written.
//! * [`machine`]: all of it as one machine, which is one room on one node.
//! * [`language`]: what a message is written in.
//! * [`reactions`]: taps, counted and told as one sum.
//! * [`polls`]: what is open, who has voted, how it stands.
//! * [`presence`]: how many connections and how many people a channel has.
//! * [`herald`]: what a node tells all others about itself.
//! * [`census`]: which others there are, and how many fans they have.

pub mod admit;
pub mod census;
pub mod governor;
pub mod herald;
pub mod language;
pub mod limits;
pub mod machine;
pub mod moderation;
pub mod polls;
pub mod presence;
pub mod reactions;
pub mod recent;
pub mod sequence;
pub mod words;
