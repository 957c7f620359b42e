// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition that sleeps. Its code and its data meet in a page, so that no spec may take its memory's rights from it.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod target {
    use core::panic::PanicInfo;

    core::arch::global_asm!(
        ".section .text.entry, \"ax\"",
        ".global mixed_start",
        "mixed_start:",
        "wfi",
        "b mixed_start",
        ".section .data.word, \"aw\"",
        ".quad mixed_start",
    );

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
    eprintln!("mixed runs inside a partition, not on the host");
    std::process::ExitCode::from(2)
}
