//! The program. Everything it does is in the library part, where tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    fanwave::cli::run()
}
