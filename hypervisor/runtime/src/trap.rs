// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One trap's life: decode, decide, do, continue. Implements: BH-TRAP-010, BH-ATK-001, BH-ATK-002, BH-ATK-003.

use bulkhead_abi::health::Error;
use bulkhead_abi::trace::{CLASS_FIQ, CLASS_IRQ, CLASS_SERROR};
use bulkhead_arch::context::VcpuContext;
use bulkhead_arch::guest::{UNDEFINED, inject_synchronous};
use bulkhead_arch::{identity as processor, registers};
use bulkhead_policy::abort::{self, Answer};
use bulkhead_policy::identity;
use bulkhead_policy::sysreg::{self, Direction, IccRegister, Interrupts, SysRegAccess, SysRegAction};
use bulkhead_policy::trap::{self, DataAccess, Ipa, Register, Size, Trap, Wait};
use bulkhead_policy::uart;
use bulkhead_policy::vgic::{Access, AccessSize, Frame};
use bulkhead_types::tables::{core_mode, partition_flag};

use crate::core_state::{LocalVcpu, PerCore, Readiness};
use crate::{gic, gic_cpu};

/// Bytes of a distributor frame.
const GICD_SIZE: u64 = 0x1_0000;
/// Bytes of a vCPU's redistributor.
const GICR_SIZE: u64 = 0x2_0000;
/// Syndrome of an illegal execution state: EC 0x0e, 32-bit instruction.
const ILLEGAL_STATE: u64 = (0x0e << 26) | (1 << 25);

fn read(vcpu: &LocalVcpu, register: Register) -> u64 {
    register
        .index()
        .and_then(|i| vcpu.context.x.get(i))
        .copied()
        .unwrap_or(0)
}

fn write(vcpu: &mut LocalVcpu, register: Register, value: u64) {
    if let Some(x) = register.index().and_then(|i| vcpu.context.x.get_mut(i)) {
        *x = value;
    }
}

fn access_size(size: Size) -> AccessSize {
    match size {
        Size::Byte => AccessSize::Byte,
        Size::Halfword => AccessSize::Half,
        Size::Word => AccessSize::Word,
        Size::Doubleword => AccessSize::Double,
    }
}

/// `ESR_EL2.EC`.
fn class(esr: u64) -> u8 {
    u8::try_from(esr >> 26 & 0x3f).unwrap_or(0)
}

/// An emulated device that an address belongs to.
enum Device {
    Gic(Frame, u32),
    Uart(u64),
}

fn device(vcpu: &LocalVcpu, ipa: Ipa) -> Option<Device> {
    let partition = vcpu.partition;
    let redistributors = GICR_SIZE.wrapping_mul(u64::from(partition.vcpu_count));
    if let Some(offset) = ipa.offset_in(Ipa(partition.gicd_ipa), GICD_SIZE) {
        return Some(Device::Gic(Frame::Distributor, u32::try_from(offset).ok()?));
    }
    if let Some(offset) = ipa.offset_in(Ipa(partition.gicr_ipa), redistributors) {
        let (frame, offset) = Frame::of_redistributor(offset);
        return Some(Device::Gic(frame, offset));
    }
    if partition.flags & partition_flag::EMULATED_UART != 0
        && let Some(offset) = ipa.offset_in(Ipa(partition.uart_ipa), uart::SIZE)
    {
        return Some(Device::Uart(offset));
    }
    None
}

impl PerCore {
    /// A synchronous exception from the guest. What a partition that stops does is no longer carried out, nor are
    /// the aborts judged that its withdrawn root page causes: its vCPU steps aside.
    pub fn on_sync(&mut self, esr: u64) -> &VcpuContext {
        if self.entered(class(esr)) {
            return self.resume();
        }
        let trap = trap::decode(esr, registers::far_el2::read(), registers::hpfar_el2::read());
        match trap {
            Trap::Hypercall { immediate: 0 } => self.on_call(),
            Trap::Hypercall { .. } => self.refuse_call(esr),
            Trap::Smc { immediate } => {
                self.skip(esr);
                self.on_smc(immediate, esr);
            }
            Trap::Wait(wait) => self.on_wait(wait, esr),
            Trap::SystemRegister(access) => self.on_system_register(access, esr),
            Trap::DataAbort(access) => self.on_data_abort(access, esr),
            Trap::FloatingPoint | Trap::Hidden | Trap::Aarch32 => self.inject(UNDEFINED),
            Trap::IllegalState => self.inject(ILLEGAL_STATE),
            Trap::DataAbortNoSyndrome { ipa, .. } | Trap::InstructionAbort { ipa, .. } => {
                self.on_other_abort(trap, ipa, esr);
            }
            Trap::WalkAbort { .. } | Trap::Other { .. } => self.fault(esr),
        }
        self.resume_trap()
    }

    /// A physical interrupt while the guest ran (sliced cores).
    pub fn on_irq(&mut self) -> &VcpuContext {
        self.entered(CLASS_IRQ);
        let taken = self.current().map_or(0, |(vcpu, _)| {
            core::mem::take(&mut vcpu.context.repeat.acknowledged)
        });
        let listed = self.take_group1(taken);
        let Some(next) = self.unchanged() else {
            return self.resume();
        };
        // Nothing else is to be done, so nothing changes what the injection left.
        if let Some((vcpu, _)) = self.current() {
            vcpu.context.repeat.intid = listed;
        }
        self.leave(next)
    }

