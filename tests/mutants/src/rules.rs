// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules, by topic. Each names the document that it is read from.

pub(crate) mod colours;
pub(crate) mod controllers;
pub(crate) mod cores;
pub(crate) mod devices;
pub(crate) mod el2;
pub(crate) mod firmware;
pub(crate) mod grants;
pub(crate) mod health;
pub(crate) mod placed;
pub(crate) mod places;
pub mod records;
pub(crate) mod sharing;
pub(crate) mod streams;
pub(crate) mod words;
