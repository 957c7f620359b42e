// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many bytes a linked AArch64 program can put on its stack, read from its instructions.
//!
//! [`Program`] is text with the functions in it, [`Graphs`] makes blocks of what some entries reach, [`depths`] adds up
//! frames. Nothing is guessed: what is not understood is an [`Error`].
//!
//! Implements: BH-BENCH-004.
#![forbid(unsafe_code)]

mod code;
mod depth;
mod graph;
mod program;
mod table;

pub use depth::{Depth, depths};
pub use graph::{Block, End, Graph, Graphs};
pub use program::{Function, Program};

/// Why a program was not analysed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is no such program.
    #[error("{0}")]
    File(String),
    /// A symbol is missing.
    #[error("no symbol {0}")]
    NoSymbol(String),
    /// An address without an instruction.
    #[error("{address:#x} ({function}): no instruction")]
    NoCode {
        /// Where.
        address: u64,
        /// In which function.
        function: String,
    },
    /// An instruction that is not known, or that goes where only registers know.
    #[error("{address:#x} ({function}): {what}")]
    Instruction {
        /// Where.
        address: u64,
        /// In which function.
        function: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A function that calls itself.
    #[error("recursion: {0}")]
    Recursion(String),
    /// Stack depths that differ where ways meet.
    #[error("{address:#x} ({function}): the stack is not the same on all ways here")]
    Uneven {
        /// Where.
        address: u64,
        /// Symbol.
        function: String,
    },
}
