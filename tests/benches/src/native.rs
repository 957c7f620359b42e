// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A guest natively: at EL1 of the same machine with one CPU, without a hypervisor.

use std::path::Path;
use std::process::{Command, Stdio};

use bulkhead_runner::{command, qemu};

use crate::Error;
use crate::report::Run;
use crate::run::hash;

/// A program to run.
pub(crate) struct Native<'a> {
    /// What the run is called.
    pub(crate) name: &'a str,
    /// ELF file that the emulator loads and enters.
    pub(crate) kernel: &'a Path,
    /// SHA-256 of the guest's program.
    pub(crate) guest: String,
    /// RAM, in MiB.
    pub(crate) memory: u64,
    /// Further arguments of the emulator.
    pub(crate) arguments: Vec<String>,
}

impl Native<'_> {
    /// Runs it until it has switched the machine off, and returns what it printed.
    ///
    /// # Errors
    /// The emulator does not start or fails, or the program did not say at last that it is done.
    pub(crate) fn run(self) -> Result<(String, Run), Error> {
        let failed = |why: String| Error::Run(self.name.to_owned(), why);
        let program = qemu::program().map_err(|e| failed(e.to_string()))?;
        let fixed = "-M virt,gic-version=3,dtb-randomness=off -cpu cortex-a72,cntfrq=1000000000 -smp 1 \
                     -nic none -display none -monitor none -icount shift=0,sleep=off \
                     -rtc base=2026-01-01,clock=vm -serial stdio";
        let mut words: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
        words.extend(["-m".to_owned(), format!("{}M", self.memory)]);
        words.extend(["-kernel".to_owned(), self.kernel.display().to_string()]);
        words.extend(self.arguments);
        let output = Command::new("timeout")
            .arg("600")
            .arg(&program)
            .args(&words)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| failed(e.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || !text.contains("bench done") {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("{}: {text}{said}", output.status)));
        }
        let words: Vec<_> = words.into_iter().map(Into::into).collect();
        let run = Run {
            name: self.name.to_owned(),
            command: command::shell_line(&program, &words),
            image: hash(self.kernel)?,
            guest: Some(self.guest),
        };
        Ok((text, run))
    }
}
