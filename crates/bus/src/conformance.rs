//! The cases that every engine passes.
