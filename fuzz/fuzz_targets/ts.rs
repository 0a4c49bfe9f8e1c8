//! A whole publisher of a transport stream.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::ts(data));
