// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A debugger for tests: stops a core where EL2 executes, and damages what it has.
//!
//! # References
//! GDB manual, "Remote Protocol"; QEMU, "GDB usage" (threads are cores from 1, `Qqemu.PhyMemMode`).

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use object::{Object, ObjectSymbol};

use crate::images;

/// Number of the first argument and result among the registers of an AArch64 target.
pub const X0: u32 = 0;
/// Number of the stack pointer among the registers of an AArch64 target.
pub const SP: u32 = 31;
/// Number of the program counter.
pub const PC: u32 = 32;
/// Host time in which the emulator answers or a core reaches a breakpoint.
const PATIENCE: Duration = Duration::from_secs(120);

/// Address of the one symbol of the run-time part of `qemu-virt` whose mangled name has all of `parts`.
///
/// # Panics
/// There is none, or more than one.
pub fn symbol(parts: &[&str]) -> u64 {
    let bytes = fs::read(images().join("qemu-virt/runtime.elf")).expect("the run-time part");
    let file = object::File::parse(bytes.as_slice()).expect("an ELF");
    let mut found: Vec<(u64, String)> = file
        .symbols()
        .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?.to_owned())))
        .filter(|(_, name)| parts.iter().all(|part| name.contains(part)))
        .collect();
    found.dedup_by_key(|(address, _)| *address);
    assert_eq!(found.len(), 1, "{parts:?}: {found:?}");
    found[0].0
}

/// A connection to the emulator's debugger stub; dropping it lets the machine go on.
#[derive(Debug)]
pub struct Debugger {
    stream: TcpStream,
}

