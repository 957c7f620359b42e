// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Links the partition with the runtime's linker script and defmt's.

fn main() {
    // defmt drops all but errors at compile time unless it is told otherwise.
    println!("cargo:rerun-if-env-changed=DEFMT_LOG");
    if std::env::var_os("DEFMT_LOG").is_none() {
        println!("cargo:rustc-env=DEFMT_LOG=info");
    }
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo:rustc-link-arg-bins=-Tpartition.x");
        println!("cargo:rustc-link-arg-bins=--fix-cortex-a53-843419");
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
}
