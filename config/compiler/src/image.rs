// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `image.bin`: hypervisor, blob, certificate, payload areas, in one arm64 `Image`.

use std::mem::offset_of;

use bulkhead_types::blob::PAGE;

use crate::compile::Compiled;
use crate::payload::linux::ImageHeader;
use crate::units::index;

/// Offset of the image size in the header.
const SIZE_OFFSET: usize = offset_of!(ImageHeader, image_size);

/// Stores the size of the memory that an image occupies into its arm64 `Image` header.
pub fn set_size(image: &mut [u8], size: u64) {
    let size = size.to_le_bytes();
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
    image.resize(index(plan.file_end - compiled.info.base), 0);
    for (area, extent) in compiled.areas.iter().zip(&plan.payloads) {
        let bytes = [area.list.as_slice(), area.payload.as_slice()].concat();
        for (address, page) in extent.pages().zip(bytes.chunks(index(PAGE))) {
            let at = index(address - compiled.info.base);
            image[at..at + page.len()].copy_from_slice(page);
        }
    }
    set_size(&mut image, plan.image_end - compiled.info.base);
    image
}
