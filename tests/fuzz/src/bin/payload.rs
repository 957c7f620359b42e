// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The target `payload` under the engine.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bulkhead_fuzz::payload::check(data));
