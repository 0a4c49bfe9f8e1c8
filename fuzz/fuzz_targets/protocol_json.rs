//! A frame of commands in the chat protocol.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_wire::fuzz::protocol_json(data));
