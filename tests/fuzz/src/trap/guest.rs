// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A guest whose every trap is a raw syndrome, and what EL2 does with it (`hypervisor/runtime/src/trap.rs`).

use std::collections::VecDeque;

use bulkhead_policy::abort::{self, Answer};
use bulkhead_policy::identity;
use bulkhead_policy::sysreg::{self, Direction, IccRegister, Interrupts, SysRegAccess, SysRegAction};
use bulkhead_policy::trap::{self, DataAccess, Ipa, Size, Trap};
use bulkhead_policy::uart::{self, Effect, Pl011};
use bulkhead_policy::vgic::{Access, AccessSize, Frame};

use super::device::Gics;
use super::syndrome;
use crate::bytes::Bytes;

const VCPUS: usize = 3;
/// Where the devices of a partition lie.
const GICD: u64 = 0x0800_0000;
const GICR: u64 = 0x080a_0000;
const UART: u64 = 0x0900_0000;

/// Syndromes that are likely: class, then what is always set.
const LIKELY: [u64; 12] = [
    0x16 << 26,
    0x17 << 26,
    0x01 << 26,
    0x18 << 26 | 1 << 25,
    0x24 << 26 | 1 << 25 | 1 << 24 | 7,
    0x24 << 26 | 1 << 25 | 7,
    0x20 << 26 | 1 << 25 | 7,
    0x24 << 26 | 1 << 25 | 1 << 7,
    0x07 << 26,
    0x0e << 26,
    0x09 << 26,
    0x24 << 26 | 1 << 24 | 0x10,
];
/// Offsets of registers of the distributor and of a redistributor.
const OFFSETS: [u64; 14] = [
    0, 0x80, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0x400, 0xc00, 0x6100, 0x800, 0xf00, 0xffe8,
];

/// What a PL011's receiver holds, as a plain queue.
struct Receiver {
    bytes: VecDeque<u8>,
    deep: bool,
}

/// The guest and its emulated devices.
pub(super) struct Guest {
    x: [u64; 31],
    gics: Gics,
    uart: Pl011,
    receiver: Receiver,
    interrupts: Interrupts,
}

impl Guest {
    pub(super) fn new(mode: u8) -> Self {
        Self {
            x: [0; 31],
            gics: Gics::new(),
            uart: Pl011::new(),
            receiver: Receiver {
                bytes: VecDeque::new(),
                deep: false,
            },
            interrupts: if mode & 4 == 0 {
                Interrupts::Sliced
            } else {
                Interrupts::Direct
            },
        }
    }

    /// One operation of the program.
    pub(super) fn operate(&mut self, kind: u8, bytes: &mut Bytes<'_>) {
        let vcpu = bytes.below(VCPUS);
        match kind {
            128..=143 => {
                let likely = LIKELY.get(bytes.below(16)).copied().unwrap_or(0);
                let esr = likely | bytes.u64() & if likely == 0 { u64::MAX } else { 0x3ff_ffff };
                self.trap(vcpu, esr, bytes.u64(), bytes.u64());
            }
            144..=191 => self.access(vcpu, bytes),
            192..=207 => self.system_register(vcpu, bytes),
            208..=215 => {
                let byte = bytes.u8();
                let room = self.receiver.bytes.len() < if self.receiver.deep { 16 } else { 1 };
                assert_eq!(self.uart.has_room(), room);
                assert_eq!(self.uart.receive(byte), room, "the receiver's room");
                if room {
                    self.receiver.bytes.push_back(byte);
                }
            }
            _ => self.gics.event(vcpu, bytes),
        }
        self.gics.judge();
    }

