//! Media of a server that is judged.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanwave_judge::fuzz::fuzz_boxes(data));
