// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Event records of the SMMU, from the layouts in IHI 0070, "Event records".

use bulkhead_policy::dma::{Cause, Fault, decode, owner};
use bulkhead_types::tables::{PciBar, PciFunction, PlatformStream};
use proptest::prelude::*;

fn function(bdf: u32, partition: u32) -> PciFunction {
    let bars = [PciBar::default(); 6];
    PciFunction {
        bdf,
        id: 0,
        partition,
        bus_master: 1,
        bars,
    }
}

/// Verifies: BH-DMA-022.
#[test]
fn records_are_read_as_the_architecture_lays_them_out() {
    // F_PERMISSION, SSV = 0, StreamID 0x10; word 1 has RnW; then input address and IPA.
    let record = [0x10_0000_0013, 1 << 35, 0x4000_1234, 0x4000_1000];
    let fault = Fault {
        stream: 0x10,
        cause: Cause::Forbidden,
        address: 0x4000_1234,
    };
    assert_eq!(decode(record), fault);
    let cause = |kind: u64| decode([kind | 0xFFFF_FFFF << 32, 0, 7, 0]);
    let wide = |cause, address| Fault {
        stream: u32::MAX,
        cause,
        address,
    };
    assert_eq!(cause(0x10), wide(Cause::Unmapped, 7));
    assert_eq!(cause(0x11), wide(Cause::Unmapped, 7));
    assert_eq!(cause(0x02), wide(Cause::Closed, 0));
    assert_eq!(cause(0x04), wide(Cause::Closed, 0));
    assert_eq!(cause(0x03), wide(Cause::Other(3), 0));
}

/// Verifies: BH-DMA-022.
#[test]
fn a_fault_is_that_of_the_function_with_its_stream_id() {
    let functions = [function(0x08, 4), function(0x10, 2), function(0x18, 4)];
    assert_eq!(owner(&functions, &[], 0x10), Some((1, 2)));
    assert_eq!(owner(&functions, &[], 0x18), Some((2, 4)));
    assert_eq!(owner(&functions, &[], 0x20), None);
    assert_eq!(owner(&[], &[], 0), None);
}

/// Verifies: BH-DMA-022, BH-DMA-030.
#[test]
fn a_fault_is_that_of_the_device_at_fixed_addresses_with_its_stream_id() {
    let functions = [function(0x08, 4)];
    let stream = |stream, partition| PlatformStream { stream, partition };
    let streams = [stream(0x80, 1), stream(0x81, 1), stream(0x90, 3)];
    assert_eq!(owner(&functions, &streams, 0x08), Some((0, 4)));
    assert_eq!(owner(&functions, &streams, 0x81), Some((2, 1)));
    assert_eq!(owner(&functions, &streams, 0x90), Some((3, 3)));
    assert_eq!(owner(&functions, &streams, 0x82), None);
    assert_eq!(owner(&[], &streams, 0x80), Some((0, 1)));
}

proptest! {
    #[test]
    fn every_record_has_a_meaning(record in any::<[u64; 4]>()) {
        let fault = decode(record);
        prop_assert_eq!(u64::from(fault.stream), record[0] >> 32);
        prop_assert!(fault.address == 0 || fault.address == record[2]);
    }
}
