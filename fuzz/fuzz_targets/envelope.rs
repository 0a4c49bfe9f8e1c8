//! What servers say to each other through a broker is read the same however often it is written.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_wire::fuzz::envelope(data));
