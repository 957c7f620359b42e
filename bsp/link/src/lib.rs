// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Links the two parts of EL2 for a board; called from the build script of the board's crate.
#![forbid(unsafe_code)]

/// Where the parts of EL2 lie on a board: physical addresses, multiples of 4 KiB, ascending.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// First address of the boot part, the `hypervisor` of the board file.
    pub boot: u64,
    /// First address of the run-time part; 320 KiB after `boot` suffice for 8 cores.
    pub runtime: u64,
    /// First address of the loader; 832 KiB after `runtime` suffice for 8 cores.
    pub loader: u64,
    /// First address of the blob.
    pub blob: u64,
    /// Cores for which there is room.
    pub cores: u64,
}

impl Layout {
    /// The usual distances for a board of up to 8 cores, from the first address.
    pub const fn of_eight(boot: u64) -> Self {
        Self {
            boot,
            runtime: boot + 0x5_0000,
            loader: boot + 0x12_0000,
            blob: boot + 0x13_0000,
            cores: 8,
        }
    }
}

/// Gives the binaries `BOARD-boot` and `BOARD-runtime` their linker scripts; nothing on the host.
///
/// Without a board's name they are called `boot` and `runtime`. The linker repairs what a Cortex-A53 executes wrongly
/// (erratum 843419). Implements: BH-BRD-031.
pub fn link(board: Option<&str>, layout: Layout) {
    println!("cargo:rerun-if-changed=build.rs");
    let bare = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    let symbols = [
        ("BOOT_BASE", layout.boot),
        ("RUNTIME_BASE", layout.runtime),
        ("LOADER_BASE", layout.loader),
        ("BLOB_BASE", layout.blob),
        ("MAX_CORES", layout.cores),
    ];
    for part in ["boot", "runtime"] {
        let binary = board.map_or_else(|| part.to_owned(), |board| format!("{board}-{part}"));
        let script = format!("{}/{part}.ld", env!("CARGO_MANIFEST_DIR"));
        println!("cargo:rerun-if-changed={script}");
        if bare {
            for (symbol, value) in symbols {
                println!("cargo:rustc-link-arg-bin={binary}=--defsym={symbol}={value:#x}");
            }
            println!("cargo:rustc-link-arg-bin={binary}=-T{script}");
            println!("cargo:rustc-link-arg-bin={binary}=--fix-cortex-a53-843419");
        }
    }
}
