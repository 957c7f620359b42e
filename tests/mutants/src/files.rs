// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The three files that a proof is about.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::bytes::{array, index, put, u64_at};

/// First byte that the early digest covers.
const EARLY_START: usize = 64;

/// `hypervisor.bin`, `system.blob` and `grants.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// `hypervisor.bin`.
    pub hypervisor: Arc<[u8]>,
    /// `system.blob`.
    pub blob: Vec<u8>,
    /// `grants.txt`.
    pub text: Vec<u8>,
}

impl Files {
    /// The digest of the early part as it should be.
    fn digest(&self) -> Option<[u8; 32]> {
        let end = index(u64_at(&self.blob, 104)?);
        self.blob
            .get(EARLY_START..end)
            .map(|early| Sha256::digest(early).into())
    }

    /// Makes the early digest right, so that a mutation is judged by what it means and not by the digest.
    pub fn seal(&mut self) {
        if let Some(digest) = self.digest() {
            put(&mut self.blob, 16, &digest);
        }
    }

    /// The certificate page that EL2 asks for, with nobody's verdict behind it.
    pub fn certificate(&self) -> Vec<u8> {
        let mut page = b"BLKHCERT".to_vec();
        page.extend([1u32, 0].iter().flat_map(|word| word.to_le_bytes()));
        page.extend(Sha256::digest(&self.blob));
        page.resize(4096, 0);
        page
    }

    /// Whether the early digest is right.
    pub fn is_sealed(&self) -> bool {
        self.digest()
            .is_some_and(|digest| array(&self.blob, 16) == Some(digest))
    }
}
