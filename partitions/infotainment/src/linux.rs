// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The few Linux system calls that the program needs, behind safe types.
//!
//! # References
//! Linux, `include/uapi/asm-generic/unistd.h` (numbers), `man 2 syscall` (arm64: `svc #0`, number in `x8`,
//! arguments in `x0`–`x5`, result in `x0`); `man 2 getdents64`, `mmap`, `openat`.
#![allow(unsafe_code, reason = "the program's edge to the kernel")]

use core::arch::{asm, global_asm};
use core::ffi::CStr;
use core::fmt::{self, Arguments, Write};
use core::sync::atomic::AtomicU64;

const OPENAT: usize = 56;
const CLOSE: usize = 57;
const GETDENTS64: usize = 61;
const READ: usize = 63;
const WRITE: usize = 64;
const EXIT_GROUP: usize = 94;
const NANOSLEEP: usize = 101;
const MMAP: usize = 222;

const AT_FDCWD: isize = -100;
const O_DIRECTORY: usize = 0o40_000;
const O_RDWR: usize = 2;
const O_SYNC: usize = 0o4_010_000;
const O_CLOEXEC: usize = 0o2_000_000;
const PROT_READ: usize = 1;
const PROT_WRITE: usize = 2;
const MAP_SHARED: usize = 1;
const EINVAL: i32 = 22;

/// File descriptors of standard output and standard error.
pub(crate) const OUTPUT: usize = 1;
pub(crate) const ERROR: usize = 2;

// The kernel enters with the stack pointer at argc, followed by argv.
global_asm!(
    ".section .text.linux_start, \"ax\"",
    ".global linux_start",
    "linux_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "and sp, x0, #~15",
    "bl linux_main",
    "brk #0",
);

/// # Safety
/// Called by `linux_start` only, with the initial stack pointer of the process.
#[unsafe(export_name = "linux_main")]
unsafe extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: the kernel put argc at the initial stack pointer and that many pointers to strings behind it,
    // which live as long as the process (Linux, `fs/binfmt_elf.c`, "create_elf_tables").
    let arguments =
        unsafe { core::slice::from_raw_parts(stack.add(1).cast::<*const core::ffi::c_char>(), *stack) };
    // SAFETY: as above, each is a string that ends with a zero byte.
    let strings = arguments
        .iter()
        .skip(1)
        .map(|argument| unsafe { CStr::from_ptr(*argument) });
    exit(crate::program::run(strings))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    print(ERROR, format_args!("{}: {info}\n", env!("CARGO_BIN_NAME")));
    exit(101)
}

/// An error number of Linux.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("operation not permitted"),
            2 => f.write_str("no such file"),
            13 => f.write_str("permission denied"),
            EINVAL => f.write_str("invalid argument"),
            other => write!(f, "error {other}"),
        }
    }
}

/// # Safety
/// The arguments are those of system call `number`; memory that they name is valid for what it does.
pub(crate) unsafe fn call(number: usize, arguments: [usize; 6]) -> Result<usize, Errno> {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the kernel preserves all registers but x0; what it does to memory is the caller's duty.
    unsafe {
        asm!("svc #0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d,
            in("x4") e, in("x5") f, options(nostack));
    }
    match usize::try_from(result) {
        Ok(value) => Ok(value),
        Err(_) => Err(Errno(i32::try_from(result.unsigned_abs()).unwrap_or(EINVAL))),
    }
}

/// Ends the process.
fn exit(code: i32) -> ! {
    loop {
        // SAFETY: takes a number only and does not return; if it did, it would be called again.
        let _ = unsafe { call(EXIT_GROUP, [usize::try_from(code).unwrap_or(255), 0, 0, 0, 0, 0]) };
    }
}

/// Sleeps for a second; a signal may end it earlier.
pub(crate) fn sleep_second() {
    let time: [i64; 2] = [1, 0];
    // SAFETY: the kernel reads two 64-bit numbers and, the second argument being null, writes nothing.
    let _ = unsafe { call(NANOSLEEP, [time.as_ptr().expose_provenance(), 0, 0, 0, 0, 0]) };
}

/// Text that is written in one piece, so that lines of several processes do not mix.
struct Text {
    bytes: [u8; 256],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Writes text of at most 256 bytes to a file descriptor; what does not fit is left out.
pub(crate) fn print(descriptor: usize, text: Arguments<'_>) {
    let mut buffer = Text {
        bytes: [0; 256],
        length: 0,
    };
    let _ = buffer.write_fmt(text);
    // SAFETY: the kernel reads `length` bytes of the buffer, which holds at least as many.
    let _ = unsafe {
        call(
            WRITE,
            [
                descriptor,
                buffer.bytes.as_ptr().expose_provenance(),
                buffer.length,
                0,
                0,
                0,
            ],
        )
    };
}

/// An open file.
pub(crate) struct File(usize);

fn open(folder: isize, path: &CStr, flags: usize) -> Result<File, Errno> {
    // SAFETY: the kernel reads the path up to its zero byte.
    let opened = unsafe {
        call(
            OPENAT,
            [
                folder.cast_unsigned(),
                path.as_ptr().expose_provenance(),
                flags | O_CLOEXEC,
                0,
                0,
                0,
            ],
        )
    };
    opened.map(File)
}

impl File {
    /// Opens a file in a folder for reading.
    pub(crate) fn open_in(folder: &Folder, name: &CStr) -> Result<Self, Errno> {
        open(folder.0.0.cast_signed(), name, 0)
    }

