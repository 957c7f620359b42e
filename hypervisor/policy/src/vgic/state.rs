// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The state of a partition's GIC, its configuration, and questions about it.
//!
//! One [`Vgic`] belongs to one partition; EL2 keeps it behind the partition's lock. Nothing here touches
//! hardware: list registers come and go as words, and what is to be done physically is returned.

use super::bank::{Bank, LR_ACTIVE, LR_HW, LR_PENDING};
use super::types::{LIST_REGISTERS, MAX_VCPUS, SPI_WORDS, VcpuSet};

/// PPIs whose physical interrupt EL2 hands to the guest: the virtual timer (27) and the physical timer (30).
pub const PHYSICAL_PPIS: u32 = 1 << 27 | 1 << 30;
/// No INTID.
pub(super) const NOTHING: u16 = u16::MAX;
/// `GICD_CTLR.EnableGrp1`.
pub(super) const ENABLE_GROUP1: u32 = 2;
/// State, HW, and the INTID of an SPI, in a list register.
const OF_NO_PPI: u64 = LR_PENDING | LR_ACTIVE | LR_HW | 0xffff_ffe0;
/// SGIs are edge-triggered; so says the fixed `GICR_ICFGR0`.
const SGI_EDGES: u32 = 0xffff;
/// [`Vgic::busy`] has a bit for each word of SPIs.
const _: () = assert!(SPI_WORDS <= 32);

/// What the system configuration says of a partition's GIC.
#[derive(Clone, Copy, Debug)]
pub struct VgicConfig {
    /// vCPUs, 1 to [`MAX_VCPUS`]; vCPU *k* has the affinity 0.0.0.*k*.
    pub vcpu_count: usize,
    /// SPIs that the distributor shows, counted from INTID 32; rounded up to a multiple of 32, at most
    /// 32 × [`SPI_WORDS`].
    pub spi_lines: u32,
    /// Physical SPIs that the partition owns: INTID 32 + *n* is bit *n* mod 32 of word *n* / 32.
    pub physical_spis: [u32; SPI_WORDS],
}

/// What is in the list registers of a vCPU.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists {
    /// vINTID in each, or [`NOTHING`].
    pub(super) intids: [u16; LIST_REGISTERS],
    /// List registers that ask for a maintenance interrupt at deactivation.
    pub(super) maintained: u32,
    /// List registers with HW = 1.
    pub(super) linked: u32,
    /// The physical interrupt that the fast path listed last, while the same again would leave the whole
    /// state as it is; else [`NOTHING`].
    pub(super) repeated: u16,
    /// Its list register.
    pub(super) repeated_index: u8,
    /// The value of that.
    pub(super) repeated_value: u64,
}

impl Lists {
    pub(super) const EMPTY: Self = Self {
        intids: [NOTHING; LIST_REGISTERS],
        maintained: 0,
        linked: 0,
        repeated: NOTHING,
        repeated_index: 0,
        repeated_value: 0,
    };

    /// The list register with this interrupt.
    #[inline]
    pub(super) fn find(&self, intid: u32) -> Option<usize> {
        self.intids.iter().position(|i| u32::from(*i) == intid)
    }
}

/// 32 SPIs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    pub(super) bank: Bank,
    /// SPIs that `GICD_IROUTER` sends to each vCPU.
    pub(super) routed: [u32; MAX_VCPUS],
    /// SPIs that are resident or active at each vCPU.
    pub(super) home: [u32; MAX_VCPUS],
}

impl Shared {
    const fn new() -> Self {
        let mut routed = [0; MAX_VCPUS];
        routed[0] = u32::MAX;
        Self {
            bank: Bank::new(0),
            routed,
            home: [0; MAX_VCPUS],
        }
    }

    /// vCPUs that any of these interrupts concerns.
    pub(super) fn targets(&self, bits: u32) -> VcpuSet {
        let mut set = 0;
        for (k, (routed, home)) in self.routed.iter().zip(&self.home).enumerate() {
            if (routed | home) & bits != 0 {
                set |= VcpuSet::only(k).bits();
            }
        }
        VcpuSet::from_bits(set)
    }
}

/// The PPI that the guest has deactivated in a list register with HW = 1, and the physical interrupt with it; as a bit.
/// Without a branch, since each world switch asks.
#[inline]
fn private_ended(lr: u64) -> u32 {
    u32::from(lr & OF_NO_PPI == LR_HW) << (lr & 31)
}

/// The numbers of the bits that are set, ascending.
pub(super) struct Words(pub(super) u32);

