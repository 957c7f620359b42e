// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where EL2 lies on this board: the `hypervisor` of its description.

fn main() {
    bulkhead_link::link(Some("template"), bulkhead_link::Layout::of_eight(0x4020_0000));
}
