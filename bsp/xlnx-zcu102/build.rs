// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where EL2 lies on this board.

fn main() {
    bulkhead_link::link(Some("xlnx-zcu102"), bulkhead_link::Layout::of_eight(0x0020_0000));
}
