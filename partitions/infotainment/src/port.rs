// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What partitions share, in the device tree, and its memory.
//!
//! # References
//! Linux, `Documentation/ABI/testing/sysfs-firmware-ofw`: the live device tree; `man 4 mem`.

use core::ffi::CStr;
use core::fmt;

use crate::linux::{Errno, File, Folder, Memory};

/// Where Linux shows the device tree.
const TREES: [&CStr; 2] = [c"/proc/device-tree", c"/sys/firmware/devicetree/base"];

/// Why it cannot be used.
pub(crate) enum PortError {
    /// Linux shows no device tree.
    NoTree,
    /// The tree has no such node.
    NoNode,
    /// The node has no usable range.
    Range,
    /// `/dev/mem` cannot be opened.
    Open(Errno),
    /// `/dev/mem` does not give the range.
    Map(u64, Errno),
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTree => write!(f, "no device tree in /proc or /sys (are they mounted?)"),
            Self::NoNode => write!(f, "the device tree has nothing of that name"),
            Self::Range => write!(f, "its node in the device tree has no usable reg"),
            Self::Open(errno) => write!(f, "cannot open /dev/mem: {errno}"),
            Self::Map(base, errno) => write!(f, "cannot map {base:#x} from /dev/mem: {errno}"),
        }
    }
}

/// Address and size.
pub(crate) type Range = (u64, usize);

/// Reads a property of a node; at most 64 bytes of it.
fn property<'b>(node: &Folder, name: &CStr, buffer: &'b mut [u8; 64]) -> Option<&'b [u8]> {
    let length = File::open_in(node, name).ok()?.read(buffer).ok()?;
    buffer.get(..length)
}

/// Whether one of the strings of a property is `text`.
fn lists(property: &[u8], text: &[u8]) -> bool {
    property.split(|byte| *byte == 0).any(|one| one == text)
}

/// The first range of what is called `label` and is `compatible`.
pub(crate) fn find(compatible: &[u8], label: &CStr) -> Result<Range, PortError> {
    let tree = TREES
        .iter()
        .find_map(|path| Folder::open(path).ok())
        .ok_or(PortError::NoTree)?;
    let mut found = None;
    tree.for_each_name(|name| {
        let Ok(node) = Folder::open_in(&tree, name) else {
            return;
        };
        let mut buffer = [0; 64];
        let is_one = property(&node, c"compatible", &mut buffer).is_some_and(|p| lists(p, compatible));
        if is_one && property(&node, c"label", &mut buffer).is_some_and(|p| lists(p, label.to_bytes())) {
            found = Some(
                property(&node, c"reg", &mut buffer)
                    .and_then(range)
                    .ok_or(PortError::Range),
            );
        }
    });
    found.unwrap_or(Err(PortError::NoNode))
}

/// Two address cells, two size cells, and whatever follows.
fn range(reg: &[u8]) -> Option<Range> {
    let (base, size) = reg.split_first_chunk()?;
    let size = u64::from_be_bytes(*size.first_chunk()?);
    Some((u64::from_be_bytes(*base), usize::try_from(size).ok()?))
}

/// Maps a range for reading.
pub(crate) fn map((base, size): Range) -> Result<Memory, PortError> {
    let memory = File::open_memory(c"/dev/mem").map_err(PortError::Open)?;
    Memory::map(&memory, base, size).map_err(|errno| PortError::Map(base, errno))
}
