// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The run-time part of EL2 on the ZCU102.
#![cfg_attr(target_arch = "aarch64", no_std, no_main)]

#[cfg(target_arch = "aarch64")]
bulkhead_runtime::runtime_binary!(bulkhead_xlnx_zcu102::XlnxZcu102);

#[cfg(target_arch = "aarch64")]
mod never {
    unsafe extern "C" {
        /// Defined nowhere: if the compiler cannot show that no panic is reachable, the run-time part does not link.
        fn the_run_time_part_can_panic() -> !;
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        // SAFETY: never called: linking succeeds only when no path leads here.
        unsafe { the_run_time_part_can_panic() }
    }
}

#[cfg(not(target_arch = "aarch64"))]
fn main() {}
