// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The target `trap` under the engine.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bulkhead_fuzz::trap::check(data));
