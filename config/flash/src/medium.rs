// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The files of a built system's boot medium.

use bulkhead_model::board::{Board, ReservedUse};
use bulkhead_model::boot::Boot;
use bulkhead_model::manifest::Manifest;

use crate::disk::digest;
use crate::fit::{Fit, FitError, Part};
use crate::script::{Form, Place};

/// Why a built system has no boot medium.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// The board file says nothing.
    #[error("the board file of `{0}` has no `boot`: it does not say how the board boots from a medium")]
    NoBootPath(String),
    /// It was built for another board.
    #[error("the system `{system}` was built for board `{built}`, not for `{board}`")]
    OtherBoard {
        /// The system.
        system: String,
        /// Its board.
        built: String,
        /// The board that was asked for.
        board: String,
    },
    /// The image and its description differ.
    #[error(
        "image.bin has not the part `{0}` with the digest that manifest.json names; build the system again"
    )]
    Part(String),
    /// What is read would overwrite what is loaded.
    #[error(
        "the boot image would lie at {staging:#x} to {end:#x}, where `{part}` is loaded or the device tree lies: move `boot.staging` of the board"
    )]
    Staging {
        /// Where the boot image is read to.
        staging: u64,
        /// Its end.
        end: u64,
        /// What is there.
        part: String,
    },
    /// A FIT cannot be made.
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// A built system and its board.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What was built.
    pub manifest: &'a Manifest,
    /// Its image.
    pub image: &'a [u8],
    /// Its board.
    pub board: &'a Board,
}

impl<'a> Source<'a> {
    /// The board's boot path.
    ///
    /// # Errors
    /// There is none, or the system is another board's.
    pub fn place(&self) -> Result<Place<'a>, MediumError> {
        let Board {
            name, boot, reserved, ..
        } = self.board;
        if self.manifest.board != name.value {
            return Err(MediumError::OtherBoard {
                system: self.manifest.system.clone(),
                built: self.manifest.board.clone(),
                board: name.value.clone(),
            });
        }
        let boot: &Boot = boot
            .as_ref()
            .ok_or_else(|| MediumError::NoBootPath(name.value.clone()))?;
        let mut trees = reserved.iter().filter(|r| r.purpose == ReservedUse::DeviceTree);
        Ok(Place {
            board: &name.value,
            boot,
            device_tree: trees.next().map(|r| r.region.value.base),
        })
    }

    /// What the boot loader reads: a FIT, or the image as it is. Implements: BH-FLSH-002.
    ///
    /// # Errors
    /// See [`MediumError`].
    pub fn boot_image(
        &self,
        form: Form,
        rollback_index: u32,
        key: Option<&str>,
    ) -> Result<Vec<u8>, MediumError> {
        let place = self.place()?;
        let parts = self.parts()?;
        let bytes = match form {
            Form::Image => self.image.to_vec(),
            Form::Fit => Fit {
                system: &self.manifest.system,
                compatible: &place.boot.compatible,
                parts,
                rollback_index,
                key,
            }
            .build()?,
        };
        self.check_staging(place, &bytes)?;
        Ok(bytes)
    }

    /// The parts of the image, each with its digest. Implements: BH-FLSH-011.
    fn parts(&self) -> Result<Vec<Part<'a>>, MediumError> {
        let parts = self.manifest.parts.iter().map(|part| {
            let range = || {
                let start = usize::try_from(part.offset).ok()?;
                let end = usize::try_from(part.offset.checked_add(part.size)?).ok()?;
                self.image.get(start..end)
            };
            let whole = range().filter(|bytes| digest(bytes) == part.sha256);
            let bytes = whole.ok_or_else(|| MediumError::Part(part.name.clone()))?;
            Ok(Part {
                name: &part.name,
                address: part.address,
                bytes,
            })
        });
        parts.collect()
    }

    /// The boot loader reads to where it writes nothing else.
    fn check_staging(&self, place: Place<'_>, image: &[u8]) -> Result<(), MediumError> {
        let staging = place.boot.staging.value;
        let end = staging.saturating_add(u64::try_from(image.len()).unwrap_or(u64::MAX));
        let parts = self
            .manifest
            .parts
            .iter()
            .map(|p| (p.name.as_str(), p.address, p.size));
        let reserved = self
            .board
            .reserved
            .iter()
            .map(|r| (r.name.as_str(), r.region.value.base, r.region.value.size));
        let mut all = parts.chain(reserved);
        match all.find(|(_, base, size)| staging < base.saturating_add(*size) && *base < end) {
            Some((name, ..)) => Err(MediumError::Staging {
                staging,
                end,
                part: name.to_owned(),
            }),
            None => Ok(()),
        }
    }
}
