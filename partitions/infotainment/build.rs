// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Links `vehicle-state` as a static Linux program at a fixed address, no segment both writable and executable.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        // Pages of up to 64 KiB, so that it runs on every arm64 kernel.
        for argument in [
            "--image-base=0x400000",
            "-zseparate-code",
            "-zmax-page-size=65536",
            "--entry=linux_start",
            "--strip-all",
        ] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}
