// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What U-Boot does with a boot medium, as a script in U-Boot's own form.
//!
//! # References
//! U-Boot, "Environment Variables" (`fdt_high`), "Generic Distro Configuration Concept";
//! include/image.h, "Legacy format image header".

use bulkhead_model::boot::{Boot, Medium};

use crate::fit::{CONFIGURATION, ROLLBACK_INDEX};

/// The boot image's file in the boot partition.
pub const FIT_FILE: &str = "bulkhead.itb";
/// The raw image's file in the boot partition.
pub const IMAGE_FILE: &str = "Image";
/// The script's file in the boot partition.
pub const SCRIPT_FILE: &str = "boot.scr";

/// What the boot loader starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A FIT, whose parts it checks.
    #[default]
    Fit,
    /// A plain arm64 `Image`, which EL2 checks.
    Image,
}

impl Form {
    /// The file that is started.
    pub fn file(self) -> &'static str {
        match self {
            Form::Fit => FIT_FILE,
            Form::Image => IMAGE_FILE,
        }
    }
}

/// What a board's boot loader has to know.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Name of the board.
    pub board: &'a str,
    /// Its boot path.
    pub boot: &'a Boot,
    /// Where boot looks for the board's device tree; absent: anywhere.
    pub device_tree: Option<u64>,
}

/// The script of a medium: another board is refused, then the image is read, checked and started.
/// Implements: BH-FLSH-003.
pub fn boot_script(place: Place<'_>, form: Form) -> String {
    let Place { board, boot, .. } = place;
    let compatible = &boot.compatible;
    let staging = boot.staging.value;
    let file = form.file();
    let start = start(place, form);
    format!(
        "\
fdt addr ${{fdtcontroladdr}}
fdt get value bulkhead_board / compatible
if test \"${{bulkhead_board}}\" != \"{compatible}\"; then
  echo \"refused: this medium is for {board} ({compatible}), the board is ${{bulkhead_board}}\"
elif load ${{devtype}} ${{devnum}}:${{distro_bootpart}} {staging:#x} {file}; then
{start}  echo \"refused: U-Boot did not start {file}; its reason is above\"
else
  echo \"refused: U-Boot cannot read {file}\"
fi
"
    )
}

/// The boot command of a board that starts nothing but images signed by its key, none older than `minimum`: it
/// belongs into the boot loader's own device tree, where no medium can change it. A refusal resets the board, so
/// that nobody is left at a prompt. Implements: BH-FLSH-008.
pub fn trusted_command(place: Place<'_>, medium: &Medium, minimum: u32) -> String {
    let staging = place.boot.staging.value;
    let name = &medium.name;
    let prepare = medium
        .prepare
        .as_ref()
        .map_or_else(String::new, |p| format!("{p}; "));
    let start: Vec<String> = start(place, Form::Fit)
        .lines()
        .map(|line| format!("{}; ", line.trim()))
        .collect();
    format!(
        "{prepare}setenv bulkhead_index 0; \
         if load {name} {staging:#x} {FIT_FILE}; then \
         fdt addr {staging:#x}; \
         fdt get value bulkhead_index /configurations/{CONFIGURATION} {ROLLBACK_INDEX}; \
         if itest ${{bulkhead_index}} -ge {minimum:#x}; then \
         fdt addr ${{fdtcontroladdr}}; {}\
         echo \"refused: U-Boot did not start {FIT_FILE}; its reason is above\"; \
         else echo \"refused: {FIT_FILE} has rollback index ${{bulkhead_index}}, this board starts none below {minimum:#x}\"; fi; \
         else echo \"refused: U-Boot cannot read {FIT_FILE}\"; fi; reset",
        start.concat()
    )
}

/// Commands that start what lies at the staging address; they return only when it was refused.
fn start(place: Place<'_>, form: Form) -> String {
    let staging = place.boot.staging.value;
    let (moved, tree) = match place.device_tree {
        Some(base) => (
            format!("  fdt move ${{fdtcontroladdr}} {base:#x}\n"),
            format!("{base:#x}"),
        ),
        None => (String::new(), "${fdtcontroladdr}".to_owned()),
    };
    let command = match form {
        Form::Fit => format!("bootm {staging:#x}#{CONFIGURATION}"),
        Form::Image => format!("booti {staging:#x}"),
    };
    format!("{moved}  setenv fdt_high 0xffffffffffffffff\n  {command} - {tree}\n")
}

/// Wraps a script into the form that U-Boot's `source` takes: a header with checksums.
pub fn wrapped(script: &str) -> Vec<u8> {
    const MAGIC: u32 = 0x2705_1956;
    const LINUX: u8 = 5;
    const ARM64: u8 = 22;
    const SCRIPT: u8 = 6;
    const UNCOMPRESSED: u8 = 0;
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    // A list of one text, ended by an empty one.
    let data = [&size(script.len())[..], &[0; 4], script.as_bytes()].concat();
    let header = |checksum: u32| {
        let mut header = Vec::with_capacity(64);
        header.extend(MAGIC.to_be_bytes());
        header.extend(checksum.to_be_bytes());
        header.extend([0; 4]); // no time
        header.extend(size(data.len()));
        header.extend([0; 8]); // neither load address nor entry
        header.extend(crc32fast::hash(&data).to_be_bytes());
        header.extend([LINUX, ARM64, SCRIPT, UNCOMPRESSED]);
        header.extend(b"Bulkhead");
        header.resize(64, 0);
        header
    };
    let checksum = crc32fast::hash(&header(0));
    [header(checksum), data].concat()
}
