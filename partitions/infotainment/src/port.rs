// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The channel in the device tree, and its memory.
//!
//! # References
//! Linux, `Documentation/ABI/testing/sysfs-firmware-ofw`: the live device tree; `man 4 mem`.

use core::ffi::CStr;
use core::fmt;

use crate::linux::{Channel, Errno, File, Folder};

/// Where Linux shows the device tree.
const TREES: [&CStr; 2] = [c"/proc/device-tree", c"/sys/firmware/devicetree/base"];
const COMPATIBLE: &[u8] = b"bulkhead,sampling-1";

/// Why there is no channel.
pub(crate) enum PortError {
    /// Linux shows no device tree.
    NoTree,
    /// The tree has no such channel.
    NoChannel,
    /// The channel's node has no usable range.
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
            Self::NoChannel => write!(f, "the device tree has no channel of that name"),
            Self::Range => write!(f, "the channel's node in the device tree has no usable reg"),
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

/// The range of the channel `label`.
pub(crate) fn find(label: &CStr) -> Result<Range, PortError> {
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
        let is_port = property(&node, c"compatible", &mut buffer).is_some_and(|p| lists(p, COMPATIBLE));
        if is_port && property(&node, c"label", &mut buffer).is_some_and(|p| lists(p, label.to_bytes())) {
            found = Some(
                property(&node, c"reg", &mut buffer)
                    .and_then(range)
                    .ok_or(PortError::Range),
            );
        }
    });
    found.unwrap_or(Err(PortError::NoChannel))
}

/// Two address cells, two size cells.
fn range(reg: &[u8]) -> Option<Range> {
    let (base, size) = reg.split_first_chunk()?;
    let size = u64::from_be_bytes(*size.first_chunk()?);
    Some((u64::from_be_bytes(*base), usize::try_from(size).ok()?))
}

/// Maps a range.
pub(crate) fn map((base, size): Range) -> Result<Channel, PortError> {
    let memory = File::open_memory(c"/dev/mem").map_err(PortError::Open)?;
    Channel::map(&memory, base, size).map_err(|errno| PortError::Map(base, errno))
}
