// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compiles the emulator's plugins. Implements: BH-BENCH-002.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `tests/benches/plugin/NAME.c` of the tree `root` into `folder`; why there is none otherwise.
///
/// # Errors
/// There is no C compiler (`cc`, or what `CC` names), or it refuses the source.
pub fn build(root: &Path, folder: &Path, name: &str) -> Result<PathBuf, String> {
    let compiler = std::env::var_os("CC")
        .filter(|c| !c.is_empty())
        .unwrap_or_else(|| "cc".into());
    let library = folder.join(name).with_extension("so");
    let mut command = Command::new(&compiler);
    command.args([
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-O2",
        "-fPIC",
        "-shared",
        "-fvisibility=hidden",
        "-o",
    ]);
    let output = command
        .arg(&library)
        .arg(root.join("tests/benches/plugin").join(name).with_extension("c"))
        .output()
        .map_err(|error| format!("no C compiler: {}: {error}", compiler.display()))?;
    if output.status.success() {
        return Ok(library);
    }
    Err(format!(
        "the plugin `{name}` does not compile: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    ))
}
