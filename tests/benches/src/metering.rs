// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which instructions of EL2 are its metering: those of the time ledger, wherever the compiler put them.
//!
//! Implements: BH-BENCH-013.

use std::fs;

use bulkhead_paths::Places;
use object::{Object, ObjectSection, SectionKind};

use crate::{Error, Place, sizes};

/// Type of the run-time part whose functions charge time.
pub const LEDGER: &str = "bulkhead_runtime::stats::Ledger";
/// Bytes of an instruction.
const INSTRUCTION: u64 = 4;

/// Ranges of the run-time part's instructions that come from a function whose path has `part`, inlined or not.
///
/// # Errors
/// The file or its debug information is missing or damaged, or no instruction comes from such a function.
pub fn ranges(place: Place<'_>, part: &str) -> Result<Vec<(u64, u64)>, Error> {
    let [_, elf] = sizes::EL2;
    let path = place.images.join(elf);
    let bytes = fs::read(&path).map_err(|e| Error::file(&path, e))?;
    let wrong = |why: String| Error::Elf(elf.to_owned(), why);
    let file = object::File::parse(bytes.as_slice()).map_err(|e| wrong(e.to_string()))?;
    let code = file.sections().filter(|s| s.kind() == SectionKind::Text);
    let all: Vec<u64> = code
        .flat_map(|s| (s.address()..s.address().saturating_add(s.size())).step_by(4))
        .collect();
    let places = Places::read(&bytes, all.iter().copied()).map_err(|e| wrong(e.to_string()))?;
    let from = |at: &u64| places.of(*at).iter().any(|place| place.function.contains(part));
    let found = joined(all.iter().copied().filter(from));
    if found.is_empty() {
        return Err(wrong(format!("no instruction comes from {part}")));
    }
    Ok(found)
}

/// Instructions, by rising addresses, as ranges.
fn joined(addresses: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for at in addresses {
        match ranges.last_mut() {
            Some((_, end)) if *end == at => *end = at.saturating_add(INSTRUCTION),
            _ => ranges.push((at, at.saturating_add(INSTRUCTION))),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn instructions_behind_each_other_are_one_range() {
        let found = joined([4, 8, 12, 20, 28, 32].into_iter());
        assert_eq!(found, [(4, 16), (20, 24), (28, 36)]);
    }
}