    /// An interrupt of EL2: the slot timer or a kick.
    pub fn on_fiq(&mut self) -> &VcpuContext {
        self.entered(CLASS_FIQ);
        self.take_group0();
        self.resume()
    }

    /// An asynchronous error that the guest caused: its partition is restarted or stopped.
    pub fn on_serror(&mut self, esr: u64) -> &VcpuContext {
        self.entered(CLASS_SERROR);
        self.fault(esr);
        self.resume()
    }

    fn skip(&mut self, esr: u64) {
        if let Some((vcpu, _)) = self.current() {
            vcpu.context.skip_instruction(esr);
        }
    }

    fn inject(&mut self, syndrome: u64) {
        if let Some((vcpu, _)) = self.current() {
            inject_synchronous(&mut vcpu.context, syndrome, None);
        }
    }

    /// An abort that the hardware does not describe.
    fn on_other_abort(&mut self, trap: Trap, ipa: Ipa, esr: u64) {
        let is_device = self
            .current()
            .is_some_and(|(vcpu, _)| device(vcpu, ipa).is_some())
            || self.lock_registers(ipa.0).is_some();
        let Some((vcpu, _)) = self.current().filter(|_| is_device) else {
            return self.fault(esr);
        };
        match abort::at_device(trap, esr, vcpu.context.pstate) {
            Answer::Skip => vcpu.context.skip_instruction(esr),
            Answer::Inject(syndrome) => {
                inject_synchronous(&mut vcpu.context, syndrome, Some(registers::far_el2::read()));
            }
            Answer::Fault => self.fault(esr),
        }
    }

    /// The answer to a call that no partition may make.
    pub fn refuse_call(&mut self, esr: u64) {
        let Some((vcpu, _)) = self.current() else { return };
        let [x0, ..] = vcpu.context.x;
        vcpu.context.set_register(0, u64::MAX);
        self.blame(Error::IllegalCall, [esr, 0, x0]);
    }

    fn on_wait(&mut self, wait: Wait, esr: u64) {
        self.skip(esr);
        match wait {
            Wait::Interrupt => self.await_interrupt(),
            // WFE may return at once; the timed forms may return early (DDI 0487, "Wait For Event", "WFIT").
            Wait::Event | Wait::InterruptOrTime | Wait::EventOrTime => {}
        }
    }

    /// The current vCPU has nothing to do before its next interrupt.
    ///
    /// That of a dedicated core goes to EL1, and its pending ends the sleep here. While one is active, a kick
    /// might not end it, so EL2 returns at once (design decision D3). Implements: BH-GIC-040.
    pub fn await_interrupt(&mut self) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        if running.core.mode == core_mode::SLICED {
            vcpu.readiness = Readiness::Waiting;
        } else if gic_cpu::idle() {
            self.sleep();
        }
    }

    fn on_system_register(&mut self, access: SysRegAccess, esr: u64) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        let sliced = running.core.mode == core_mode::SLICED;
        let interrupts = if sliced {
            Interrupts::Sliced
        } else {
            Interrupts::Direct
        };
        match sysreg::decide(access, interrupts) {
            SysRegAction::Icc(IccRegister::Sgi1r) => {
                let value = read(vcpu, access.rt);
                self.send_sgi(value);
            }
            SysRegAction::Icc(IccRegister::Dir) if sliced => {
                let intid = u32::try_from(read(vcpu, access.rt) & 0xff_ffff).unwrap_or(u32::MAX);
                self.deactivate(intid);
            }
            SysRegAction::Icc(register) => {
                let value = read(vcpu, access.rt);
                let result = crate::direct::cpu_interface(vcpu, running, register, access.direction, value);
                if access.direction == Direction::Read {
                    write(vcpu, access.rt, result);
                }
            }
            SysRegAction::Value(value) => write(vcpu, access.rt, value),
            SysRegAction::Identity => {
                let (_, _, _, crm, op2) = access.register.operands();
                let shown = identity::shown(access.register, processor::read(crm, op2));
                write(vcpu, access.rt, shown);
            }
            SysRegAction::Ignore => {}
            SysRegAction::InjectUndefined => {
                inject_synchronous(&mut vcpu.context, UNDEFINED, None);
                return;
            }
        }
        self.skip(esr);
    }

    fn on_data_abort(&mut self, access: DataAccess, esr: u64) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        let stored = access.stored(read(vcpu, access.register));
        let value = match device(vcpu, access.ipa) {
            Some(Device::Gic(frame, offset)) => {
                let operation = match access.direction {
                    Direction::Read => Access::Read,
                    Direction::Write => Access::Write(stored),
                };
                let size = access_size(access.size);
                let value = gic::access(vcpu, running, frame, offset, size, operation);
                return accessed(vcpu, &access, value, esr);
            }
            Some(Device::Uart(offset)) => self.uart_access(offset, access.direction, stored),
            None => match self.lock_access(access.ipa.0, access.direction, stored) {
                Some(value) => value,
                None => return self.fault(esr),
            },
        };
        if let Some((vcpu, _)) = self.current() {
            accessed(vcpu, &access, value, esr);
        }
    }
}

/// Ends an access to something that EL2 emulates.
fn accessed(vcpu: &mut LocalVcpu, access: &DataAccess, value: u64, esr: u64) {
    if access.direction == Direction::Read {
        write(vcpu, access.register, access.loaded(value));
    }
    vcpu.context.skip_instruction(esr);
}
