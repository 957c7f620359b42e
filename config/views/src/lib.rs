// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Views of a system for people: questions and their answers, drawings, differences, the HTML report.
//!
//! Pure: the typed model and what was built go in, text, JSON, SVG and HTML come out, the same bytes for the
//! same input. What a view says of reach comes from the emitted tables ([`walk`]), not from the spec.
#![forbid(unsafe_code)]

pub mod at;
pub mod built;
pub mod certificate;
mod channel;
mod content;
mod controllers;
mod devices;
pub mod diff;
pub mod draw;
mod errata;
mod firmware;
pub mod html;
pub mod overview;
pub mod records;
mod share;
pub mod stated;
mod target;
pub mod walk;
pub mod who_can;
pub mod why;
mod words;

pub use built::{Built, BuiltError};
pub use stated::Stated;
pub use target::AskError;
