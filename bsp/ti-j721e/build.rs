// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where EL2 lies on this board.

fn main() {
    bulkhead_link::link(Some("ti-j721e"), bulkhead_link::Layout::of_eight(0x8020_0000));
}
