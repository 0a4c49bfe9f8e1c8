//! A platform that a show is pushed on to over RTMP.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_origin::fuzz::fuzz_push(data));
