// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives the loader its linker script.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=loader.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bin=loader=-T{folder}/loader.ld");
        println!("cargo:rustc-link-arg-bin=loader=--fix-cortex-a53-843419");
    }
}
