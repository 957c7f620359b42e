// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decides all properties of a system.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::contents::payload_areas;
use crate::properties::{FORM, PROPERTIES, firmware, masters};
use crate::range::{PAGE, Range};
use crate::system::System;
use crate::work::steps;

/// The three files that are compared.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// `hypervisor.bin`.
    pub hypervisor: &'a [u8],
    /// `system.blob`.
    pub blob: &'a [u8],
    /// `grants.txt`.
    pub grants: &'a str,
}

/// Something that contradicts a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The property's identifier.
    pub property: &'static str,
    /// What is wrong, where.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.text)
    }
}

/// A system of which every property holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// SHA-256 of the blob.
    pub blob_hash: [u8; 32],
    /// Pages that were found reachable, summed over all roots.
    pub pages: u64,
    /// Roots that were walked.
    pub roots: u64,
    /// Descriptors that were decoded.
    pub descriptors: u64,
    /// Table entries and ranges that were looked at.
    pub steps: u64,
    /// What was not proved since the text form excepts it, in words.
    pub exceptions: Vec<String>,
    /// Where the parts of the image lie.
    pub(crate) places: Places,
}

/// Where the parts of the image lie in physical memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// First byte of the image.
    pub image: u64,
    /// `hypervisor.bin`.
    pub hypervisor: Range,
    /// Blob and certificate.
    pub blob: Range,
    /// Payload area of each partition, with its owner.
    pub payloads: Vec<(String, Range)>,
}

impl Places {
    fn of(system: &System<'_>) -> Self {
        let image = system.image.extent.start;
        let size = u64::try_from(system.hypervisor.len()).unwrap_or(u64::MAX);
        Self {
            image,
            hypervisor: Range::sized(image, size),
            blob: system.blob_area(),
            payloads: payload_areas(&system.grants)
                .map(|(owner, area)| (owner.to_owned(), area))
                .collect(),
        }
    }
}

/// Decides all properties. Implements: BH-CHK-070, BH-CHK-080, BH-CHK-085.
///
/// # Errors
/// Everything that contradicts one of them.
pub fn prove(inputs: &Inputs<'_>) -> Result<Proof, Vec<Failure>> {
    let before = steps();
    let fail = |text| Failure { property: FORM, text };
    let system = System::load(inputs.hypervisor, inputs.blob, inputs.grants)
        .map_err(|errors| errors.into_iter().map(fail).collect::<Vec<_>>())?;
    let mut failures = Vec::new();
    for property in PROPERTIES {
        let mut texts = Vec::new();
        (property.check)(&system, &mut texts);
        failures.extend(texts.into_iter().map(|text| Failure {
            property: property.id,
            text,
        }));
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let runs = system.roots.iter().flat_map(|root| &root.walk.runs);
    let pages = runs.map(|run| run.input.size() / PAGE).sum();
    Ok(Proof {
        steps: steps().wrapping_sub(before),
        blob_hash: Sha256::digest(inputs.blob).into(),
        pages,
        roots: u64::try_from(system.roots.len()).unwrap_or(u64::MAX),
        descriptors: system.roots.iter().map(|root| root.walk.descriptors).sum(),
        exceptions: [masters::exceptions(&system), firmware::exceptions(&system)].concat(),
        places: Places::of(&system),
    })
}
