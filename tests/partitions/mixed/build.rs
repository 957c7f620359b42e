// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Links the partition with its own linker script.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=mixed.x");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{folder}/mixed.x");
    }
}
