// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of the firmware that a partition may call. Implements: BH-SMC-022.

use bulkhead_types::tables::{FirmwareCall, Vcpu};

use crate::Built;
use bulkhead_model::units::show_time as time;

/// For how long.
pub(crate) fn bound(call: &FirmwareCall) -> String {
    format!("at most {}", time(call.within_ns))
}

/// For how long the firmware may keep a vCPU's core for calls of other partitions there; none where they make none.
pub(crate) fn longest_of_others(built: &Built<'_>, vcpu: &Vcpu) -> Option<String> {
    let on_core = built.vcpus.iter().filter(|v| v.core == vcpu.core);
    let others = on_core.filter(|v| v.partition != vcpu.partition);
    let partitions = others.filter_map(|v| built.partitions.get(usize::try_from(v.partition).ok()?));
    let longest = partitions
        .flat_map(|p| p.calls())
        .max_by_key(|call| call.within_ns);
    longest.map(bound)
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
