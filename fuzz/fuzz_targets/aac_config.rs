//! A publisher's AAC configuration.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::aac_config(data));
