// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a built system to something that a board boots: a boot image whose parts are hashed ([`fit`]), what the boot
//! loader does with it ([`script`]), a medium that boots by itself ([`disk`]), and the way onto a board ([`target`],
//! [`write`](mod@write)).
#![forbid(unsafe_code)]

pub mod disk;
pub mod fit;
pub mod medium;
pub mod script;
pub mod target;
pub mod trust;
pub mod write;
