//! Whatever a client offers as extensions has an answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_wire::fuzz::ws_extensions(data));
