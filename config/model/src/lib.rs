// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The system spec: parsing, diagnostics, rules, typed model.
//!
//! [`load()`] goes through these steps, each in a module of its own: YAML to nodes with positions (`yaml`,
//! `tree`), overrides (`overrides`), nodes to values with units (`decode*`, [`units`]), board and payload
//! files (`files`), [`rules`], names to indices (`resolve`). The result is a [`system::System`].

pub mod board;
pub mod boot;
pub mod bounds;
pub mod channel;
pub mod colours;
mod decode;
mod decode_board;
mod decode_boot;
mod decode_controllers;
mod decode_cores;
mod decode_device;
mod decode_gic;
mod decode_locks;
mod decode_spec;
mod decode_tasks;
mod device;
pub mod diagnostic;
pub mod errata;
pub mod files;
mod function;
pub mod health;
mod include;
pub mod keys;
pub mod language;
mod load;
pub mod lock;
pub mod loss;
pub mod manifest;
pub mod origin;
mod overrides;
mod payload;
pub mod pin;
mod property;
mod qemu;
pub mod release;
pub mod remains;
mod remains_board;
mod render;
pub mod reset;
mod resolve;
pub mod rules;
mod schedule;
pub mod schema;
pub mod smc;
pub mod span;
mod spec;
mod structure;
pub mod system;
pub mod task;
mod tree;
pub mod units;
pub mod values;
mod yaml;

pub use files::Paths;
pub use load::{Diagnostics, LoadError, board_name, debian_packages, load, load_board, load_text, survey};
pub use render::{Record, RecordLabel};
