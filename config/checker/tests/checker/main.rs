// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Proves a small system that is encoded here by hand, and refuses each change of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod accepted;
mod attacks;
mod colours;
mod command;
mod controllers;
mod descriptors;
mod encode;
mod finished;
mod gicv2;
mod masters;
mod model;
mod mutations;
mod roots;
mod second_opinion;
mod tables;
mod text;
mod text_mutations;
mod words;
