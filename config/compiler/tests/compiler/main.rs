// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the compiler through its public interface.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod build;
mod channels;
mod colours;
mod devices;
mod devicetree;
mod doorbells;
mod gicv2;
mod grants;
mod isolation;
mod layout;
mod own_tree;
mod pack;
mod payload;
mod pins;
mod rights;
mod rules;
mod stated_health;
mod streams;
mod support;
mod tables;
mod together;
mod walk;
mod walk_board;
