// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the report of a run says on every board: the same keys, sums that add up, the isolation that is lost.

use bulkhead_runner::report::Report;

/// Whether passed and missed slots of a partition are its slots of all major frames, but for the frames in which the
/// partition started and the run ended.
fn is_whole(slots: u64, frames: u64) -> bool {
    if frames == 0 {
        return slots == 0;
    }
    let in_a_frame = (slots + frames / 2) / frames;
    slots.abs_diff(in_a_frame * frames) <= 2 * in_a_frame
}

/// Refuses a report that has other keys than the reference system's, or whose sums are wrong. Implements: BH-CFG-175.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn check(written: &serde_json::Value) -> Result<(), String> {
    let report: Report = serde_json::from_value(written.clone()).map_err(|e| format!("the report: {e}"))?;
    let again = serde_json::to_value(&report).map_err(|e| e.to_string())?;
    if again != *written {
        return Err("the report has not the keys that each report has".to_owned());
    }
    for core in &report.cores {
        if !core.adds_up {
            return Err(format!("core {}: its times do not add up", core.core));
        }
    }
    let sliced = report.cores.iter().filter(|core| core.frames > 0);
    let Some(frames) = sliced.map(|core| core.frames).max() else {
        return Err("no core counted major frames".to_owned());
    };
    for (name, partition) in &report.partitions {
        let slots = partition.slots;
        if !is_whole(slots.granted + slots.missed, frames) {
            return Err(format!("{name}: {slots:?} in {frames} major frames"));
        }
    }
    // The board of the reference system has an SMMU that EL2 drives, and no other bus masters.
    let guards = report.board == "qemu-virt";
    if report.isolation_lost.is_empty() != guards {
        return Err(format!(
            "isolation lost on {}: {:?}",
            report.board, report.isolation_lost
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    /// Verifies: BH-CFG-175.
    #[test]
    fn slots_are_those_of_all_frames() {
        for (slots, frames) in [(0, 0), (6000, 6000), (5999, 6000), (12_003, 6000), (0, 6000)] {
            assert!(is_whole(slots, frames), "{slots} in {frames}");
        }
        for (slots, frames) in [(1, 0), (5990, 6000), (3000, 6000), (12_010, 6000)] {
            assert!(!is_whole(slots, frames), "{slots} in {frames}");
        }
    }
}
