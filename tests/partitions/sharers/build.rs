// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Links the partition with the runtime's linker script and defmt's.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo:rustc-link-arg-bins=-Tpartition.x");
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
}
