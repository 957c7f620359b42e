// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Drawings as SVG: the graph of a system, its memory, its major frame.
//!
//! Coordinates are whole pixels and everything is drawn in the order of the system, so that the same input
//! gives the same bytes. Nothing is loaded from elsewhere. Implements: BH-EXPL-006.

mod canvas;
mod frame;
mod graph;
mod lanes;
mod memory;
mod responses;

pub use self::frame::frame;
pub use self::graph::graph;
pub use self::memory::memory;
pub use self::responses::responses;
