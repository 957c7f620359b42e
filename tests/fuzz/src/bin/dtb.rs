// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The target `dtb` under the engine.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bulkhead_fuzz::dtb::check(data));
