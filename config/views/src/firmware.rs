// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of the firmware that a partition may call. Implements: BH-SMC-022.

use bulkhead_types::tables::{FirmwareCall, Vcpu};

use crate::Built;
use bulkhead_model::units::show_time as time;

/// For how long.
pub(crate) fn bound(call: &FirmwareCall) -> String {
    format!("at most {}", time(call.within_ns))
}

/// The longest call of each partition that runs on a core, but of `except`.
pub(crate) fn longest_on<'b>(
    built: &'b Built<'_>,
    core: u32,
    except: Option<u32>,
) -> impl Iterator<Item = (&'b str, &'b FirmwareCall)> {
    let there = built.vcpus.iter().filter(move |v| v.core == core);
    let others = there.filter(move |v| Some(v.partition) != except);
    others.filter_map(|vcpu| {
        let index = usize::try_from(vcpu.partition).ok()?;
        let calls = built.partitions.get(index)?.calls();
        Some((
            built.partition_name(index),
            calls.max_by_key(|call| call.within_ns)?,
        ))
    })
}

/// For how long the firmware may keep a vCPU's core for calls of other partitions there; none where they make none.
pub(crate) fn longest_of_others(built: &Built<'_>, vcpu: &Vcpu) -> Option<String> {
    let others = longest_on(built, vcpu.core, Some(vcpu.partition));
    let longest = others.max_by_key(|(_, call)| call.within_ns);
    longest.map(|(_, call)| bound(call))
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
