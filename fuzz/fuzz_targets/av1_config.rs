//! A publisher's AV1 configuration, and a temporal unit.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::av1_config(data));
