// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Errata of the cores that a board may have, and who works around each.
//!
//! Listed is what concerns EL2 or the isolation of partitions; what a kernel mends for itself alone is not. The branch
//! predictors' part of CVE-2017-5715 is the key `predictors`. For a core of another part nobody has looked, and a
//! board that has one is refused.
//!
//! # References
//! Arm, Software Developers Errata Notices of Cortex-A53 and Cortex-A72 MPCore; Linux, `Documentation/arch/arm64/silicon-errata.rst` and
//! `arch/arm64/Kconfig`; TF-A, `docs/design/cpu-specific-build-macros.rst`; Arm, "Spectre-BHB" whitepaper.

use crate::board::Board;

/// Who works around an erratum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The linker of every program that runs on the board.
    Linker,
    /// The compiler of every program that runs on the board, or of EL2.
    Compiler,
    /// EL2, at run time.
    El2,
    /// The firmware at EL3; nothing that EL2 can see tells whether it does.
    Firmware,
    /// Nobody: such a core cannot be used.
    Nobody,
}

impl Remedy {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linker => "linker",
            Self::Compiler => "compiler",
            Self::El2 => "EL2",
            Self::Firmware => "firmware",
            Self::Nobody => "nobody",
        }
    }
}

/// A type of core: `MIDR_EL1` without variant (bits 23:20) and revision (bits 3:0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part(u64);

const VARIANT_AND_REVISION: u64 = 0xf0_000f;
const A53: Part = Part(0x410f_d030 & !VARIANT_AND_REVISION);
const A72: Part = Part(0x410f_d080 & !VARIANT_AND_REVISION);

impl Part {
    fn of(midr: u64) -> Self {
        Self(midr & !VARIANT_AND_REVISION)
    }
}

/// Variant and revision as one number that orders them: r1p2 is `0x12`.
fn release(midr: u64) -> u64 {
    midr >> 16 & 0xf0 | midr & 0xf
}

/// A core's variant and revision as Arm writes them, such as `r0p4`.
pub fn release_name(midr: u64) -> String {
    format!("r{}p{}", release(midr) >> 4, release(midr) & 0xf)
}

/// An erratum, or a vulnerability of a core.
#[derive(Debug)]
pub struct Erratum {
    /// As a board file names it.
    pub name: &'static str,
    part: Part,
    /// The last variant and revision that has it, `0xff` for all; the first is r0p0.
    last: u64,
    /// What goes wrong.
    pub effect: &'static str,
    /// Who prevents that.
    pub remedy: Remedy,
    /// How, or why nobody can.
    pub means: &'static str,
}

impl Erratum {
    /// Whether a core with this `MIDR_EL1` has it.
    pub fn is_of(&self, midr: u64) -> bool {
        self.part == Part::of(midr) && release(midr) <= self.last
    }

    /// An erratum by its name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|e| e.name == name)
    }
}

/// All errata of a core, by its `MIDR_EL1`; `None` where nobody has looked.
///
/// Implements: BH-CFG-160.
pub fn of_core(midr: u64) -> Option<impl Iterator<Item = &'static Erratum>> {
    let known = CATALOGUE.iter().any(|e| e.part == Part::of(midr));
    known.then(|| CATALOGUE.iter().filter(move |e| e.is_of(midr)))
}

/// All errata of a board's cores, each with the cores that have it.
///
/// Implements: BH-CFG-164.
pub fn of_board(board: &Board) -> Vec<(&'static Erratum, Vec<usize>)> {
    let cores = |erratum: &Erratum| -> Vec<usize> {
        let cores = board.cores.iter().enumerate();
        cores
            .filter(|(_, core)| erratum.is_of(core.midr))
            .map(|(number, _)| number)
            .collect()
    };
    let all = CATALOGUE.iter().map(|erratum| (erratum, cores(erratum)));
    all.filter(|(_, cores)| !cores.is_empty()).collect()
}

const NO_TRAPPED_CLEAN: &str =
    "a guest's clean of a line would have to invalidate it too, and EL2 traps no cache maintenance";
const SWITCH: &str = "EL2 turns the table walks of EL1 off before it changes what they depend on, in the world switch and in revocation";

