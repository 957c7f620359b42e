// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The boot image: a FIT, that is a device tree whose nodes hold the parts of a system and their hashes.
//!
//! Each part is hashed by itself, so that the boot loader names the one that is damaged. Nothing in it depends on
//! time or place. Implements: BH-FLSH-002.
//!
//! # References
//! Flattened Image Tree (FIT) Format, "Root node properties", "'/images' node", "'/configurations' node";
//! U-Boot, "Verified Boot".

use dtoolkit::ToPropertyValue;
use dtoolkit::error::ModelError;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use sha2::{Digest, Sha256};

/// Name of the only configuration.
pub const CONFIGURATION: &str = "bulkhead";
/// Property of the configuration that grows with each release; a signature covers it.
pub const ROLLBACK_INDEX: &str = "rollback-index";

/// A part of a system.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    /// Physical address that it is loaded to.
    pub address: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What a boot image is made of.
#[derive(Clone, Debug)]
pub struct Fit<'a> {
    /// Name of the system.
    pub system: &'a str,
    /// First entry of `compatible` of the board's device tree.
    pub compatible: &'a str,
    /// The hypervisor, which is entered at its first byte, then the other parts.
    pub parts: Vec<Part<'a>>,
    /// Number of the release.
    pub rollback_index: u32,
    /// Name of the key by which it will be signed, if it will.
    pub key: Option<&'a str>,
}

/// A name or value that a device tree cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("boot image: {0}")]
pub struct FitError(#[from] ModelError);

struct Builder(DeviceTreeNode);

impl Builder {
    fn new(name: &str) -> Result<Self, ModelError> {
        Ok(Builder(DeviceTreeNode::new(name)?))
    }

    fn with(mut self, name: &str, value: impl ToPropertyValue) -> Result<Self, ModelError> {
        self.0.add_property(DeviceTreeProperty::new(name, value)?);
        Ok(self)
    }

    fn child(mut self, child: Builder) -> Self {
        self.0.add_child(child.0);
        self
    }
}

impl Fit<'_> {
    /// The boot image.
    ///
    /// # Errors
    /// A name that a device tree cannot hold.
    pub fn build(&self) -> Result<Vec<u8>, FitError> {
        let mut images = Builder::new("images")?;
        for (index, part) in self.parts.iter().enumerate() {
            images = images.child(image(part, index == 0)?);
        }
        let mut loadables = Vec::new();
        for part in self.parts.iter().skip(1) {
            loadables.extend_from_slice(part.name.as_bytes());
            loadables.push(0);
        }
        let first = self.parts.first().map_or("", |part| part.name);
        let mut configuration = Builder::new(CONFIGURATION)?
            .with("description", self.system)?
            .with("compatible", self.compatible)?
            .with(ROLLBACK_INDEX, self.rollback_index)?
            .with("kernel", first)?
            .with("loadables", loadables.as_slice())?;
        if let Some(key) = self.key {
            configuration = configuration.child(signature(key)?);
        }
        let configurations = Builder::new("configurations")?
            .with("default", CONFIGURATION)?
            .child(configuration);
        let mut tree = DeviceTree::new();
        tree.root = Builder(tree.root)
            .with("description", format!("Bulkhead system {}", self.system).as_str())?
            // U-Boot wants one; the content says all that matters.
            .with("timestamp", 0u32)?
            .with("#address-cells", 2u32)?
            .child(images)
            .child(configurations)
            .0;
        Ok(tree.to_dtb())
    }
}

/// A part; the first is what the boot loader enters, as it enters a kernel.
fn image(part: &Part<'_>, first: bool) -> Result<Builder, ModelError> {
    let digest: [u8; 32] = Sha256::digest(part.bytes).into();
    let hash = Builder::new("hash")?
        .with("algo", "sha256")?
        .with("value", digest.as_slice())?;
    let mut node = Builder::new(part.name)?
        .with("description", part.name)?
        .with("type", if first { "kernel" } else { "firmware" })?
        .with("arch", "arm64")?
        .with("compression", "none")?
        .with("load", part.address)?;
    if first {
        node = node.with("os", "linux")?.with("entry", part.address)?;
    }
    Ok(node.with("data", part.bytes)?.child(hash))
}

/// What the signing tool fills in.
fn signature(key: &str) -> Result<Builder, ModelError> {
    Builder::new("signature")?
        .with("algo", "sha256,rsa2048")?
        .with("key-name-hint", key)?
        .with("sign-images", b"kernel\0loadables\0".as_slice())
}

/// Bytes of a boot image, from its header.
pub fn total_size(fit: &[u8]) -> Option<u64> {
    let (magic, rest) = fit.split_first_chunk::<4>()?;
    let (size, _) = rest.split_first_chunk::<4>()?;
    (*magic == [0xd0, 0x0d, 0xfe, 0xed]).then(|| u64::from(u32::from_be_bytes(*size)))
}