    /// A load or store that the hardware describes, at a device.
    fn access(&mut self, vcpu: usize, bytes: &mut Bytes<'_>) {
        let (device, form, value) = (bytes.u8(), bytes.u16(), bytes.u32());
        let offset = match OFFSETS.get(usize::from(device >> 4)) {
            Some(block) => block + u64::from(bytes.u8()),
            None => u64::from(bytes.u16()),
        };
        let frame = u64::try_from(bytes.below(VCPUS)).unwrap() << 17;
        let ipa = match device & 3 {
            0 => GICD + offset,
            1 => GICR + frame + 0x1_0000 + offset,
            2 => GICR + frame + offset,
            _ => UART + (offset & 0xfff),
        };
        let form = u64::from(form);
        let register = form & 3;
        self.x[usize::try_from(register).unwrap()] = u64::from(value) | form << 48;
        let iss =
            1 << 24 | (form >> 2 & 7) << 21 | register << 16 | (form >> 5 & 3) << 14 | (form >> 7 & 1) << 6;
        let esr = 0x24 << 26 | 1 << 25 | iss | 4 | form >> 8 & 3;
        self.trap(vcpu, esr, form << 32 | ipa & 0xfff, ipa >> 12 << 4);
    }

    fn system_register(&mut self, vcpu: usize, bytes: &mut Bytes<'_>) {
        let kind = bytes.u8();
        let iss = match kind {
            // The registers that TID3 traps.
            0..=63 => 3 << 20 | u64::from(kind & 7) << 17 | (u64::from(kind >> 3) & 7) << 1 | 1,
            // Those of the CPU interface.
            64..=127 => {
                3 << 20 | u64::from(kind & 7) << 17 | 12 << 10 | (8 + (u64::from(kind >> 3) & 7)) << 1
            }
            _ => u64::from(bytes.u32()) & 0x3f_ffff,
        };
        self.x[0] = bytes.u64();
        self.trap(vcpu, 0x18 << 26 | 1 << 25 | iss & !(31 << 5), 0, 0);
    }

    /// What EL2 does with a synchronous exception.
    fn trap(&mut self, vcpu: usize, esr: u64, far: u64, hpfar: u64) {
        let trap = trap::decode(esr, far, hpfar);
        syndrome::agrees(trap, esr, far, hpfar);
        match trap {
            Trap::SystemRegister(access) => self.on_system_register(vcpu, access),
            Trap::DataAbort(access) => self.on_data_abort(vcpu, &access),
            Trap::DataAbortNoSyndrome { .. }
            | Trap::InstructionAbort { .. }
            | Trap::WalkAbort { .. }
            | Trap::Hypercall { .. }
            | Trap::Smc { .. }
            | Trap::Wait(_)
            | Trap::FloatingPoint
            | Trap::Hidden
            | Trap::IllegalState
            | Trap::Aarch32
            | Trap::Other { .. } => undescribed(trap, esr),
        }
    }

    fn on_system_register(&mut self, vcpu: usize, access: SysRegAccess) {
        let action = sysreg::decide(access, self.interrupts);
        let value = access.rt.index().map_or(0, |index| self.x[index]);
        let (op0, op1, crn, ..) = access.register.operands();
        match action {
            SysRegAction::Identity => shown(access, value),
            SysRegAction::Value(_) => assert_eq!(access.direction, Direction::Read),
            SysRegAction::Icc(register) => {
                assert!(
                    (op0, op1) == (3, 0) && (crn == 4 || crn == 12),
                    "{access:?}: {action:?}"
                );
                if register == IccRegister::Sgi1r {
                    self.gics.sgi(vcpu, value);
                }
                Gics::interface(value);
            }
            SysRegAction::Ignore | SysRegAction::InjectUndefined => {}
        }
    }

    fn on_data_abort(&mut self, vcpu: usize, access: &DataAccess) {
        let size = match access.size {
            Size::Byte => AccessSize::Byte,
            Size::Halfword => AccessSize::Half,
            Size::Word => AccessSize::Word,
            Size::Doubleword => AccessSize::Double,
        };
        let register = access.register.index().map_or(0, |index| self.x[index]);
        let what = match access.direction {
            Direction::Read => Access::Read,
            Direction::Write => Access::Write(access.stored(register)),
        };
        let answer = if let Some(offset) = access.ipa.offset_in(Ipa(GICD), 0x1_0000) {
            self.gics.access(
                vcpu,
                Frame::Distributor,
                u32::try_from(offset).unwrap(),
                size,
                what,
            )
        } else if let Some(offset) = access.ipa.offset_in(Ipa(GICR), 3 * 0x2_0000) {
            let (frame, offset) = Frame::of_redistributor(offset);
            self.gics.access(vcpu, frame, offset, size, what)
        } else if let Some(offset) = access.ipa.offset_in(Ipa(UART), uart::SIZE) {
            self.serial(offset, what)
        } else {
            return;
        };
        let loaded = access.loaded(answer);
        assert_eq!(
            loaded,
            syndrome::loaded(access, answer),
            "{access:?} of {answer:#x}"
        );
    }