/// All errata, by core and number.
pub static CATALOGUE: &[Erratum] = &[
    Erratum {
        name: "cortex-a53-819472",
        part: A53,
        last: 0x01,
        effect: "a store exclusive that meets a clean of its line may corrupt data",
        remedy: Remedy::Nobody,
        means: NO_TRAPPED_CLEAN,
    },
    Erratum {
        name: "cortex-a53-824069",
        part: A53,
        last: 0x02,
        effect: "a line that is being cleaned may be written back a second time, over newer data",
        remedy: Remedy::Nobody,
        means: NO_TRAPPED_CLEAN,
    },
    Erratum {
        name: "cortex-a53-826319",
        part: A53,
        last: 0x02,
        effect: "cleans of lines may deadlock the interconnect",
        remedy: Remedy::Nobody,
        means: NO_TRAPPED_CLEAN,
    },
    Erratum {
        name: "cortex-a53-827319",
        part: A53,
        last: 0x02,
        effect: "a clean of a line may overlap another transaction on it and corrupt data",
        remedy: Remedy::Nobody,
        means: NO_TRAPPED_CLEAN,
    },
    Erratum {
        name: "cortex-a53-835769",
        part: A53,
        last: 0x04,
        effect: "a 64-bit multiply-accumulate right after a load or store may give a wrong result",
        remedy: Remedy::Compiler,
        means: "an instruction is put between the two in EL2, the loader and the partitions that are built here; a test searches the images",
    },
    Erratum {
        name: "cortex-a53-843419",
        part: A53,
        last: 0x04,
        effect: "a load or store may use a wrong address after an ADRP at the end of a page",
        remedy: Remedy::Linker,
        means: "the sequence is moved in EL2, the loader and the partitions that are built here; a test searches the images",
    },
    Erratum {
        name: "cortex-a53-845719",
        part: A53,
        last: 0x04,
        effect: "a load by AArch32 code at EL0 may return what was loaded at an address with the same low 32 bits before",
        remedy: Remedy::El2,
        means: "the world switch writes CONTEXTIDR_EL1, so nothing of another partition is returned; a kernel does so for its own processes",
    },
    Erratum {
        name: "cortex-a53-855873",
        part: A53,
        last: 0xff,
        effect: "an eviction may overtake a clean of the same line, and old data reach memory",
        remedy: Remedy::Firmware,
        means: "CPUACTLR_EL1 bit 44 (ENDCCASCI); EL2 and the loader clean no line without invalidating it",
    },
    Erratum {
        name: "cortex-a53-1530924",
        part: A53,
        last: 0xff,
        effect: "a speculated address translation may fill the TLB for one partition from another one's tables",
        remedy: Remedy::El2,
        means: SWITCH,
    },
    Erratum {
        name: "cortex-a72-859971",
        part: A72,
        last: 0x03,
        effect: "instructions may be prefetched from device memory",
        remedy: Remedy::Firmware,
        means: "CPUACTLR_EL1 bit 32 (no instruction prefetch); EL2 maps no device executable",
    },
    Erratum {
        name: "cortex-a72-1319367",
        part: A72,
        last: 0xff,
        effect: "a speculated address translation may fill the TLB for one partition from another one's tables",
        remedy: Remedy::El2,
        means: SWITCH,
    },
    Erratum {
        name: "cortex-a72-cve-2018-3639",
        part: A72,
        last: 0xff,
        effect: "a load may speculatively pass an older store to its address and leave traces of old data",
        remedy: Remedy::Firmware,
        means: "CPUACTLR_EL1 bit 55 (no load passes a store), for all exception levels",
    },
    Erratum {
        name: "cortex-a72-cve-2022-23960",
        part: A72,
        last: 0xff,
        effect: "the history of a guest's branches may steer indirect branches that EL2 speculates",
        remedy: Remedy::Compiler,
        means: "the run-time part of EL2 has no indirect branch but returns; a test searches the images",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(midr: u64) -> Option<Vec<&'static str>> {
        Some(of_core(midr)?.map(|e| e.name).collect())
    }

    /// Verifies: BH-CFG-160.
    #[test]
    fn a_core_has_the_errata_of_its_part_and_revision() {
        let a72 = [
            "cortex-a72-859971",
            "cortex-a72-1319367",
            "cortex-a72-cve-2018-3639",
            "cortex-a72-cve-2022-23960",
        ];
        assert_eq!(names(0x410f_d083).as_deref(), Some(&a72[..]));
        assert_eq!(names(0x411f_d080).as_deref(), Some(&a72[1..]));
        let a53 = |midr| names(midr).map(|n| (n.len(), n.first().copied()));
        assert_eq!(a53(0x410f_d031), Some((9, Some("cortex-a53-819472"))));
        assert_eq!(a53(0x410f_d032), Some((8, Some("cortex-a53-824069"))));
        assert_eq!(a53(0x410f_d034), Some((5, Some("cortex-a53-835769"))));
        assert_eq!(names(0x410f_d0b0), None, "a Cortex-A76");
        assert_eq!(names(0x510f_d083), None, "another implementer");
        assert_eq!(release_name(0x411f_d080), "r1p0");
    }

    /// Verifies: BH-CFG-160.
    #[test]
    fn each_erratum_has_a_name_of_its_own() {
        for erratum in CATALOGUE {
            let same = CATALOGUE.iter().filter(|e| e.name == erratum.name);
            assert_eq!(same.count(), 1, "{}", erratum.name);
        }
    }
}
