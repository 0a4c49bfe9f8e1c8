//! Bodies of the fuzz targets: what must hold for any bytes at all.
//!
//! They stand here rather than in the fuzzer's own crate so that the compiler and the ordinary tests keep them whole.
//! Each returns on every input; a broken law is a panic.
