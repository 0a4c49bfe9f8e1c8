//! A publisher's Opus header, and a packet.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::opus_config(data));
