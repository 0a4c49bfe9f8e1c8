//! A whole publisher, tag by tag.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::demux(data));