    /// The PL011 beside a plain queue.
    fn serial(&mut self, offset: u64, access: Access) -> u64 {
        let value = match access {
            Access::Read => {
                let (value, effect) = self.uart.read(offset);
                if offset == 0 {
                    let byte = self.receiver.bytes.pop_front();
                    assert_eq!((value, effect), (byte.map_or(0, u32::from), Effect::ReceiveSpace));
                } else {
                    assert_eq!(effect, Effect::None);
                }
                value
            }
            Access::Write(value) => {
                let (control, _) = self.uart.read(0x30);
                let effect = self.uart.write(offset, value);
                let byte = value.to_le_bytes()[0];
                match (offset, control >> 7 & 1) {
                    (0, 0) => assert_eq!(effect, Effect::Transmit(byte)),
                    (0, _) => {
                        assert_eq!(effect, Effect::None);
                        if self.receiver.bytes.len() < if self.receiver.deep { 16 } else { 1 } {
                            self.receiver.bytes.push_back(byte);
                        }
                    }
                    _ => assert_eq!(effect, Effect::None),
                }
                if offset == 0x2c && (value >> 4 & 1 != 0) != self.receiver.deep {
                    self.receiver.deep = !self.receiver.deep;
                    self.receiver.bytes.clear();
                }
                0
            }
        };
        let (flags, _) = self.uart.read(0x18);
        assert_eq!(flags >> 4 & 1 != 0, self.receiver.bytes.is_empty(), "RXFE");
        let (masked, _) = self.uart.read(0x40);
        assert_eq!(self.uart.line(), masked != 0, "the line is not the masked status");
        u64::from(value)
    }
}

/// No guest is shown what the processor does not have, nor what EL2 hides.
fn shown(access: SysRegAccess, raw: u64) {
    let value = identity::shown(access.register, raw);
    assert_eq!(access.direction, Direction::Read);
    assert_eq!(
        identity::shown(access.register, value),
        value,
        "shown twice, less is left"
    );
    for field in (0..64).step_by(4) {
        let (of_raw, of_guest) = (raw >> field & 15, value >> field & 15);
        assert!(
            of_guest <= of_raw,
            "{access:?} shows more than {raw:#x}: {value:#x}"
        );
    }
    // EL2, EL3, RAS, SVE, MPAM, AMU; pointer authentication.
    let hidden = match access.register.operands() {
        (_, _, _, 4, 0) => 0x0000_ffff_f000_ff00,
        (_, _, _, 6, 1) => 0xff00_0ff0,
        _ => 0,
    };
    assert_eq!(value & hidden, 0, "{access:?}");
}

/// An abort that is not described is answered by its kind, and never with a class of EL2.
fn undescribed(trap: Trap, esr: u64) {
    for (pstate, from_el1) in [(0, false), (4, true), (5, true), (0x10, false)] {
        match abort::at_device(trap, esr, pstate) {
            Answer::Inject(syndrome) => {
                let class = syndrome >> 26;
                assert!(matches!(class, 0x20 | 0x21 | 0x24 | 0x25), "{syndrome:#x}");
                assert_eq!(class & 1 != 0, from_el1);
                assert_eq!(syndrome & 0x3f, 0x10, "not an external abort");
            }
            Answer::Skip => assert!(esr >> 8 & 1 != 0, "only cache maintenance does nothing"),
            Answer::Fault => {}
        }
    }
}
