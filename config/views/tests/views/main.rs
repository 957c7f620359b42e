// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The views against what was emitted, each judged by another way to the same answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod colours;
mod controllers;
mod damage;
mod diff;
mod evidence;
mod facts;
mod pages;
mod questions;
mod reach;
mod slots;
#[allow(dead_code, reason = "shared with the compiler's tests")]
#[path = "../../../compiler/tests/compiler/support/mod.rs"]
mod support;
mod why;

use bulkhead_analysis::Analysis;
use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_compiler::image::assemble;
use bulkhead_model::system::System;
use bulkhead_views::{Built, Stated};

use self::support::{Workshop, hypervisor_bin};

/// A system, compiled.
pub(crate) struct Sample {
    pub(crate) system: System,
    pub(crate) compiled: Compiled,
    pub(crate) image: Vec<u8>,
    pub(crate) stated: Stated,
}

impl Sample {
    pub(crate) fn of(system: System) -> Self {
        let hypervisor = hypervisor_bin();
        let compiled = compile(&system, &hypervisor).unwrap();
        let image = assemble(&compiled, &hypervisor, &[0; 4096]);
        let stated = Stated::of(&system, &Analysis::of(&system, &system.board.bounds));
        Sample {
            stated,
            system,
            compiled,
            image,
        }
    }

    /// The reference system.
    pub(crate) fn reference() -> Self {
        Self::of(Workshop::new().reference())
    }

    /// The system with every key, with its text changed.
    pub(crate) fn every_key(change: impl Fn(String) -> String) -> Self {
        let (workshop, systems) = (Workshop::new(), support::repository().join("tests/systems"));
        workshop.put_beside_every_key();
        let text = std::fs::read_to_string(systems.join("every-key.yaml")).unwrap();
        Self::of(workshop.load(&change(text)))
    }

    /// Begin and end of a placed thing, as the text form says.
    pub(crate) fn placed(&self, owner: &str, name: &str) -> (u64, u64) {
        let number = |text: &str| u64::from_str_radix(&text[2..], 16).unwrap();
        let records = self
            .compiled
            .text
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>());
        let found = records
            .filter(|f| f[0] == "memory")
            .find(|f| f[2..] == [owner, name])
            .unwrap();
        let (start, end) = found[1].split_once('-').unwrap();
        (number(start), number(end))
    }

    pub(crate) fn built(&self) -> Built<'_> {
        Built::decode(&self.compiled.blob, &self.compiled.text, &self.image).unwrap()
    }
}

/// The text of the reference system.
pub(crate) fn reference_text() -> String {
    std::fs::read_to_string(support::repository().join("config/systems/adas-infotainment.yaml")).unwrap()
}
