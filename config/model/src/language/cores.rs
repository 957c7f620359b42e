// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a board's cores, and the errata that it may name.

use crate::errata::CATALOGUE;

use super::{Kind, Table, Word, needed, optional, table, word};

pub(super) const CORE: Table = table(
    "a core",
    &[
        needed("mpidr", Kind::U64, "Affinity fields of MPIDR_EL1."),
        needed(
            "midr",
            Kind::U64,
            "MIDR_EL1; boot takes it and later revisions, no other one.",
        ),
        needed("cluster", Kind::U32, "Number of its cluster."),
        needed("capacity", Kind::U32, "Relative speed, 1024 for the fastest."),
        optional(
            "predictors",
            Kind::Word(PREDICTORS),
            "`none`",
            "What keeps the predictions of partitions apart; boot compares.",
        ),
    ],
);

const PREDICTORS: &[Word] = &[
    word("none", "Nothing."),
    word("isolated", "The core by itself (FEAT_CSV2)."),
    word("restricted", "Instructions at the switch (FEAT_SPECRES)."),
    word(
        "firmware",
        "The firmware at the switch (SMCCC_ARCH_WORKAROUND_1).",
    ),
];

/// A known erratum.
pub(super) const ERRATUM: &Kind = &Kind::Word(&ERRATA);

/// The catalogue of errata.
static ERRATA: [Word; CATALOGUE.len()] = {
    let mut words = [const { word("", "") }; CATALOGUE.len()];
    let mut index = 0;
    while index < words.len() {
        words[index] = word(CATALOGUE[index].name, CATALOGUE[index].effect);
        index += 1;
    }
    words
};
