// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bulkhead.h`: the guest interface for C and assembly, made from the constants of `bulkhead-abi`. Implements:
//! BH-SDK-002.

use std::mem::offset_of;

use bulkhead_abi::hypercall;
use bulkhead_abi::lock;
use bulkhead_abi::start;
use bulkhead_abi::window::{self, Metrics, RingControl};

/// The header's text; every value is a preprocessor constant, so that assembly can include it.
pub(super) fn text() -> String {
    let mut text = String::from(
        "\
/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a partition sees of Bulkhead: hypercalls (HVC #0, SMCCC), and its window, whose address the device tree
   gives (compatible \"bulkhead,window-1\"). Offsets and sizes in bytes. Written by `bulkhead sdk`. */
#ifndef BULKHEAD_H
#define BULKHEAD_H

",
    );
    let mut define = |name: &str, value: u64, words: &str| {
        text.push_str(&format!("#define BULKHEAD_{name} {value:#x} /* {words} */\n"));
    };
    let size = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    define(
        "HVC_UID",
        hypercall::VENDOR_HYP_UID.into(),
        "returns the UID of Bulkhead in w0..w3",
    );
    define(
        "HVC_REVISION",
        hypercall::VENDOR_HYP_REVISION.into(),
        "major in w0, minor in w1",
    );
    define("HVC_NULL", hypercall::NULL.into(), "does nothing");
    define(
        "HVC_MARK_STEADY",
        hypercall::MARK_STEADY.into(),
        "marks the begin of the steady state",
    );
    define(
        "HVC_LEDGER_READ",
        hypercall::LEDGER_READ.into(),
        "core in w1; x1 elapsed, x2 EL2, x3 idle, x4..x10 vCPUs, x11..x17 whose, in ticks",
    );
    define(
        "LEDGER_AGAIN",
        hypercall::LEDGER_AGAIN.unsigned_abs(),
        "of HVC_LEDGER_READ: that core was in the middle of a charge",
    );
    define(
        "LEDGER_NOBODY",
        hypercall::LEDGER_NOBODY,
        "of HVC_LEDGER_READ: no such vCPU; else partition << 32 | vCPU",
    );
    define(
        "REVISION_MAJOR",
        hypercall::REVISION.0.into(),
        "what HVC_REVISION returns in w0",
    );
    define("REVISION_MINOR", hypercall::REVISION.1.into(), "and in w1");
    define(
        "START_SAFE_OUTPUT",
        start::SAFE_OUTPUT,
        "in x1 at the first instruction: the last life, for the safe output alone; else 0",
    );
    define("WINDOW_SIZE", size(window::WINDOW_SIZE), "bytes of the window");
    define(
        "TX_CONTROL",
        size(window::TX_CONTROL),
        "control of the ring that the partition writes",
    );
    define("TX_DATA", size(window::TX_DATA), "its bytes");
    define(
        "TX_SIZE",
        window::TX_SIZE.into(),
        "number of its bytes, a power of two",
    );
    define(
        "RX_CONTROL",
        size(window::RX_CONTROL),
        "control of the ring that the partition reads",
    );
    define("RX_DATA", size(window::RX_DATA), "its bytes");
    define(
        "RX_SIZE",
        window::RX_SIZE.into(),
        "number of its bytes, a power of two",
    );
    define(
        "RING_HEAD",
        size(offset_of!(RingControl, head)),
        "32 bits, free-running, by the writer; store-release",
    );
    define(
        "RING_DROPPED",
        size(offset_of!(RingControl, dropped)),
        "32 bits, bytes that did not fit, by the writer",
    );
    define(
        "RING_TAIL",
        size(offset_of!(RingControl, tail)),
        "32 bits, free-running, by the reader; store-release",
    );
    define(
        "METRICS",
        size(window::METRICS),
        "numbers that the partition publishes",
    );
    define(
        "METRICS_MAGIC_VALUE",
        window::METRICS_MAGIC.into(),
        "32 bits, at METRICS, written last",
    );
    define(
        "METRICS_VERSION_VALUE",
        window::METRICS_VERSION.into(),
        "32 bits, at METRICS_VERSION",
    );
    define(
        "METRICS_VERSION",
        size(window::METRICS + offset_of!(Metrics, version)),
        "where the version is",
    );
    define(
        "METRICS_HEARTBEAT",
        size(window::METRICS + offset_of!(Metrics, heartbeat)),
        "64 bits, grows while the partition lives",
    );
    for (name, value, words) in locks() {
        define(name, value, words);
    }
    text.push_str("\n#endif\n");
    text
}

/// Locks that partitions share. Implements: BH-SDK-005.
fn locks() -> [(&'static str, u64, &'static str); 11] {
    let record = u64::try_from(lock::RECORD).unwrap_or(u64::MAX);
    [
        (
            "HVC_LOCK_WAIT",
            hypercall::LOCK_WAIT.into(),
            "lock number in w1: 0 with the word in x1, LOCK_AGAIN, or refused",
        ),
        (
            "HVC_LOCK_RELEASE",
            hypercall::LOCK_RELEASE.into(),
            "lock number in w1, word in x2: 0, or it had been revoked",
        ),
        (
            "LOCK_AGAIN",
            hypercall::LOCK_AGAIN.unsigned_abs(),
            "not yet: call again",
        ),
        (
            "LOCK_RECORD",
            record,
            "where the record begins in the lock's page; the word is at 0",
        ),
        ("LOCK_TRIES", lock::TRIES.into(), "of a compare-and-swap"),
        (
            "LOCK_OWNER",
            lock::OWNER,
            "of the word: position of the owner plus one, 0 when free",
        ),
        ("LOCK_VCPU", lock::VCPU, "the owner's vCPU"),
        (
            "LOCK_WAITERS",
            lock::WAITERS,
            "somebody waits: give it back through EL2",
        ),
        ("LOCK_DIED", lock::DIED, "the owner before died or was revoked"),
        ("LOCK_ONE_TAKING", lock::ONE_TAKING, "added by each taking"),
        ("LOCK_TAKING", lock::TAKING, "number of the taking"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies: BH-SDK-002.
    #[test]
    fn the_header_has_the_values_of_the_interface() {
        let text = text();
        for line in [
            "#define BULKHEAD_HVC_NULL 0xc6000001 ",
            "#define BULKHEAD_WINDOW_SIZE 0x8000 ",
            "#define BULKHEAD_TX_DATA 0x1000 ",
            "#define BULKHEAD_RING_TAIL 0x40 ",
            "#define BULKHEAD_METRICS_HEARTBEAT 0x6008 ",
        ] {
            assert!(text.contains(line), "no `{line}` in {text}");
        }
        let (opened, closed) = (text.matches("/*").count(), text.matches("*/").count());
        assert_eq!(opened, closed);
    }
}
