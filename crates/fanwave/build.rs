//! Makes sure that the folder of the built web page exists, so that the server compiles before the page was ever built;
//! the page then says how to build it.

use std::{io, path::Path};

fn main() -> io::Result<()> {
    let page = Path::new("../../web/dist");
    println!("cargo::rerun-if-changed={}", page.display());
    std::fs::create_dir_all(page)
}
