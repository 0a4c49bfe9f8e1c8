//! Compressed WebSocket messages mean the same, however they are cut, and never more than is allowed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_wire::fuzz::ws_deflate(data));
