//! Rebuilds the crate when a migration is added: the macro that embeds them sees only those it has seen before.

#[expect(
    clippy::print_stdout,
    reason = "a build script speaks to cargo on standard output"
)]
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
