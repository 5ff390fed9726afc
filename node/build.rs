//! Tells Cargo what `rust-embed` and the schema files do not: that new files under these folders change the crate.

fn main() {
    println!("cargo:rerun-if-changed=assets");
    println!("cargo:rerun-if-changed=templates");
}
