// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The arguments of what helps with boards: `schema`, `board`, `images`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `schema`.
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// What is described
    #[arg(value_enum, default_value_t = Document::Spec)]
    pub(crate) document: Document,
    /// Know the devices and cores of a board: a name, or the path of a board file
    #[arg(long, value_name = "BOARD")]
    pub(crate) board: Option<String>,
    /// Print the keys as a table in Markdown instead
    #[arg(long)]
    pub(crate) keys: bool,
}

/// A kind of document.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// A system
    Spec,
    /// A file that a system includes
    Fragment,
    /// A board file
    Board,
}

/// Arguments of `board`.
#[derive(Args, Debug)]
pub(crate) struct BoardArgs {
    /// What is done.
    #[command(subcommand)]
    pub(crate) action: BoardAction,
}

/// What is done for a board.
#[derive(Subcommand, Debug)]
pub(crate) enum BoardAction {
    /// Draft a board file from a flattened device tree
    FromDtb {
        /// The device tree
        #[arg(value_name = "FILE.dtb")]
        file: PathBuf,
        /// Name of the board [default: that of the file]
        #[arg(long)]
        name: Option<String>,
        /// Number of the board, the same in its crate
        #[arg(long, default_value_t = 1000)]
        id: u32,
        /// File that receives the draft [default: stdout]
        #[arg(short, long, value_name = "FILE.yaml")]
        output: Option<PathBuf>,
    },
}

/// Arguments of `images`.
#[derive(Args, Debug)]
pub(crate) struct ImagesArgs {
    /// Build what is missing or older than its sources; without it, list the images
    #[arg(long)]
    pub(crate) build: bool,
    /// Only the hypervisor of this board; the loader must have been built
    #[arg(long, value_name = "BOARD")]
    pub(crate) board: Option<String>,
}
