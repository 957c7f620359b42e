// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The system spec: parsing, diagnostics, rules, typed model.

pub mod board;
pub mod manifest;
pub mod span;
pub mod system;
