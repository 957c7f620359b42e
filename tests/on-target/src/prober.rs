// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A running system with probers (`tests/partitions/prober/README.md`), which do what a test tells them.

use std::time::Duration;

use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;

use crate::System;
use crate::gdb::{Debugger, free_port};

/// First address of a prober's RAM as it sees it.
pub const RAM: u64 = 0x4000_0000;
/// Operations of a command: loads and stores of 64 bits, calls of code, loads and stores of 32 bits.
pub const LOAD: u64 = 0;
/// See [`LOAD`].
pub const STORE: u64 = 1;
/// See [`LOAD`].
pub const CALL: u64 = 2;
/// See [`LOAD`].
pub const LOAD_WORD: u64 = 5;
/// See [`LOAD`].
pub const STORE_WORD: u64 = 6;
/// States of a command: done, aborted.
const DONE: u64 = 2;
const ABORTED: u64 = 3;

/// A running system. A mailbox is named by its physical address.
pub struct Machine {
    /// The run.
    pub session: Session,
    /// The debugger's port.
    pub port: u16,
}

impl Machine {
    /// Starts a system, deterministic, with a debugger's port.
    pub fn start(system: System) -> (System, Self) {
        let port = free_port();
        let session = system.start(|options| {
            options.launch.timing = Timing::Deterministic;
            options.launch.extra = ["-gdb".to_owned(), format!("tcp:127.0.0.1:{port}")].into();
            options.launch.uarts = Some(system.folder().to_owned());
        });
        (system, Self { session, port })
    }

    /// The word at a physical address.
    ///
    /// # Panics
    /// There is no memory.
    pub fn word(&mut self, address: u64) -> u64 {
        let bytes = self.session.memory(address, 8).expect("memory");
        u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
    }

    /// Waits for a state of a mailbox.
    ///
    /// # Panics
    /// It never has it.
    pub fn until(&mut self, mailbox: u64, state: u64) {
        for _ in 0..200 {
            if self.word(mailbox) == state {
                return;
            }
            let step = self.session.run_for(Duration::from_millis(20));
            step.expect("the machine runs");
        }
        panic!("the mailbox at {mailbox:#x} never says {state}");
    }

    /// Says what to do: operation, address, value each. The prober need not survive it.
    ///
    /// # Panics
    /// More commands than there can be.
    pub fn tell(&mut self, mailbox: u64, commands: &[[u64; 3]]) {
        let mut debugger = Debugger::connect(self.port);
        let mut write = |at: u64, value: u64| debugger.write_physical(mailbox + at, value);
        for (command, at) in commands.iter().zip((64..).step_by(32)) {
            for (word, offset) in command.iter().chain([&0]).zip((0..).step_by(8)) {
                write(at + offset, *word);
            }
        }
        write(8, u64::try_from(commands.len()).expect("fits"));
        write(0, 2);
        debugger.release();
    }

    /// Has it done; the values that were read.
    ///
    /// # Panics
    /// A command was not done.
    pub fn run(&mut self, mailbox: u64, commands: &[[u64; 3]]) -> Vec<u64> {
        self.ended(mailbox, commands, DONE)
    }

    /// Has it tried; what `ESR_EL1` said each time.
    ///
    /// # Panics
    /// A command was not aborted.
    pub fn aborts(&mut self, mailbox: u64, commands: &[[u64; 3]]) -> Vec<u64> {
        self.ended(mailbox, commands, ABORTED)
    }

    fn ended(&mut self, mailbox: u64, commands: &[[u64; 3]], state: u64) -> Vec<u64> {
        self.tell(mailbox, commands);
        self.until(mailbox, 3);
        let read = |(k, _)| {
            let at = mailbox + 64 + 32 * u64::try_from(k).expect("fits");
            assert_eq!(self.word(at + 24), state, "command {k} of {commands:x?}");
            self.word(at + 16)
        };
        commands.iter().enumerate().map(read).collect()
    }
}
