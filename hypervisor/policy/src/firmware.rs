// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SMCs of partitions: which reach the firmware, with which registers, and whether it kept its time.
//!
//! Only a function that the blob lists for the partition is passed on, and only with `SMC #0`. The arguments are the
//! guest's: what a function does with them is what the author of the spec vouches for.
//!
//! # References
//! Arm DEN0028, SMC Calling Convention, "Register use in AArch64 SMC and HVC calls", "Client ID", "Fast Calls".

use bulkhead_types::tables::FirmwareCall;

use crate::bits::low32;
use crate::schedule::ticks;

/// Bit of a function identifier: arguments are 64 bits wide.
const SMC64: u32 = 1 << 30;
/// Bits of `w7` that name the client; the others name a trusted OS and are the guest's.
const CLIENT: u64 = 0xffff;

/// An SMC that the partition may make. Only [`Forward::decide`] gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    registers: [u64; 8],
    within_ns: u64,
}

impl Forward {
    /// The call with `SMC #immediate` and `x0` to `x7`, for a partition that may make `calls` and whose VMID is
    /// `client`; `None` when it may not be made.
    ///
    /// The arguments of a 32-bit function are `w1` to `w6`, those of a 64-bit function `x1` to `x6`; bits 15:0 of `w7`
    /// are the client's number, which the guest cannot choose. Further registers are not passed on.
    /// Implements: BH-SMC-001, BH-SMC-002.
    pub fn decide<'a>(
        calls: impl IntoIterator<Item = &'a FirmwareCall>,
        client: u32,
        immediate: u16,
        registers: &[u64; 8],
    ) -> Option<Self> {
        let [x0, x1, x2, x3, x4, x5, x6, x7] = *registers;
        let function = low32(x0);
        let mut listed = calls.into_iter().filter(|call| call.within_ns > 0);
        let call = listed.find(|call| call.function == function && immediate == 0)?;
        let mask = if function & SMC64 == 0 {
            0xffff_ffff
        } else {
            u64::MAX
        };
        let [x1, x2, x3, x4, x5, x6] = [x1, x2, x3, x4, x5, x6].map(|argument| argument & mask);
        let x7 = x7 & 0xffff_0000 | u64::from(client) & CLIENT;
        Some(Self {
            registers: [u64::from(function), x1, x2, x3, x4, x5, x6, x7],
            within_ns: call.within_ns,
        })
    }

    /// `x0` to `x7` for the firmware.
    pub const fn registers(&self) -> [u64; 8] {
        self.registers
    }

    /// Whether the firmware took longer than declared: `taken` ticks of a counter of `frequency` Hz, of which the first
    /// and the last may not have been whole. Implements: BH-SMC-003.
    pub const fn is_late(&self, taken: u64, frequency: u64) -> bool {
        taken > ticks(self.within_ns, frequency).saturating_add(2)
    }
}
