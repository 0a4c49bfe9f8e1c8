//! A publisher's HEVC configuration, and a picture.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::hevc_config(data));
