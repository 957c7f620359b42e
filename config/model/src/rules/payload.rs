// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for payloads: the files are there, are what they should be, and fit.

use super::Facts;
use crate::board::Region;
use crate::diagnostic::{Diagnostic, Rule};
use crate::files::{Segment, elf_segments, image_header};
use crate::span::{Span, Spanned};
use crate::spec::{PartitionSpec, PayloadSpec};
use crate::system::{FileRef, Initrd, Payload};
use crate::units::show_bytes;

/// A file that is not there.
static MISSING: Rule = Rule {
    number: "BH060",
    id: "payload/missing",
    text: "Every file that a payload or `device_tree` names is there.",
    fix: "Build the target images, fetch the package, or correct the path.",
};
/// Not a kernel.
static NOT_AN_IMAGE: Rule = Rule {
    number: "BH061",
    id: "payload/not-an-image",
    text: "A Linux kernel is an uncompressed arm64 `Image`.",
    fix: "Name an uncompressed arm64 `Image`.",
};
/// More than the memory.
static TOO_LARGE: Rule = Rule {
    number: "BH062",
    id: "payload/too-large",
    text: "A payload fits into its partition's memory.",
    fix: "Give the partition more memory, or make the payload smaller.",
};
/// Not for this processor.
static WRONG_MACHINE: Rule = Rule {
    number: "BH063",
    id: "payload/wrong-machine",
    text: "ELF payloads and programs are 64-bit little-endian AArch64.",
    fix: "Build the program for AArch64, little-endian.",
};
/// Linked for another place.
static OUTSIDE_MEMORY: Rule = Rule {
    number: "BH064",
    id: "payload/outside-memory",
    text: "An ELF payload is linked into its partition's memory, which begins at 0x40000000.",
    fix: "Link the program to 0x4000_0000, inside the partition's memory.",
};
/// None, or several.
static NOT_ONE: Rule = Rule {
    number: "BH065",
    id: "payload/not-one",
    text: "A payload is one of `elf`, `linux` and `raw`.",
    fix: "Keep one of `elf`, `linux` and `raw`.",
};
/// Two initial RAM disks.
static TWO_DISKS: Rule = Rule {
    number: "BH066",
    id: "payload/two-disks",
    text: "Linux has one initial RAM disk: `initramfs` or `initrd`.",
    fix: "Keep one of `initramfs` and `initrd`.",
};
/// Two command lines.
static ARGS_WITH_LINUX: Rule = Rule {
    number: "BH067",
    id: "payload/args-with-linux",
    text: "A Linux partition has its arguments in `command_line`, not in `args`.",
    fix: "Move the text to `command_line`.",
};

pub(super) static ALL: &[&Rule] = &[
    &MISSING,
    &NOT_AN_IMAGE,
    &TOO_LARGE,
    &WRONG_MACHINE,
    &OUTSIDE_MEMORY,
    &NOT_ONE,
    &TWO_DISKS,
    &ARGS_WITH_LINUX,
];
pub(super) const CHECKS: &[super::Check] = &[missing, not_an_image, too_large, elf_files, args_with_linux];

/// Where every partition's RAM begins, as it sees it.
const RAM: u64 = 0x4000_0000;

fn payloads<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a PartitionSpec, &'a Payload)> {
    facts
        .spec
        .partitions
        .iter()
        .zip(&facts.payloads.list)
        .filter_map(|(p, payload)| Some((p, payload.as_ref()?)))
}

/// Found while the spec is read. Implements: BH-CFG-080.
pub(crate) fn not_one(owner: Span, given: impl Iterator<Item = Span>) -> Diagnostic {
    let diagnostic = Diagnostic::new(
        &NOT_ONE,
        owner,
        "a payload must be exactly one of `elf`, `linux` and `raw`",
        "none or several are given",
        "keep one, for example `payload: { elf: adas }`",
    );
    given.fold(diagnostic, |d, span| d.and(span, "one of them"))
}

/// Found while the spec is read. Implements: BH-CFG-080.
pub(crate) fn two_disks(initrd: Span, initramfs: Span) -> Diagnostic {
    Diagnostic::new(
        &TWO_DISKS,
        initrd,
        "Linux has one initial RAM disk, this spec names two",
        "a finished one",
        "remove `initrd` or `initramfs`",
    )
    .and(initramfs, "one to be built")
}

/// Implements: BH-CFG-081.
fn missing(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for file in &facts.payloads.missing {
        diagnostics.push(Diagnostic::new(
            &MISSING,
            file.name.span,
            format!("`{}` is not there", file.name.value),
            format!("{}: {}", file.path.display(), file.reason),
            file.help.clone(),
        ));
    }
}

