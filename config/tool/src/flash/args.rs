// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The arguments of `flash`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::SpecArgs;

/// Arguments of `flash`.
#[derive(Args, Debug)]
pub(crate) struct FlashArgs {
    /// The board
    pub(crate) board: String,
    /// A spec, or a folder that `build` wrote [default: the board's example, or the reference system]
    pub(crate) spec: Option<PathBuf>,
    /// Change a value of the spec before it is checked; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// What is written
    #[arg(long, value_name = "TARGET", value_parser = super::destination)]
    pub(crate) to: super::Destination,
    /// Write without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print the commands that would be run, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What the boot loader starts: `fit`, whose parts it checks, or `image`, by `booti`
    #[arg(long = "as", value_name = "FORM", value_parser = super::form, default_value = "fit")]
    pub(crate) form: bulkhead_flash::script::Form,
    /// Where a file of the board's vendor is; may be repeated
    #[arg(long = "blob", value_name = "NAME=FILE", value_parser = super::blob_path)]
    pub(crate) blobs: Vec<(String, PathBuf)>,
    /// Sign the boot image with a key of this folder
    #[arg(long, value_name = "KEYS")]
    pub(crate) sign: Option<PathBuf>,
    /// Name of the key: KEYS/NAME.key and KEYS/NAME.crt
    #[arg(long, value_name = "NAME", default_value = "dev")]
    pub(crate) key: String,
    /// Number of this release, which never becomes smaller
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) rollback_index: u32,
    /// Make the U-Boot with this device tree start only what this key signs, from this rollback index on
    #[arg(long, value_name = "FILE.dtb", requires = "sign")]
    pub(crate) trust: Option<PathBuf>,
}

impl FlashArgs {
    /// The spec for the board.
    pub(crate) fn spec(&self) -> SpecArgs {
        SpecArgs {
            spec: self.spec.clone(),
            board: Some(self.board.clone()),
            overrides: self.overrides.clone(),
        }
    }
}
