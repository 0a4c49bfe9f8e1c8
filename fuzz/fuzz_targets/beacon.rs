//! What a page tells of how its picture plays is within its bounds or refused, and written anew it is the same.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_wire::fuzz::beacon(data));
