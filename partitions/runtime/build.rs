// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Puts the partitions' linker script into the linker's search path.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=partition.x");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::copy("partition.x", out.join("partition.x"))?;
    println!("cargo:rustc-link-search={}", out.display());
    Ok(())
}
