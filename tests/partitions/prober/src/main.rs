// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition that tries what it is told, one access at a time.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod target {
    use core::panic::PanicInfo;

    core::arch::global_asm!(include_str!("prober.S"));

    /// Nothing here panics; the language asks for a handler.
    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        loop {
            core::hint::spin_loop();
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("prober runs inside a partition, not on the host");
    std::process::ExitCode::from(2)
}
