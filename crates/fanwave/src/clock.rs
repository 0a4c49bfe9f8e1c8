//! The time, read in one place: the rooms' own, which tokens go by as well.

pub use fanwave_bus::clock::now;