impl Iterator for Words {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let word = usize::try_from(self.0.trailing_zeros()).ok()?;
        let rest = self.0 & self.0.wrapping_sub(1);
        (core::mem::replace(&mut self.0, rest) != 0).then_some(word)
    }
}

/// The GIC of one partition as its guest sees it. Implements: BH-GIC-002.
#[derive(Clone, Debug)]
pub struct Vgic {
    pub(super) vcpus: VcpuSet,
    pub(super) vcpu_count: usize,
    pub(super) spi_words: usize,
    /// `GICD_CTLR`, bits EnableGrp0 and EnableGrp1.
    pub(super) control: u32,
    /// vCPUs whose `GICR_WAKER.ProcessorSleep` is set.
    pub(super) asleep: VcpuSet,
    /// vCPUs with more interrupts than list registers.
    pub(super) overflow: VcpuSet,
    /// Bit *n*: something may be pending, active or listed in `shared[n]`; where it is 0 nothing is.
    pub(super) busy: u32,
    /// Whether [`Self::next_deactivation`] may find something; when it is false it does not.
    pub(super) releases: bool,
    pub(super) physical_spis: [u32; SPI_WORDS],
    pub(super) physical_enables: [u32; SPI_WORDS],
    pub(super) private: [Bank; MAX_VCPUS],
    pub(super) shared: [Shared; SPI_WORDS],
    pub(super) lists: [Lists; MAX_VCPUS],
}

impl Default for Vgic {
    fn default() -> Self {
        Self::new()
    }
}

impl Vgic {
    /// A GIC without vCPUs; [`Self::configure`] gives it some.
    pub const fn new() -> Self {
        Self {
            vcpus: VcpuSet::EMPTY,
            vcpu_count: 0,
            spi_words: 0,
            control: 0,
            asleep: VcpuSet::EMPTY,
            overflow: VcpuSet::EMPTY,
            busy: 0,
            releases: false,
            physical_spis: [0; SPI_WORDS],
            physical_enables: [0; SPI_WORDS],
            private: [Bank::new(SGI_EDGES); MAX_VCPUS],
            shared: [Shared::new(); SPI_WORDS],
            lists: [Lists::EMPTY; MAX_VCPUS],
        }
    }

    /// Takes the configuration and resets. Physical SPIs beyond `spi_lines` are left out.
    pub fn configure(&mut self, config: &VgicConfig) {
        let words = usize::try_from(config.spi_lines.saturating_add(31) >> 5).unwrap_or(SPI_WORDS);
        let (vcpus, words) = (config.vcpu_count.min(MAX_VCPUS), words.min(SPI_WORDS));
        if self.vcpu_count != 0 && (self.vcpu_count, self.spi_words) != (vcpus, words) {
            *self = Self::new();
        }
        (self.vcpu_count, self.spi_words) = (vcpus, words);
        self.vcpus = VcpuSet::first(self.vcpu_count);
        self.physical_spis = config.physical_spis;
        for spis in self.physical_spis.iter_mut().skip(self.spi_words) {
            *spis = 0;
        }
        self.reset();
    }

    /// The state after a reset. Physical interrupts that were active on behalf of the guest are the
    /// caller's to deactivate.
    ///
    /// # References
    /// Arm IHI 0069, reset values of the registers; where a reset value is UNKNOWN, it is zero.
    pub fn reset(&mut self) {
        self.control = 0;
        self.asleep = self.vcpus;
        self.overflow = VcpuSet::EMPTY;
        self.busy = 0;
        self.releases = false;
        self.physical_enables = [0; SPI_WORDS];
        // Nothing changes the rest.
        for bank in self.private.iter_mut().take(self.vcpu_count) {
            *bank = Bank::new(SGI_EDGES);
        }
        for shared in self.shared.iter_mut().take(self.spi_words) {
            *shared = Shared::new();
        }
        for lists in self.lists.iter_mut().take(self.vcpu_count) {
            *lists = Lists::EMPTY;
        }
    }

    /// Something of an interrupt changed: no physical interrupt is listed again unseen.
    #[inline]
    pub(super) fn forget_repeated(&mut self) {
        for lists in self.lists.iter_mut().take(self.vcpu_count) {
            lists.repeated = NOTHING;
        }
    }

    /// All ones while Group 1 is forwarded, else 0.
    #[inline]
    pub(super) fn gate(&self) -> u32 {
        if self.control & ENABLE_GROUP1 == 0 {
            0
        } else {
            u32::MAX
        }
    }

