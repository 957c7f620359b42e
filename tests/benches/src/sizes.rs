// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How large EL2 is: executable bytes of its ELFs, and lines of its source.

use std::fs;
use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

use crate::{Error, Place};

/// Parts of `hypervisor.bin` that execute at EL2.
pub(crate) const EL2: [&str; 2] = ["qemu-virt/boot.elf", "qemu-virt/runtime.elf"];
/// Sources of EL2 on this board but its drivers.
pub(crate) const SOURCES: [&str; 7] = [
    "hypervisor/abi/src",
    "hypervisor/policy/src",
    "hypervisor/arch/src",
    "hypervisor/boot/src",
    "hypervisor/runtime/src",
    "bsp/board/src",
    "qemu-virt/board/src",
];
/// What EL2 shares with the compiler, and what runs at EL1.
pub(crate) const APART: [&str; 3] = [
    "hypervisor/types/src",
    "hypervisor/drivers/src",
    "hypervisor/loader/src",
];

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|e| Error::file(path, e))
}

/// Bytes of all executable sections of an ELF.
pub(crate) fn text(place: Place<'_>, elf: &str) -> Result<u64, Error> {
    let bytes = read(&place.images.join(elf))?;
    let file =
        object::File::parse(bytes.as_slice()).map_err(|e| Error::Elf(elf.to_owned(), e.to_string()))?;
    let executable = file.sections().filter(|s| s.kind() == SectionKind::Text);
    Ok(executable.map(|s| s.size()).sum())
}

/// Address ranges of the functions of an ELF whose name contains `part`.
pub(crate) fn functions(place: Place<'_>, elf: &str, part: &str) -> Result<Vec<(u64, u64)>, Error> {
    let bytes = read(&place.images.join(elf))?;
    let file =
        object::File::parse(bytes.as_slice()).map_err(|e| Error::Elf(elf.to_owned(), e.to_string()))?;
    let named = |s: &object::Symbol<'_, '_>| s.size() > 0 && s.name().is_ok_and(|name| name.contains(part));
    let ranges = file
        .symbols()
        .filter(named)
        .map(|s| (s.address(), s.address() + s.size()));
    Ok(ranges.collect())
}

/// Lines with code of all Rust files of a folder: neither blank, nor comment, nor unit test.
pub(crate) fn lines(place: Place<'_>, folder: &str) -> Result<u64, Error> {
    let path = place.root.join(folder);
    let mut sum = 0;
    for entry in fs::read_dir(&path).map_err(|e| Error::file(&path, e))? {
        let entry = entry.map_err(|e| Error::file(&path, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            sum += lines(place, &format!("{folder}/{name}"))?;
        } else if name.ends_with(".rs") && name != "tests.rs" {
            sum += code_lines(&String::from_utf8_lossy(&read(&entry.path())?));
        }
    }
    Ok(sum)
}

fn code_lines(source: &str) -> u64 {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let counts = |line: &&str| !line.is_empty() && !line.starts_with("//");
    u64::try_from(code.lines().map(str::trim).filter(counts).count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_blanks_and_tests_are_no_code() {
        let source = "// a\n\n/// b\nfn c() {\n    // d\n}\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(code_lines(source), 2);
    }
}
