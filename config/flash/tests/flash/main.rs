// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boot images, media and targets on the host.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod disk;
mod fit;
mod target;
mod write;
