// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of the firmware that a partition may call. Implements: BH-SMC-022.

use bulkhead_types::tables::FirmwareCall;

use crate::Built;
use bulkhead_model::units::show_time as time;

/// For how long.
pub(crate) fn bound(call: &FirmwareCall) -> String {
    format!("at most {}", time(call.within_ns))
}

/// For how long, and why.
fn sentence(built: &Built<'_>, partition: &str, call: &FirmwareCall) -> String {
    let mut records = built.records.calls.iter();
    let named = |(name, function, _): &&(String, u64, String)| {
        name == partition && *function == u64::from(call.function)
    };
    let reason = records.find(named).map_or("-", |(_, _, reason)| reason.as_str());
    let bound = bound(call);
    match reason {
        "-" => bound,
        reason => format!("{bound}; accepted for {reason}"),
    }
}

/// A line for each.
pub(crate) fn lines(built: &Built<'_>, index: usize) -> Vec<String> {
    let entry = built.partitions.get(index);
    let name = built.partition_name(index);
    let line = |call: &FirmwareCall| {
        format!(
            "its SMC {:#x} reaches the firmware, {}",
            call.function,
            sentence(built, name, call)
        )
    };
    entry.into_iter().flat_map(|p| p.calls().map(line)).collect()
}
