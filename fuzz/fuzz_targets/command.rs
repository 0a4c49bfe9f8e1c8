//! What a back end sends over a broker is a command or none, and written anew it is the same.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_wire::fuzz::command(data));
