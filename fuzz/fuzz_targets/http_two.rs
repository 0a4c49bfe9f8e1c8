//! A connection of HTTP/2 means the same, however it is cut, and holds no more than it may.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_http2::fuzz::connection(data));
