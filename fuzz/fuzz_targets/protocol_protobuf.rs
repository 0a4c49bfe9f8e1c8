//! A frame of commands in the chat protocol, in its binary form.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_wire::fuzz::protocol_protobuf(data));
