//! An SDP offer as WHIP gets it, before anybody is let in.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_media::fuzz::offer(data));
