// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A second opinion on an emitted system.
//!
//! [`judge::judge`] decodes `hypervisor.bin`, `system.blob` and `grants.txt` from the format's documents
//! (`hypervisor/types`, `config/compiler/FORMAT.md`), the Arm Architecture Reference Manual (DDI 0487) and the
//! SMMUv3 specification (IHI 0070), and says whether what the tables do is what the text grants. It shares no
//! code with the compiler or the checker. [`mutate`] makes seeded wrong systems of right ones.
//!
//! Neighbours: `config/checker`, whose verdicts are compared with this one's in `tests/`.
#![forbid(unsafe_code)]

pub mod blob;
pub mod bytes;
pub mod colours;
pub mod descriptor;
pub mod entries;
pub mod files;
pub mod image;
pub mod judge;
pub mod mutate;
pub mod predict;
pub mod reach;
pub mod rng;
pub mod rules;
pub mod stream;
pub mod text;
pub mod walk;
