// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives each binary its linker script, and the script this board's addresses and number of cores.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let bare = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let symbols = [
        ("BOOT_BASE", 0x4020_0000),
        ("RUNTIME_BASE", 0x4025_0000),
        ("LOADER_BASE", 0x402f_0000),
        ("BLOB_BASE", 0x4030_0000),
        ("MAX_CORES", 8),
    ];
    for binary in ["boot", "runtime"] {
        println!("cargo:rerun-if-changed={binary}.ld");
        if bare {
            for (symbol, value) in symbols {
                println!("cargo:rustc-link-arg-bin={binary}=--defsym={symbol}={value:#x}");
            }
            println!("cargo:rustc-link-arg-bin={binary}=-T{folder}/{binary}.ld");
        }
    }
}
