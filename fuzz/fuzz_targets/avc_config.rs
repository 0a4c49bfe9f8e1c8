//! A publisher's H.264 configuration.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::avc_config(data));
