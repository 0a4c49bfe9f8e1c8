//! What an encoder writes into a pipe.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::fmp4(data));
