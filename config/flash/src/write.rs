// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes a medium and reads it back. Implements: BH-FLSH-006.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use crate::target::{Kind, Target};

/// Bytes that are compared at a time.
const CHUNK: usize = 1 << 20;

/// Why a medium was not written, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It does not read back.
    #[error(
        "byte {0:#x} reads back other than it was written: the medium is broken, or was changed meanwhile"
    )]
    Differs(u64),
}

/// Writes a medium to a target that was checked, and compares all of it. The target is closed between: what is read
/// back comes from the device, not from the system's memory of what was written.
///
/// # Errors
/// See [`WriteError`]; a device that somebody has mounted meanwhile is not opened.
pub fn write(target: &Target, medium: &[u8]) -> Result<(), WriteError> {
    write_by(target, medium, store)
}

/// As [`write()`], by another way to store.
///
/// # Errors
/// As [`write()`].
pub fn write_by(
    target: &Target,
    medium: &[u8],
    store: impl FnOnce(&Target, &[u8]) -> io::Result<()>,
) -> Result<(), WriteError> {
    store(target, medium)?;
    verify(target, medium)
}

/// Stores a medium, to the last byte.
fn store(target: &Target, medium: &[u8]) -> io::Result<()> {
    let mut options = options(target);
    options.write(true);
    if !is_device(target) {
        options.create(true).truncate(true);
    }
    let mut file = options.open(&target.path)?;
    file.write_all(medium)?;
    file.sync_all()
}

fn is_device(target: &Target) -> bool {
    match target.kind {
        Kind::Device(_) => true,
        Kind::New | Kind::File { .. } | Kind::Other => false,
    }
}

/// The kernel opens a device only when nobody has it mounted.
fn options(target: &Target) -> OpenOptions {
    let mut options = OpenOptions::new();
    if is_device(target) {
        options.custom_flags(libc::O_EXCL);
    }
    options
}

/// Compares what is on a target with a medium. Implements: BH-FLSH-006.
///
/// # Errors
/// See [`WriteError`].
pub fn verify(target: &Target, medium: &[u8]) -> Result<(), WriteError> {
    let mut file = options(target).read(true).open(&target.path)?;
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    for chunk in medium.chunks(CHUNK) {
        let Some(read) = buffer.get_mut(..chunk.len()) else {
            return Err(WriteError::Differs(at));
        };
        file.read_exact(read)?;
        if let Some(first) = read.iter().zip(chunk).position(|(a, b)| a != b) {
            let first = u64::try_from(first).unwrap_or(u64::MAX);
            return Err(WriteError::Differs(at.saturating_add(first)));
        }
        at = at.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}
