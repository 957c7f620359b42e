// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `image.bin`: hypervisor, blob, certificate, payload areas, in one arm64 `Image`.

use std::mem::offset_of;

use crate::compile::Compiled;
use crate::payload::linux::ImageHeader;
use crate::units::{index, length};

/// Offset of the image size in the header.
const SIZE_OFFSET: usize = offset_of!(ImageHeader, image_size);

/// Stores the image size into an arm64 `Image` header.
pub fn set_size(image: &mut [u8]) {
    let size = length(image).to_le_bytes();
    if let Some(field) = image.get_mut(SIZE_OFFSET..SIZE_OFFSET + size.len()) {
        field.copy_from_slice(&size);
    }
}

/// Assembles the bootable image.
pub fn assemble(compiled: &Compiled, hypervisor_bin: &[u8], certificate: &[u8]) -> Vec<u8> {
    let plan = &compiled.plan;
    let mut image = hypervisor_bin.to_vec();
    image.resize(index(plan.blob.start - compiled.info.base), 0);
    image.extend_from_slice(&compiled.blob);
    image.extend_from_slice(certificate);
    for (area, range) in compiled.areas.iter().zip(&plan.payloads) {
        image.resize(index(range.start - compiled.info.base), 0);
        image.extend_from_slice(&area.list);
        image.extend_from_slice(&area.payload);
    }
    set_size(&mut image);
    image
}
