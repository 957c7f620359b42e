// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives each binary its linker script.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let bare = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    for binary in ["boot", "runtime"] {
        println!("cargo:rerun-if-changed={binary}.ld");
        if bare {
            println!("cargo:rustc-link-arg-bin={binary}=-T{folder}/{binary}.ld");
        }
    }
}
