// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A boot loader that starts nothing but what its owner signed: its control device tree. Implements: BH-FLSH-008.
//!
//! # References
//! U-Boot, doc/device-tree-bindings/config.txt.

use dtoolkit::error::{FdtParseError, ModelError};
use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

/// A device tree that cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It is none.
    #[error("it is no device tree: {0}")]
    Tree(#[from] FdtParseError),
    /// It cannot hold the command.
    #[error("it cannot be changed: {0}")]
    Model(#[from] ModelError),
}

/// U-Boot's control device tree, whose `/config` makes U-Boot run `command` at once, where nobody can stop it, with
/// no environment but the one that is built in.
///
/// # Errors
/// See [`TrustError`].
pub fn with_command(tree: &[u8], command: &str) -> Result<Vec<u8>, TrustError> {
    let mut tree = DeviceTree::from_fdt(&Fdt::new(tree)?);
    tree.root.remove_child("config");
    let mut config = DeviceTreeNode::new("config")?;
    config.add_property(DeviceTreeProperty::new("bootcmd", command)?);
    // -2: no delay, and no key that would be looked at.
    config.add_property(DeviceTreeProperty::new("bootdelay", (-2i32).cast_unsigned())?);
    config.add_property(DeviceTreeProperty::new("load-environment", 0u32)?);
    tree.root.add_child(config);
    Ok(tree.to_dtb())
}
