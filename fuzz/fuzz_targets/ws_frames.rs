//! A stream of WebSocket frames means the same, however it is cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_wire::fuzz::ws_frames(data));
