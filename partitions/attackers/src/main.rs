// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Partitions that try to break out.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod bus;
#[cfg(target_os = "none")]
mod calls;
#[cfg(target_os = "none")]
mod canary;
#[cfg(target_os = "none")]
mod claims;
#[cfg(target_os = "none")]
mod code;
#[cfg(target_os = "none")]
mod corpus;
#[cfg(target_os = "none")]
mod dma;
#[cfg(target_os = "none")]
mod edge;
#[cfg(target_os = "none")]
mod forms;
#[cfg(target_os = "none")]
mod fuzz;
#[cfg(target_os = "none")]
mod gic;
#[cfg(target_os = "none")]
mod judge;
#[cfg(target_os = "none")]
mod ledger;
#[cfg(target_os = "none")]
mod line;
#[cfg(target_os = "none")]
mod locks;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod places;
#[cfg(target_os = "none")]
mod program;
#[cfg(target_os = "none")]
mod psci;
#[cfg(target_os = "none")]
mod random;
#[cfg(target_os = "none")]
mod ranges;
#[cfg(target_os = "none")]
mod reference;
#[cfg(target_os = "none")]
mod registers;
#[cfg(target_os = "none")]
mod rights;
#[cfg(target_os = "none")]
mod steps;
#[cfg(target_os = "none")]
mod time;
#[cfg(target_os = "none")]
mod uart;
#[cfg(target_os = "none")]
mod virtio;

#[cfg(target_os = "none")]
mod target {
    use core::mem::offset_of;

    use bulkhead_abi::window::{RX_CONTROL, RingControl};
    use bulkhead_partition::el1::{Partition, time};

    use crate::edge::read;

    bulkhead_partition::entry!(run);

    /// From look to look at what the host typed.
    const PAUSE_NS: u64 = 1_000_000;

    /// What an attack did.
    #[derive(Clone, Copy, Default)]
    pub(crate) struct Tried {
        /// Attempts.
        pub(crate) attempts: u64,
        /// Those that gave the attacker what it has no right to.
        pub(crate) succeeded: u64,
    }

    impl Tried {
        /// Counts one attempt.
        pub(crate) fn note(&mut self, succeeded: bool) {
            self.attempts += 1;
            self.succeeded += u64::from(succeeded);
        }
    }

    /// Waits until the host has typed something, so that what is judged outside was looked at before.
    fn hear(partition: &Partition) {
        let Some((window, _)) = partition.machine.window else {
            while !crate::uart::typed() {
                time::sleep_until(time::now() + PAUSE_NS);
            }
            return;
        };
        let head = window.start + (RX_CONTROL + offset_of!(RingControl, head)) as u64;
        while read::<4>(head) == 0 {
            time::sleep_until(time::now() + PAUSE_NS);
        }
    }

    fn run(partition: Partition) -> ! {
        let argument = |key: &str| {
            let mut words = partition.machine.arguments.split(' ');
            words.find_map(|word| word.strip_prefix(key))
        };
        let number = |key: &str| argument(key).and_then(|digits| digits.parse().ok()).unwrap_or(1);
        let name = argument("attack=").unwrap_or_default();
        if argument("wait").is_some() && !crate::fuzz::has_begun(&partition) {
            hear(&partition);
        }
        let tried = match name {
            "memory" => crate::memory::attack(&partition),
            "places" => crate::places::attack(&partition),
            "dma" => crate::dma::attack(&partition),
            "revoked" => crate::dma::revoked(&partition),
            "virtio" => crate::virtio::attack(&partition),
            "late" => crate::virtio::late(&partition, argument("then=") == Some("stop")),
            "ranges" => crate::ranges::attack(&partition),
            "rights" => crate::rights::attack(&partition),
            "registers" => crate::registers::attack(),
            "trapped" => crate::registers::trapped(),
            "calls" => crate::calls::attack(),
            "immediates" => crate::calls::immediates(),
            "psci" => crate::psci::attack(&partition),
            "forms" => crate::forms::attack(&partition),
            "fp" => crate::forms::registers_at_the_end(),
            "canary" => crate::canary::attack(number("seed=")),
            "fuzz" => crate::fuzz::attack(&partition, number("seed="), number("programs=")),
            "gic" => crate::gic::attack(&partition, argument("direct").is_some()),
            "listen" => crate::gic::listen(&partition),
            "storm" => crate::time::storm(),
            "ledger" => crate::ledger::attack(&partition),
            "line" => crate::line::attack(&partition),
            "locks" => crate::locks::attack(&partition),
            "boosts" => crate::locks::farm(&partition, true),
            "accomplice" => crate::locks::farm(&partition, false),
            "timers" => crate::time::timers(),
            "hog" => crate::time::hog(),
            "console" => crate::time::console_flood(),
            // No attempt: the suite fails.
            _ => Tried::default(),
        };
        crate::uart::say(
            &partition,
            format_args!(
                "attack {name}: {} attempts, {} succeeded",
                tried.attempts, tried.succeeded
            ),
        );
        // Registers may be as the attack left them: nothing is relied on any more.
        loop {
            core::hint::spin_loop();
        }
    }
}

#[cfg(target_os = "none")]
use target::Tried;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("attackers run inside a partition, not on the host");
    std::process::ExitCode::from(2)
}
