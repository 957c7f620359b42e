// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The boot part of EL2: verify, check the board, start the cores.
//!
//! Boot turns a certified blob into a running system or refuses it with one line that says what differs.
//! Until the last core is released nothing of any partition has run. Its memory is not mapped afterwards.
#![cfg_attr(not(test), no_std)]
#![deny(clippy::as_conversions, clippy::indexing_slicing)]

#[cfg(target_arch = "aarch64")]
mod arch;
#[cfg(target_arch = "aarch64")]
mod boot;
pub mod console;
#[cfg(target_arch = "aarch64")]
mod cores;
pub mod evidence;
#[cfg(target_arch = "aarch64")]
mod head;
#[cfg(target_arch = "aarch64")]
mod machine;
pub mod predictors;
pub mod refusal;
pub mod seeds;
pub mod verify;

#[cfg(target_arch = "aarch64")]
pub use boot::{exception, panicked, primary, secondary, wrong_level};

/// An offset or address of this machine; one beyond it becomes the largest, which no table contains.
fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Gives a board's boot binary its entry points and its panic handler.
#[macro_export]
macro_rules! boot_binary {
    ($board:ty) => {
        #[unsafe(no_mangle)]
        extern "C" fn boot_main(device_tree: u64, entered: u64) -> ! {
            $crate::primary::<$board>(device_tree, entered)
        }

        #[unsafe(no_mangle)]
        extern "C" fn boot_core_main(index: u64) -> ! {
            $crate::secondary(index)
        }

        #[unsafe(no_mangle)]
        extern "C" fn boot_wrong_level(level: u64) -> ! {
            $crate::wrong_level::<$board>(level)
        }

        #[unsafe(no_mangle)]
        extern "C" fn boot_exception(vector: u64, esr: u64, elr: u64, far: u64) -> ! {
            $crate::exception::<$board>(vector, esr, elr, far)
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::panicked::<$board>(info)
        }
    };
}
