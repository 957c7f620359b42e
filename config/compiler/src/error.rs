// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a system was not built.

use std::path::PathBuf;

use bulkhead_model::span::Span;
use bulkhead_model::system::Partition;

use crate::blob::TableError;
use crate::devices::DeviceError;
use crate::devicetree::DeviceTreeError;
use crate::hypervisor::HypervisorError;
use crate::layout::LayoutError;
use crate::own_tree::OwnTreeError;
use crate::payload::{DEVICE_TREE, FileError, PayloadError};
use crate::prove::ProveError;

/// Why a system was not built. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// `hypervisor.bin` does not fit.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// Two things overlap, or something finds no room.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A device cannot be assigned.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A payload cannot be used.
    #[error(transparent)]
    Payload(#[from] Box<FileError>),
    /// A device tree cannot be made.
    #[error(transparent)]
    DeviceTree(#[from] DeviceTreeError),
    /// A partition's own device tree cannot be used.
    #[error("{}: {error}", path.display())]
    OwnTree {
        /// File.
        path: PathBuf,
        /// Where the spec names it.
        span: Span,
        /// What is wrong.
        error: OwnTreeError,
    },
    /// A translation table cannot hold a grant.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The tables never fitted into the space planned for them.
    #[error("the translation tables did not settle in {tries} plans")]
    Tables {
        /// Plans tried.
        tries: u32,
    },
    /// The proof failed, or could not be made.
    #[error(transparent)]
    Proof(#[from] ProveError),
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The output folder holds something else.
    #[error("{} is not empty and is not a build directory; name another one or empty it", path.display())]
    Foreign {
        /// Folder.
        path: PathBuf,
    },
    /// A description cannot be written as JSON.
    #[error("cannot describe the system: {0}")]
    Json(#[from] serde_json::Error),
    /// What was emitted cannot be read back for the report.
    #[error("cannot describe the system: {0}")]
    Views(#[from] bulkhead_views::BuiltError),
}

impl BuildError {
    /// Blames the main file of a partition's payload, or the key that pins its device tree.
    pub(crate) fn payload(partition: &Partition, error: PayloadError) -> Self {
        let file = partition.payload.file();
        let is_of_tree = match &error {
            PayloadError::Layout(error) => error.name() == DEVICE_TREE,
            _ => false,
        };
        let pin = partition.pins.device_tree_at.filter(|_| is_of_tree);
        BuildError::Payload(Box::new(FileError {
            partition: partition.name.value.clone(),
            path: file.path.clone(),
            span: pin.map_or(file.name.span, |at| at.span),
            error,
        }))
    }
}