/// A port of the loopback interface that nobody listens on.
///
/// # Panics
/// There is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Debugger {
    /// Connects, which stops the machine.
    ///
    /// # Panics
    /// Nobody answers.
    pub fn connect(port: u16) -> Self {
        Self::attempt(port).expect("the stub")
    }

    /// As [`Debugger::connect`], or nothing where nobody listens yet.
    ///
    /// # Panics
    /// Somebody listens and does not answer.
    pub fn attempt(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("socket");
        stream.set_nodelay(true).expect("socket");
        let mut debugger = Self { stream };
        debugger.ask("?");
        Some(debugger)
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).expect("the stub answers");
        byte[0]
    }

    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(self.stream, "${packet}#{sum:02x}").expect("sent");
        while self.byte() != b'+' {}
    }

    fn receive(&mut self) -> String {
        while self.byte() != b'$' {}
        let mut text = Vec::new();
        loop {
            match self.byte() {
                b'#' => break,
                byte => text.push(byte),
            }
        }
        let _sum = [self.byte(), self.byte()];
        self.stream.write_all(b"+").expect("sent");
        String::from_utf8(text).expect("text")
    }

    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive()
    }

    fn obey(&mut self, packet: &str) {
        let answer = self.ask(packet);
        assert_eq!(answer, "OK", "{packet}");
    }

    /// Lets the machine go on until `core` is about to execute the instruction at `address`.
    ///
    /// # Panics
    /// It never does.
    pub fn run_to(&mut self, core: u32, address: u64) {
        self.obey(&format!("Z1,{address:x},4"));
        let thread = core + 1;
        for _ in 0..10_000 {
            let stopped = self.ask("vCont;c");
            let at = stopped
                .split("thread:")
                .nth(1)
                .and_then(|rest| rest.split(';').next());
            let at = at.map(|id| id.rsplit('.').next().unwrap_or(id).trim_start_matches('p'));
            if at.and_then(|id| u32::from_str_radix(id, 16).ok()) == Some(thread) {
                self.obey(&format!("Hg{thread:x}"));
                if self.get(PC) == address {
                    self.obey(&format!("z1,{address:x},4"));
                    return;
                }
                // The machine stopped late for the connection, wherever the core was.
                continue;
            }
            // Another core is there: it steps off the breakpoint.
            let id = at.expect("a thread").to_owned();
            self.obey(&format!("z1,{address:x},4"));
            self.ask(&format!("vCont;s:{id}"));
            self.obey(&format!("Z1,{address:x},4"));
        }
        panic!("core {core} never comes to {address:#x}");
    }

    /// Chooses a core, wherever it is.
    ///
    /// # Panics
    /// The stub refuses.
    pub fn choose(&mut self, core: u32) {
        self.obey(&format!("Hg{:x}", core + 1));
    }

    /// A register of the core that was chosen.
    ///
    /// # Panics
    /// The stub refuses.
    pub fn get(&mut self, register: u32) -> u64 {
        let answer = self.ask(&format!("p{register:x}"));
        let value = u64::from_str_radix(&answer, 16).expect("a register");
        // In memory's order, as many bytes as it has.
        value.swap_bytes() >> (u64::BITS as usize - 4 * answer.len())
    }

    /// The bytes of any register of the core that was chosen, as hexadecimal digits in memory's order; empty where the stub
    /// has none of that number.
    pub fn digits(&mut self, register: u32) -> String {
        let answer = self.ask(&format!("p{register:x}"));
        if answer.starts_with('E') {
            String::new()
        } else {
            answer
        }
    }

    /// Names and numbers of the system registers that the stub knows.
    ///
    /// # Panics
    /// The stub has no description of them.
    ///
    /// # References
    /// GDB manual, "Target Descriptions"; QEMU, `target/arm/gdbstub.c`.
    pub fn system_registers(&mut self) -> Vec<(String, u32)> {
        /// Bytes asked for at a time.
        const PART: usize = 0x800;
        let mut text = String::new();
        loop {
            let from = text.len();
            let part = self.ask(&format!(
                "qXfer:features:read:system-registers.xml:{from:x},{PART:x}"
            ));
            let (more, rest) = part.split_at(1);
            text.push_str(rest);
            match more {
                "m" => {}
                "l" => break,
                _ => panic!("{part}"),
            }
        }
        let word = |element: &str, key: &str| {
            let (_, rest) = element.split_once(&format!(" {key}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let elements = text.split("<reg").skip(1);
        elements
            .filter_map(|element| Some((word(element, "name")?, word(element, "regnum")?.parse().ok()?)))
            .collect()
    }

    /// As [`Debugger::run_to`], but passes by until `wanted` agrees to what it finds there.
    ///
    /// # Panics
    /// It does not in a thousand visits.
    pub fn run_until(&mut self, core: u32, address: u64, mut wanted: impl FnMut(&mut Self) -> bool) {
        for _ in 0..1000 {
            self.run_to(core, address);
            if wanted(self) {
                return;
            }
            self.ask(&format!("vCont;s:{:x}", core + 1));
        }
        panic!("core {core} comes to {address:#x}, but never as wanted");
    }

    /// A 32-bit word of physical memory.
    ///
    /// # Panics
    /// The stub refuses.
    pub fn read_physical(&mut self, address: u64) -> u32 {
        self.obey("Qqemu.PhyMemMode:1");
        let word = self.ask(&format!("m{address:x},4"));
        self.obey("Qqemu.PhyMemMode:0");
        u32::from_str_radix(&word, 16).expect("a word").swap_bytes()
    }

    /// Lets all cores go on but one, for some time of the host.
    ///
    /// # Panics
    /// They stop by themselves.
    pub fn hold(&mut self, core: u32, cores: u32, host: Duration) {
        /// What a debugger sends to stop everything.
        const BREAK: &[u8] = &[3];
        let others = (0..cores).filter(|other| *other != core);
        let others: String = others.map(|other| format!(";c:{:x}", other + 1)).collect();
        self.send(&format!("vCont{others}"));
        std::thread::sleep(host);
        self.stream.write_all(BREAK).expect("sent");
        let stopped = self.receive();
        assert!(stopped.starts_with('T'), "{stopped}");
    }

    /// Writes a register of a device, 32 bits.
    ///
    /// # Panics
    /// The stub refuses.
    pub fn write_device(&mut self, address: u64, value: u32) {
        self.obey("Qqemu.PhyMemMode:1");
        self.obey(&format!("M{address:x},4:{:08x}", value.swap_bytes()));
        self.obey("Qqemu.PhyMemMode:0");
    }

    /// Changes a register of the core that [`Debugger::run_to`] stopped or that was chosen.
    ///
    /// # Panics
    /// The stub refuses.
    pub fn set(&mut self, register: u32, value: u64) {
        self.obey(&format!("P{register:x}={:016x}", value.swap_bytes()));
    }

    /// Writes a word of physical memory, and drops what that core remembers of its translation tables.
    ///
    /// # Panics
    /// The stub refuses.
    pub fn write_physical(&mut self, address: u64, value: u64) {
        self.obey("Qqemu.PhyMemMode:1");
        self.obey(&format!("M{address:x},8:{:016x}", value.swap_bytes()));
        self.obey("Qqemu.PhyMemMode:0");
        // The emulator forgets translations when a watch is set on more than a page.
        self.obey("Z2,0,100000");
        self.obey("z2,0,100000");
    }

    /// Writes bytes of physical memory.
    ///
    /// # Panics
    /// The stub refuses.
    pub fn fill_physical(&mut self, address: u64, bytes: &[u8]) {
        /// Bytes in a packet, which the stub takes up to 4 KiB of text.
        const PACKET: usize = 1 << 10;
        self.obey("Qqemu.PhyMemMode:1");
        for (at, part) in (address..).step_by(PACKET).zip(bytes.chunks(PACKET)) {
            let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            self.obey(&format!("M{at:x},{:x}:{hex}", part.len()));
        }
        self.obey("Qqemu.PhyMemMode:0");
    }

    /// Lets a core alone execute one instruction.
    ///
    /// # Panics
    /// The stub refuses.
    pub fn step(&mut self, core: u32) {
        let stopped = self.ask(&format!("vCont;s:{:x}", core + 1));
        assert!(stopped.starts_with('T'), "{stopped}");
        self.choose(core);
    }

    /// Lets the machine go on alone.
    pub fn release(mut self) {
        self.obey("D");
    }
}
