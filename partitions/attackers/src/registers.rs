// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every encoding of system registers and system instructions, read and written.
//!
//! # References
//! Arm DDI 0487, "System instruction class encoding overview", "Instruction class op0==0b01", "AArch64 System register encodings".

use bulkhead_partition::el1::console;

use crate::Tried;
use crate::code::{Code, ISB, run_at};
use crate::edge::{Operation, attempt};

/// `MSR S0_0_C0_C0_0, X0`, in the encoding of all four op0; the bit that makes it `MRS`; `Xt` of an instruction without one.
const MSR: u64 = 0xd500_0000;
const READ: u64 = 1 << 21;
const NO_REGISTER: u64 = 31;
/// op0, op1, CRn, CRm, op2.
const ENCODINGS: u64 = 1 << 16;

/// What an encoding names.
#[derive(Clone, Copy)]
struct Named {
    op0: u64,
    op1: u64,
    crn: u64,
    crm: u64,
    op2: u64,
}

impl Named {
    fn new(encoding: u64) -> Self {
        let field = |at: u32, bits: u32| encoding >> at & ((1 << bits) - 1);
        Self {
            op0: field(14, 2),
            op1: field(11, 3),
            crn: field(7, 4),
            crm: field(3, 4),
            op2: field(0, 3),
        }
    }

    fn place(self) -> (u64, u64, u64, u64, u64) {
        let Self {
            op0,
            op1,
            crn,
            crm,
            op2,
        } = self;
        (op0, op1, crn, crm, op2)
    }

    /// Whether it belongs to EL2 or EL3 (op1 4 to 6), or to what partitions do not have.
    fn is_forbidden(self) -> bool {
        match self.place() {
            (2 | 3, 4..=6, ..) => true,
            // The trace unit, branch records.
            (2, 1, ..) => true,
            // Performance monitors, statistical profiling.
            (3, 0 | 3, 9, ..) => true,
            // Tags: RGSR_EL1, GCR_EL1, TFSR_EL1, TFSRE0_EL1, GMID_EL1.
            (3, 0, 1, 0, 5 | 6) | (3, 0, 5, 6, _) | (3, 1, 0, 0, 4) => true,
            // SVE and SME: ZCR_EL1, SMPRI_EL1, SMCR_EL1, TPIDR2_EL0; trace filter: TRFCR_EL1.
            (3, 0, 1, 2, 0 | 1 | 4 | 6) | (3, 3, 13, 0, 5) => true,
            // Keys of pointer authentication.
            (3, 0, 2, 1..=3, _) => true,
            // Error records, DISR_EL1.
            (3, 0, 5, 3..=5, _) | (3, 0, 12, 1, 1) => true,
            // LORegions, MPAM, activity monitors.
            (3, 0, 10, 4 | 5, _) | (3, 3, 13, 2..=15, _) => true,
            _ => false,
        }
    }

    /// Whether EL2 sees the access on every Armv8 processor: implementation-defined places (`HCR_EL2.TIDCP`), identification
    /// (TID3), `ACTLR_EL1` (TACR), maintenance by set and way (TSW), OS lock and debug ROM (`MDCR_EL2.TDOSA`, TDRA), monitors
    /// (TPM, TPMCR), SGIs and Group 0 of the CPU interface (`ICH_HCR_EL2`). But for `ICC_SRE_EL1` and `DBGPRCR_EL1`, which
    /// QEMU answers itself.
    fn is_trapped(self, is_read: bool) -> bool {
        match self.place() {
            (1 | 3, _, 11 | 15, ..) => true,
            (1, 0, 7, 6 | 10 | 14, 2) => !is_read,
            (3, 0, 0, 1..=7, _) => is_read,
            (3, 0, 1, 0, 1) => true,
            (2, 0, 1, 0 | 1, 4) => is_read == (self.crm == 1),
            (2, 0, 1, 3, 4) => true,
            (2, 0, 1, 0, 0) => is_read,
            // PMCR_EL0, PMCNTENSET_EL0, PMCNTENCLR_EL0, PMOVSCLR_EL0, PMSELR_EL0; PMINTENSET_EL1, PMINTENCLR_EL1.
            (3, 3, 9, 12, 0..=3 | 5) | (3, 0, 9, 14, 1 | 2) => true,
            // ICC_SGI1R_EL1, ICC_ASGI1R_EL1, ICC_SGI0R_EL1, ICC_EOIR0_EL1; ICC_IAR0_EL1, ICC_HPPIR0_EL1.
            (3, 0, 12, 11, 5..=7) | (3, 0, 12, 8, 1) => !is_read,
            (3, 0, 12, 8, 0 | 2) => is_read,
            // ICC_BPR0_EL1, ICC_AP0R0_EL1, ICC_IGRPEN0_EL1.
            (3, 0, 12, 8, 3 | 4) | (3, 0, 12, 12, 6) => true,
            _ => false,
        }
    }

