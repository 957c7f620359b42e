// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where EL2 lies on this board, with room for its cores.

fn main() {
    let layout = bulkhead_link::Layout {
        boot: 0x4020_0000,
        runtime: 0x4030_0000,
        loader: 0x4056_0000,
        blob: 0x4058_0000,
        cores: 32,
    };
    bulkhead_link::link(Some("qemu-virt-32"), layout);
}
