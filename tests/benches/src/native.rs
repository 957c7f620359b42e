// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's memory natively: at EL1 of the same machine with one CPU and as much RAM, without a hypervisor.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bulkhead_runner::{command, qemu};

use crate::Error;
use crate::counts::{self, Counts};
use crate::memory::Memory;
use crate::report::Run;
use crate::run::{Printed, hash, printed};

const MEBIBYTE: u64 = 1 << 20;

/// What a run natively gave.
pub(crate) struct Bare {
    /// What the guest printed.
    pub(crate) printed: Printed,
    /// What the plugin counted, if there is one.
    pub(crate) counts: Option<Counts>,
    /// The run.
    pub(crate) run: Run,
}

/// Runs the memory until it has switched the machine off. `count` are further arguments of the plugin, if there is one.
///
/// # Errors
/// The emulator does not start or fails, or the guest did not say at last that it is done.
pub(crate) fn run(name: &str, memory: &Memory, plugin: Option<&Path>, count: &[&str]) -> Result<Bare, Error> {
    let failed = |why: String| Error::Run(name.to_owned(), why);
    let folder = tempfile::tempdir().map_err(|e| Error::file(&std::env::temp_dir(), e))?;
    let (kernel, counted) = (folder.path().join("guest.elf"), folder.path().join("counts"));
    let elf = memory.elf().map_err(|e| failed(e.to_string()))?;
    fs::write(&kernel, elf).map_err(|e| Error::file(&kernel, e))?;
    let program = qemu::program().map_err(|e| failed(e.to_string()))?;
    let words = arguments(memory, &kernel, plugin.map(|library| (library, &counted, count)));
    let output = Command::new("timeout")
        .arg("600")
        .arg(&program)
        .args(&words)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed(e.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !text.contains("bench done") {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}: {text}{said}", output.status)));
    }
    let words: Vec<_> = words.into_iter().map(Into::into).collect();
    Ok(Bare {
        printed: printed(text.lines()),
        counts: plugin.map(|_| counts::read(&counted)).transpose()?,
        run: Run {
            name: name.to_owned(),
            command: command::shell_line(&program, &words),
            image: hash(&kernel)?,
            guest: Some(memory.hash()),
        },
    })
}

fn arguments(memory: &Memory, kernel: &Path, plugin: Option<(&Path, &PathBuf, &[&str])>) -> Vec<String> {
    let fixed = "-M virt,gic-version=3,dtb-randomness=off -cpu cortex-a72,cntfrq=1000000000 -smp 1 \
                 -nic none -display none -monitor none -icount shift=0,sleep=off -no-reboot \
                 -rtc base=2026-01-01,clock=vm -serial stdio";
    let mut words: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
    words.extend(["-m".to_owned(), format!("{}M", memory.size() / MEBIBYTE)]);
    words.extend(["-kernel".to_owned(), kernel.display().to_string()]);
    if let Some((library, counted, count)) = plugin {
        let mut parts = vec![
            format!("file={}", library.display()),
            format!("out={}", counted.display()),
        ];
        parts.extend(count.iter().map(|&word| word.to_owned()));
        parts.push(memory.mark());
        words.extend(["-plugin".to_owned(), parts.join(",")]);
    }
    words
}
