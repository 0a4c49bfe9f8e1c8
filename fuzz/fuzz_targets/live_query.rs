//! The query of a blocking playlist request.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_live::fuzz::fuzz_query(data));