/// Implements: BH-CFG-082.
fn not_an_image(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (_, payload) in payloads(facts) {
        let Payload::Linux(linux) = payload else { continue };
        if let Err(reason) = image_header(&linux.kernel.path) {
            diagnostics.push(Diagnostic::new(
                &NOT_AN_IMAGE,
                linux.kernel.name.span,
                format!("{} is not an arm64 Image", linux.kernel.path.display()),
                reason,
                "name an uncompressed kernel image (arch/arm64/boot/Image, or Debian's /boot/vmlinuz-*-arm64)",
            ));
        }
    }
}

/// Implements: BH-CFG-083.
fn too_large(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let length = |file: &FileRef| std::fs::metadata(&file.path).map_or(0, |m| m.len());
    for (partition, payload) in payloads(facts) {
        let Some(memory) = &partition.memory else { continue };
        let (size, file) = match payload {
            Payload::Elf(_) => continue,
            Payload::Raw(file) => (length(file), file),
            Payload::Linux(linux) => {
                let Ok(header) = image_header(&linux.kernel.path) else {
                    continue;
                };
                let disk = match &linux.initrd {
                    Some(Initrd::File(file)) => length(file),
                    Some(Initrd::Build { .. }) | None => 0,
                };
                let kernel = header.text_offset.saturating_add(header.image_size);
                (kernel.saturating_add(disk), &linux.kernel)
            }
        };
        if size > memory.size.value {
            let wanted = size.checked_next_multiple_of(2 << 20).unwrap_or(size);
            diagnostics.push(
                Diagnostic::new(
                    &TOO_LARGE,
                    memory.size.span,
                    format!(
                        "the payload of `{}` does not fit into its memory",
                        partition.name.value
                    ),
                    format!("the memory has {}", show_bytes(memory.size.value)),
                    format!(
                        "give it at least {}; Linux wants several times that to run",
                        show_bytes(wanted)
                    ),
                )
                .and(file.name.span, format!("takes {size} bytes")),
            );
        }
    }
}

/// Both rules on ELF files: one reading of the file answers both. Implements: BH-CFG-084, BH-CFG-085.
fn elf_files(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (partition, payload) in payloads(facts) {
        match payload {
            Payload::Elf(file) => match elf_segments(&file.path) {
                Ok(segments) => diagnostics.extend(outside_memory(partition, file, &segments)),
                Err(reason) => diagnostics.push(wrong_machine(file, &reason)),
            },
            Payload::Linux(linux) => {
                let Some(Initrd::Build { busybox, programs }) = &linux.initrd else {
                    continue;
                };
                for file in programs.iter().chain([busybox]) {
                    diagnostics.extend(
                        elf_segments(&file.path)
                            .err()
                            .map(|reason| wrong_machine(file, &reason)),
                    );
                }
            }
            Payload::Raw(_) => {}
        }
    }
}

fn wrong_machine(file: &FileRef, reason: &str) -> Diagnostic {
    Diagnostic::new(
        &WRONG_MACHINE,
        file.name.span,
        format!("{} is not an AArch64 program", file.path.display()),
        reason.to_owned(),
        "build it for AArch64, little-endian, 64 bits",
    )
}

fn outside_memory(partition: &PartitionSpec, file: &FileRef, segments: &[Segment]) -> Option<Diagnostic> {
    let memory = Region {
        base: RAM,
        size: partition.memory.as_ref()?.size.value,
    };
    let (cause, help) = match segments.iter().map(|s| s.region).find(|s| !memory.contains(s)) {
        Some(s) => (
            format!("a segment at {:#x}, {} bytes", s.base, s.size),
            format!("link it at {:#x}, or give the partition more memory", memory.base),
        ),
        None if segments.is_empty() => (
            "it loads nothing".to_owned(),
            "name an executable, not an object file".to_owned(),
        ),
        None => return None,
    };
    let diagnostic = Diagnostic::new(
        &OUTSIDE_MEMORY,
        file.name.span,
        format!(
            "{} does not lie in the memory of `{}`, {:#x} to {:#x}",
            file.path.display(),
            partition.name.value,
            memory.base,
            memory.end()
        ),
        cause,
        help,
    );
    let size = partition.memory.as_ref()?.size;
    Some(diagnostic.and(size.span, format!("{} of memory", show_bytes(size.value))))
}

/// Implements: BH-CFG-086.
fn args_with_linux(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        let command_line = match &partition.payload {
            Some(PayloadSpec::Linux { command_line, .. }) => command_line.as_ref(),
            Some(PayloadSpec::Elf(_) | PayloadSpec::Raw(_)) | None => continue,
        };
        let Some(args) = &partition.args else { continue };
        let diagnostic = Diagnostic::new(
            &ARGS_WITH_LINUX,
            args.span,
            format!("`{}` runs Linux and has `args`", partition.name.value),
            "Linux would never see them",
            "move them into `command_line`",
        );
        diagnostics.push(match command_line {
            Some(Spanned { span, .. }) => diagnostic.and(*span, "its command line"),
            None => diagnostic,
        });
    }
}
