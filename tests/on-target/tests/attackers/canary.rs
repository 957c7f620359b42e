// SPDX-License-Identifier: Apache-2.0 OR MIT
//! No register's content reaches the next partition of a core.
//!
//! Three lists must agree: the fields of EL2's context structure, the registers of EL1 and EL0 that the Arm ARM
//! names, and those that two partitions of one core find by trying every encoding; each then fills them all and keeps
//! them while the other does the same.

use std::collections::BTreeSet;
use std::fs;

use bulkhead_on_target::{System, in_tree, lines, says};
use bulkhead_runner::command::Timing;

/// What keeps a register's content in its partition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A field of `El1State` or `FpState`.
    Switched,
    /// As `Switched`, but QEMU's Cortex-A72 keeps nothing that is written to it.
    SwitchedConstant,
    /// A field of `El1State` that EL1 does not reach by this name.
    SwitchedUnseen,
    /// `ICH_VMCR_EL2` or `ICH_AP1R0_EL2`, fields of `GicState`.
    Virtual,
}

/// Registers of EL1 and EL0 with content, but for `PSTATE`, and those that are trapped or hidden.
///
/// # References
/// Arm DDI 0487, "AArch64 System register descriptions", "Generic Timer registers", for Armv8.0 without optional
/// features; Arm IHI 0069, "AArch64 System register descriptions".
pub(crate) const REGISTERS: &[(&str, &str, Kept)] = &[
    ("3 0 1 0 0", "SCTLR_EL1", Kept::Switched),
    ("3 0 1 0 2", "CPACR_EL1", Kept::Switched),
    ("3 0 2 0 0", "TTBR0_EL1", Kept::Switched),
    ("3 0 2 0 1", "TTBR1_EL1", Kept::Switched),
    ("3 0 2 0 2", "TCR_EL1", Kept::Switched),
    ("3 0 4 0 0", "SPSR_EL1", Kept::Switched),
    ("3 0 4 0 1", "ELR_EL1", Kept::Switched),
    ("3 0 4 1 0", "SP_EL0", Kept::Switched),
    ("3 4 4 1 0", "SP_EL1", Kept::SwitchedUnseen),
    ("3 0 5 1 0", "AFSR0_EL1", Kept::SwitchedConstant),
    ("3 0 5 1 1", "AFSR1_EL1", Kept::SwitchedConstant),
    ("3 0 5 2 0", "ESR_EL1", Kept::Switched),
    ("3 0 6 0 0", "FAR_EL1", Kept::Switched),
    ("3 0 7 4 0", "PAR_EL1", Kept::Switched),
    ("3 0 10 2 0", "MAIR_EL1", Kept::Switched),
    ("3 0 10 3 0", "AMAIR_EL1", Kept::SwitchedConstant),
    ("3 0 12 0 0", "VBAR_EL1", Kept::Switched),
    ("3 0 13 0 1", "CONTEXTIDR_EL1", Kept::Switched),
    ("3 0 13 0 4", "TPIDR_EL1", Kept::Switched),
    ("3 0 14 1 0", "CNTKCTL_EL1", Kept::Switched),
    ("3 2 0 0 0", "CSSELR_EL1", Kept::Switched),
    ("3 3 4 4 0", "FPCR", Kept::Switched),
    ("3 3 4 4 1", "FPSR", Kept::Switched),
    ("3 3 13 0 2", "TPIDR_EL0", Kept::Switched),
    ("3 3 13 0 3", "TPIDRRO_EL0", Kept::Switched),
    ("3 3 14 2 1", "CNTP_CTL_EL0", Kept::Switched),
    ("3 3 14 2 2", "CNTP_CVAL_EL0", Kept::Switched),
    ("3 3 14 3 1", "CNTV_CTL_EL0", Kept::Switched),
    ("3 3 14 3 2", "CNTV_CVAL_EL0", Kept::Switched),
    ("3 0 4 6 0", "ICC_PMR_EL1", Kept::Virtual),
    ("3 0 12 9 0", "ICC_AP1R0_EL1", Kept::Virtual),
    ("3 0 12 12 3", "ICC_BPR1_EL1", Kept::Virtual),
    ("3 0 12 12 4", "ICC_CTLR_EL1", Kept::Virtual),
    ("3 0 12 12 7", "ICC_IGRPEN1_EL1", Kept::Virtual),
];

/// Names of the fields of a structure of EL2's context, from their comments.
fn fields(structure: &str) -> BTreeSet<String> {
    let source = fs::read_to_string(in_tree("hypervisor/arch/src/context.rs")).expect("source");
    let (_, rest) = source
        .split_once(&format!("pub struct {structure} {{"))
        .expect("structure");
    let (body, _) = rest.split_once("\n}").expect("its end");
    let comments = body.lines().filter_map(|line| line.trim().strip_prefix("/// `"));
    let names = comments.filter_map(|comment| comment.split_once('`'));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Verifies: BH-CORE-010.
#[test]
fn no_register_reaches_the_next_partition() {
    let mut switched = fields("El1State");
    switched.extend(
        fields("FpState")
            .into_iter()
            .filter(|name| name.starts_with("FP")),
    );
    let listed = |kinds: &[Kept]| -> BTreeSet<&str> {
        let kept = REGISTERS.iter().filter(|(_, _, kept)| kinds.contains(kept));
        kept.map(|(_, name, _)| *name).collect()
    };
    let by_hand = listed(&[Kept::Switched, Kept::SwitchedConstant, Kept::SwitchedUnseen]);
    let switched: BTreeSet<&str> = switched.iter().map(String::as_str).collect();
    assert_eq!(switched, by_hand, "the context and the Arm ARM's list");

    let system = System::build("tests/systems/canary.yaml", &[]);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    let there = listed(&[Kept::Switched, Kept::Virtual]);
    for name in ["one", "other"] {
        let last = says(&mut session, name, " succeeded", 120);
        let said = lines(&session, name);
        let lost: Vec<_> = said.iter().filter(|line| line.starts_with("LOST")).collect();
        assert!(
            last.contains(", 0 succeeded") && lost.is_empty(),
            "{name}: {lost:?}"
        );
        let states = said.iter().filter_map(|line| line.strip_prefix("state "));
        let found: BTreeSet<&str> = states
            .map(|state| {
                let (place, _) = state.rsplit_once(' ').expect("a mask");
                let known = REGISTERS.iter().find(|(encoding, _, _)| *encoding == place);
                known.map_or(place, |(_, name, _)| *name)
            })
            .collect();
        assert_eq!(
            found, there,
            "{name}: what keeps its content and what is switched"
        );
        println!(
            "{{\"canary\":\"{name}\",\"registers\":{},\"said\":\"{last}\"}}",
            found.len()
        );
    }
}
