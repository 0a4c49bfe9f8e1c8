//! Standard output: what a command was asked to print, never the log.

use std::io::{self, Write};

/// Prints the text. A reader that went away (`fanwave config-reference | head`) is no error worth a word.
pub fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    // The only failure here is a closed or full output, and there is nowhere left to say so.
    drop(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    );
}
