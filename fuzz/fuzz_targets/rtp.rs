//! A whole publisher of WebRTC, behind what is encrypted.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::rtp(data));