    /// Whether it is left out: PSTATE (what the attack itself stands on), instructions that wait.
    fn is_left_out(self) -> bool {
        match self.place() {
            (0, _, 4, ..) | (0, _, 1, ..) | (0, _, 2, 0, 2 | 3) => true,
            // DAIF, SPSel.
            (3, 3, 4, 2, 1) | (3, 0, 4, 2, 0) => true,
            _ => false,
        }
    }

    /// Whether another value than the one that is there ends the attack: `SCTLR_EL1`.
    fn is_kept(self) -> bool {
        self.place() == (3, 0, 1, 0, 0)
    }
}

fn instruction(encoding: u64, is_read: bool) -> u64 {
    let op0 = encoding >> 14;
    // Hints and barriers have no register.
    let register = if op0 == 0 { NO_REGISTER } else { 0 };
    MSR | if is_read { READ } else { 0 } | encoding << 5 | register
}

static CODE: Code = Code::new();
/// What maintenance by address is tried on.
static TARGET: Code = Code::new();

/// Writes the other bits of what is there, reads it again, and puts back what was there; gives both.
fn turned(encoding: u64) -> [u64; 2] {
    let register = (encoding << 5) as u32;
    let (mrs, msr) = ((MSR | READ) as u32 | register, MSR as u32 | register);
    // MRS X5; MVN X6, X5; MSR X6; ISB; MRS X0; MSR X5; ISB; MOV X1, X6.
    let program = [mrs | 5, 0xaa25_03e6, msr | 6, ISB, mrs, msr | 5, ISB, 0xaa06_03e1];
    CODE.put(program.into_iter());
    run_at(CODE.address(), 0, 0).values
}

/// A forbidden register that answers a read with something else than zero has succeeded.
pub(crate) fn attack() -> Tried {
    let mut tried = Tried::default();
    let (mut undefined, mut turned_over, mut left_out) = (0u64, 0u64, 0u64);
    for encoding in 0..ENCODINGS {
        let named = Named::new(encoding);
        if named.is_left_out() {
            left_out += 1;
            continue;
        }
        let execute = |is_read, value| {
            let (value, syndrome) = attempt(Operation::Execute, instruction(encoding, is_read), value);
            syndrome.is_none().then_some(value)
        };
        let is_register = named.op0 >= 2;
        let found = execute(true, 0);
        let succeeded = is_register && named.is_forbidden() && found.is_some_and(|value| value != 0);
        tried.note(succeeded);
        if succeeded {
            console::line(format_args!("READ {:?}: {found:x?}", named.place()));
        }
        undefined += u64::from(found.is_none());
        let mut now = None;
        if !is_register {
            undefined += u64::from(execute(false, TARGET.address()).is_none());
        } else if let Some(value) = found.filter(|_| named.is_kept()) {
            let _ = execute(false, value);
        } else if found.is_some() {
            turned_over += 1;
            now = Some(turned(encoding)[0]);
        } else {
            undefined += u64::from(execute(false, u64::MAX).is_none());
            now = execute(true, 0);
        }
        let succeeded = named.is_forbidden() && now.is_some_and(|value| value != 0);
        tried.note(succeeded);
        if succeeded {
            console::line(format_args!("WRITTEN {:?}: {now:x?}", named.place()));
        }
    }
    console::line(format_args!(
        "registers: op0 0 to 3, {left_out} of {ENCODINGS} encodings left out (PSTATE, waits); {undefined} accesses undefined, {turned_over} registers with every bit turned over"
    ));
    tried
}

/// What EL2 sees whatever the processor has: each access is an attempt.
pub(crate) fn trapped() -> Tried {
    let mut tried = Tried::default();
    for encoding in 0..ENCODINGS {
        for is_read in [true, false] {
            if Named::new(encoding).is_trapped(is_read) {
                let _ = attempt(Operation::Execute, instruction(encoding, is_read), 0);
                tried.note(false);
            }
        }
    }
    tried
}
