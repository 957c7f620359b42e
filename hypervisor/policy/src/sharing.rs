// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Partitions that share a slot: who runs, for how long, and who pays for it.
//!
//! A slot has *claims* in order of urgency, each with a budget; the last one may be slack, which has no end and no
//! guarantee. The first claim with budget left whose vCPU can run has the turn. A budget is time: it passes while its
//! vCPU has the turn, in the guest and in EL2. What a change of turns costs, from the entry into EL2 that led to it
//! until the next vCPU is on the core, is paid by the more urgent of the two, so that one that wakes often spends its own
//! budget only. While nobody can run nobody pays, and while a boost for a lock runs the lock's account does.
//!
//! Times are counter ticks since any fixed instant.

use bulkhead_types::tables::MAX_SHARES;

/// A claim on a slot: a vCPU by its index on the core, and the ticks that it may still run; `None` is slack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Index of the vCPU on its core.
    pub who: usize,
    /// What is left of its budget.
    pub left: Option<u64>,
}

/// The claims on the slot that is, and the account of their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    claims: [Option<Claim>; MAX_SHARES],
    /// Place of the claim whose turn it is.
    turn: Option<usize>,
    /// Place of the claim that pays for what passes.
    payer: Option<usize>,
    /// Until when everything is paid.
    since: u64,
}

impl Sharing {
    /// The claims on a slot that begins at `now`, the most urgent first.
    pub fn new(claims: [Option<Claim>; MAX_SHARES], now: u64) -> Self {
        Self {
            claims,
            turn: None,
            payer: None,
            since: now,
        }
    }

    /// The vCPU that may have the turn at this place of the order; `None` when it has no budget left, and beyond the
    /// last place.
    pub fn candidate(&self, place: usize) -> Option<usize> {
        let claim = self.claims.get(place).copied().flatten()?;
        (claim.left != Some(0)).then_some(claim.who)
    }

    /// Lets the payer pay until `now`; gives the vCPU whose budget that ended.
    ///
    /// Implements: BH-SCHED-021.
    pub fn pay(&mut self, now: u64) -> Option<usize> {
        let passed = now.saturating_sub(self.since);
        self.since = self.since.wrapping_add(passed);
        let claim = self.claims.get_mut(self.payer?)?.as_mut()?;
        let left = claim.left.filter(|left| *left > 0)?;
        claim.left = Some(left.saturating_sub(passed));
        (left <= passed).then_some(claim.who)
    }

    /// The claim at `place` has the turn, for a core that came to EL2 at `entered`: what passed before is paid by who had
    /// it. Call [`Self::on_core`] when the vCPU is there. Gives the vCPU whose budget ended.
    ///
    /// Implements: BH-SCHED-022.
    pub fn give(&mut self, place: usize, entered: u64) -> Option<usize> {
        if self.turn == Some(place) && self.payer.is_some() {
            return None;
        }
        let ended = self.pay(entered);
        let before = self.turn.replace(place);
        self.payer = Some(before.map_or(place, |before| before.min(place)));
        ended
    }

    /// Nobody can run; the claim at `place` waits on the core.
    pub fn rest(&mut self, place: usize, now: u64) -> Option<usize> {
        let ended = self.pay(now);
        self.turn = Some(place);
        self.payer = None;
        ended
    }

    /// Somebody else runs ahead of all claims, at his own cost.
    pub fn pause(&mut self, now: u64) -> Option<usize> {
        let ended = self.pay(now);
        self.payer = None;
        ended
    }

    /// The vCPU that has the turn is on the core at `now`: from here on it pays itself. Gives the vCPU whose budget the
    /// change ended.
    pub fn on_core(&mut self, now: u64) -> Option<usize> {
        self.payer?;
        let ended = self.pay(now);
        self.payer = self.turn;
        ended
    }

    /// The tick at which the budget of who pays ends.
    pub fn limit(&self) -> Option<u64> {
        let claim = self.claims.get(self.payer?).copied().flatten()?;
        claim.left.map(|left| self.since.saturating_add(left))
    }
}