    /// Opens a memory device for reading, uncached.
    pub(crate) fn open_memory(path: &CStr) -> Result<Self, Errno> {
        open(AT_FDCWD, path, O_SYNC)
    }

    /// Opens a memory device for reading and writing, uncached.
    pub(crate) fn open_memory_to_write(path: &CStr) -> Result<Self, Errno> {
        open(AT_FDCWD, path, O_SYNC | O_RDWR)
    }

    /// Reads from the file's current position and returns how many bytes.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        // SAFETY: the kernel writes at most `len` bytes to the buffer, which is borrowed for it.
        unsafe {
            call(
                READ,
                [
                    self.0,
                    buffer.as_mut_ptr().expose_provenance(),
                    buffer.len(),
                    0,
                    0,
                    0,
                ],
            )
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this object's own and is not used again.
        let _ = unsafe { call(CLOSE, [self.0, 0, 0, 0, 0, 0]) };
    }
}

/// An open folder.
pub(crate) struct Folder(File);

/// Offset of the name in an entry of `getdents64`, and of the entry's length.
const NAME: usize = 19;
const LENGTH: usize = 16;

impl Folder {
    /// Opens a folder by its path.
    pub(crate) fn open(path: &CStr) -> Result<Self, Errno> {
        open(AT_FDCWD, path, O_DIRECTORY).map(Self)
    }

    /// Opens a folder in a folder.
    pub(crate) fn open_in(folder: &Self, name: &CStr) -> Result<Self, Errno> {
        open(folder.0.0.cast_signed(), name, O_DIRECTORY).map(Self)
    }

    /// Calls `action` with the name of every entry that is not hidden.
    pub(crate) fn for_each_name(&self, mut action: impl FnMut(&CStr)) {
        let mut buffer = [0_u64; 256];
        loop {
            let bytes = zerocopy::IntoBytes::as_mut_bytes(&mut buffer);
            // SAFETY: the kernel writes at most `len` bytes to the buffer, which is borrowed for it.
            let filled = unsafe {
                call(
                    GETDENTS64,
                    [
                        self.0.0,
                        bytes.as_mut_ptr().expose_provenance(),
                        bytes.len(),
                        0,
                        0,
                        0,
                    ],
                )
            };
            let mut entries = match filled.map(|length| bytes.get(..length)) {
                Ok(Some(entries)) if !entries.is_empty() => entries,
                Ok(_) | Err(_) => return,
            };
            while let Some(length) = entries.get(LENGTH..).and_then(|e| e.first_chunk()) {
                let length = usize::from(u16::from_le_bytes(*length));
                let Some((entry, rest)) = entries.split_at_checked(length) else {
                    return;
                };
                let name = entry
                    .get(NAME..)
                    .and_then(|name| CStr::from_bytes_until_nul(name).ok());
                if let Some(name) = name.filter(|name| !name.to_bytes().starts_with(b".")) {
                    action(name);
                }
                entries = rest;
            }
        }
    }
}

/// Memory that is shared with other partitions, mapped as long as the process lives.
pub(crate) struct Memory(&'static [AtomicU64]);

impl Memory {
    /// Maps `size` bytes from `base` of a memory device for reading: of it only a `Reader` may be made, which never
    /// stores.
    pub(crate) fn map(memory: &File, base: u64, size: usize) -> Result<Self, Errno> {
        Self::map_as(memory, base, size, PROT_READ)
    }

    /// Maps them for reading and writing.
    pub(crate) fn map_to_write(memory: &File, base: u64, size: usize) -> Result<Self, Errno> {
        Self::map_as(memory, base, size, PROT_READ | PROT_WRITE)
    }

    fn map_as(memory: &File, base: u64, size: usize, protection: usize) -> Result<Self, Errno> {
        let base = usize::try_from(base).map_err(|_| Errno(EINVAL))?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of this process.
        let start = unsafe { call(MMAP, [0, size, protection, MAP_SHARED, memory.0, base]) }?;
        // SAFETY: 1. The kernel mapped `size` bytes at `start`, page-aligned, and nothing unmaps them.
        // 2. Another partition writes them at any time, which atomics allow. 3. A store to a mapping for reading
        // ends the process and changes nothing.
        let words =
            unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(start), size / 8) };
        Ok(Self(words))
    }

    /// The memory as words.
    pub(crate) fn words(&self) -> &'static [AtomicU64] {
        self.0
    }
}
