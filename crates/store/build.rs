//! Rebuilds the crate when a migration is added: the macro that embeds them sees only those it has seen before.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