    /// The bank that holds an INTID, as vCPU `vcpu` sees it; none where there is no such interrupt.
    #[inline]
    pub(super) fn bank_of(&self, vcpu: usize, intid: u32) -> Option<&Bank> {
        match usize::try_from(intid >> 5).ok()?.checked_sub(1) {
            None => self.private.get(vcpu),
            Some(word) => self.shared.iter().take(self.spi_words).nth(word).map(|s| &s.bank),
        }
    }

    /// As [`Self::bank_of`].
    #[inline]
    pub(super) fn bank_mut(&mut self, vcpu: usize, intid: u32) -> Option<&mut Bank> {
        match usize::try_from(intid >> 5).ok()?.checked_sub(1) {
            None => self.private.get_mut(vcpu),
            Some(word) => self.shared_mut(word).map(|s| &mut s.bank),
        }
    }

    /// SPIs of word `word` to be changed, if the distributor shows them.
    #[inline]
    pub(super) fn shared_mut(&mut self, word: usize) -> Option<&mut Shared> {
        if word < self.spi_words {
            self.busy |= 1 << (word & 31);
            self.shared.get_mut(word)
        } else {
            None
        }
    }

    /// Whether `vcpu` has a pending interrupt that is enabled, in an enabled group and not active: WFI is
    /// to end. The priority mask is the guest's CPU interface's to apply. Exact when the list registers of
    /// `vcpu` were folded before; else an interrupt in one of them counts as pending still.
    pub fn has_deliverable(&self, vcpu: usize) -> bool {
        let seen = |bank: &Bank, mine: u32| {
            (bank.pending() | bank.listed_latch) & bank.open() & !(bank.active | bank.listed_active) & mine
        };
        let private = self.private.get(vcpu).map_or(0, |bank| seen(bank, u32::MAX));
        let shared = Words(self.busy)
            .filter_map(|w| self.shared.get(w))
            .fold(0, |sum, s| {
                let routed = s.routed.get(vcpu).map_or(0, |w| *w);
                let home = s.home.get(vcpu).map_or(0, |w| *w);
                sum | seen(&s.bank, (routed & !s.bank.resident) | (home & s.bank.resident))
            });
        (private | shared) & self.gate() != 0
    }

    /// PPIs 27 and 30 as the physical redistributor shall have them enabled while `vcpu` runs.
    #[inline]
    pub fn ppi_enables(&self, vcpu: usize) -> u32 {
        self.private
            .get(vcpu)
            .map_or(0, |bank| bank.open() & PHYSICAL_PPIS & self.gate())
    }

    /// Physical PPIs that are active on behalf of `vcpu`, whose list registers hold `lrs`: the physical redistributor
    /// shall have them active while it runs and inactive while it does not.
    #[inline]
    pub fn ppi_active(&self, vcpu: usize, lrs: &[u64; LIST_REGISTERS]) -> u32 {
        let ended = lrs.iter().fold(0, |ended, lr| ended | private_ended(*lr));
        self.private.get(vcpu).map_or(0, |bank| bank.hardware & !ended)
    }

    /// Whether `vcpu` has more interrupts than list registers, so that it must hear when one of them is free.
    #[inline]
    pub fn is_crowded(&self, vcpu: usize) -> bool {
        self.overflow.contains(vcpu)
    }

    /// Owned SPIs as the physical distributor shall have them enabled while the partition runs: the
    /// guest's enables and the configuration's grants. INTID 32 + *n* is bit *n* mod 32 of word *n* / 32.
    #[inline]
    pub fn physical_spi_enables(&self) -> &[u32; SPI_WORDS] {
        &self.physical_enables
    }

    /// Whether the guest configured an interrupt as level-sensitive.
    pub fn is_level(&self, vcpu: usize, intid: u32) -> bool {
        self.bank_of(vcpu, intid)
            .is_some_and(|bank| bank.edge >> (intid & 31) & 1 == 0)
    }

    /// Priority of an interrupt, 0 (most urgent) to 0xf8.
    pub fn priority(&self, vcpu: usize, intid: u32) -> u8 {
        self.bank_of(vcpu, intid).map_or(0, |bank| bank.priority(intid))
    }

    /// Computes what [`Self::physical_spi_enables`] answers, after a change of an enable or a group.
    pub(super) fn recompute_enables(&mut self) {
        let gate = self.gate();
        let owned = self.physical_enables.iter_mut().zip(&self.physical_spis);
        for ((enables, spis), shared) in owned.zip(&self.shared) {
            *enables = spis & shared.bank.open() & gate;
        }
    }
}
