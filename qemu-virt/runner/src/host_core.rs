// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A core of the host for an emulator that executes one core of its machine at a time.
//!
//! Its threads then hand over to each other some ten thousand times a second: between two cores of the host that
//! takes longer than all that they compute.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A core of the host that no other deterministic run on it has; free again when this is dropped or its process ends.
#[derive(Debug)]
pub struct HostCore {
    index: usize,
    /// Its lock says that the core is taken.
    lock: File,
}

impl HostCore {
    /// Takes one of the cores that this thread may use, if one is free. Implements: BH-QEMU-012.
    pub fn take() -> Option<Self> {
        Self::take_in(&std::env::temp_dir())
    }

    /// The same, with the lock files in `folder`.
    fn take_in(folder: &Path) -> Option<Self> {
        let usable = sched_getaffinity(None).ok()?;
        let usable = (0..CpuSet::MAX_CPU).filter(|index| usable.is_set(*index));
        usable.into_iter().find_map(|index| {
            let lock = opened(&folder.join(format!("bulkhead-core-{index}")))?;
            flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
            Some(Self { index, lock })
        })
    }

    /// Moves this thread to the core, and with it what it starts from now on; where the host refuses, they stay.
    pub fn enter(&self) {
        let mut only = CpuSet::new();
        only.set(self.index);
        let _ = sched_setaffinity(None, &only);
    }
}

impl Drop for HostCore {
    /// A process that is just being started may hold the file open for a moment longer than this one.
    fn drop(&mut self) {
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

/// A file to lock, which another user may have made.
fn opened(path: &Path) -> Option<File> {
    let made = || fs::OpenOptions::new().write(true).create_new(true).open(path);
    File::open(path).or_else(|_| made()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail by panicking")]
mod tests {
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    /// Verifies: BH-QEMU-012.
    #[test]
    fn each_core_is_taken_once_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let usable = sched_getaffinity(None).unwrap().count() as usize;
        let take = || HostCore::take_in(folder.path());
        for _ in 0..2 {
            let mut taken: Vec<_> = (0..usable).map(|_| take().unwrap()).collect();
            assert!(take().is_none(), "one was taken twice");
            let last = taken.pop().unwrap().index;
            assert_eq!(take().unwrap().index, last);
            let mut indices: Vec<_> = taken.iter().map(|core| core.index).collect();
            indices.dedup();
            assert_eq!(indices.len(), usable - 1);
        }
    }

    /// A process that is being started has all open files of its parent until it executes its program.
    ///
    /// Verifies: BH-QEMU-012.
    #[test]
    fn a_core_is_free_at_once_whatever_is_started_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let take = || HostCore::take_in(folder.path()).unwrap().index;
        let first = take();
        let done = AtomicBool::new(false);
        let all = thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..100 {
                    Command::new("true").status().unwrap();
                }
                done.store(true, Ordering::Relaxed);
            });
            let mut all = true;
            while !done.load(Ordering::Relaxed) {
                all &= take() == first;
            }
            all
        });
        assert!(all, "one was still taken");
    }

    /// Verifies: BH-QEMU-012.
    #[test]
    fn what_a_thread_starts_stays_on_its_core() {
        let folder = tempfile::tempdir().unwrap();
        let core = HostCore::take_in(folder.path()).unwrap();
        let work = || {
            core.enter();
            let status = Command::new("cat").arg("/proc/self/status").output().unwrap();
            String::from_utf8(status.stdout).unwrap()
        };
        let status = thread::scope(|scope| scope.spawn(work).join().unwrap());
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        assert_eq!(allowed.unwrap().trim(), core.index.to_string());
        assert!(
            sched_getaffinity(None).unwrap().count() >= 1,
            "this thread may still move"
        );
    }
}
