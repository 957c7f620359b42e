// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Room on the disk: a whole run that would fill it is refused before it begins, instead of failing in some test.

use std::path::Path;

use rustix::fs::statvfs;

use crate::failure::Failure;

const GIB: u64 = 1 << 30;
/// What a whole run writes in a fresh clone, and what one writes beside the results of an earlier one; each with room
/// for a change of the compiler or of the guests.
const FRESH: u64 = 12 * GIB;
const AGAIN: u64 = 3 * GIB;

/// Refuses a whole run for which the disk of `target`, the folder of what is built, has too little room.
/// Implements: BH-TOOL-004.
///
/// # Errors
/// There is less than such a run writes. A disk that does not tell is no error.
pub(super) fn check(target: &Path) -> Result<(), Failure> {
    let there = target.ancestors().find(|folder| folder.exists());
    let Some(disk) = there.and_then(|folder| statvfs(folder).ok()) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    enough(target, free)
}

fn enough(target: &Path, free: u64) -> Result<(), Failure> {
    let needed = if target.join("debug").exists() {
        AGAIN
    } else {
        FRESH
    };
    if free >= needed {
        return Ok(());
    }
    let tenths = free.saturating_mul(10) / GIB;
    let message = format!(
        "{}: all tests write {} GiB, and the disk has room for {}.{}",
        target.display(),
        needed / GIB,
        tenths / 10,
        tenths % 10
    );
    Err(Failure::unable(message).help("make room, or set CARGO_TARGET_DIR to a folder of a larger disk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies: BH-TOOL-004.
    #[test]
    fn a_run_that_would_fill_the_disk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        assert!(enough(&target, FRESH).is_ok());
        let refused = enough(&target, FRESH - 1).unwrap_err();
        let Failure::Unable(words) = refused else {
            panic!("{refused:?}");
        };
        assert!(words.message.contains("write 12 GiB"), "{}", words.message);
        assert!(words.message.contains("room for 11.9"), "{}", words.message);
        std::fs::create_dir_all(target.join("debug")).unwrap();
        assert!(enough(&target, AGAIN).is_ok());
        assert!(enough(&target, AGAIN - 1).is_err());
        assert!(check(&target).is_ok(), "this test's own disk is not that full");
    }
}
