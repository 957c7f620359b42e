// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The health table of a system: what is done about each error, complete by default.
//!
//! Errors, levels and actions are those of [`bulkhead_abi::health`]. Implements: BH-HEALTH-010.

use bulkhead_abi::health::{Action, ERRORS, Error, Level};

use crate::decode::{Fields, choice, nanoseconds, present, small, text};
use crate::span::Spanned;
use crate::spec::Name;
use crate::system::Criticality;
use crate::tree::Node;

/// A reaction to each error of a level, by the error's code; 0 where the error does not occur on the level.
pub type Reactions = [u8; ERRORS];

/// What is done about errors of the hypervisor.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    /// The partition that `notify` tells.
    pub monitor: Option<Spanned<usize>>,
    /// Errors on one core.
    pub core: Reactions,
    /// Errors that are nobody's.
    pub system: Reactions,
}

/// The sign of life that a partition gives. Times are in ns.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Longest time between two, at least the major frame.
    pub every: Spanned<u64>,
    /// Time after a start in which none is expected.
    pub grace: u64,
}

/// How long a fault of a partition may go unanswered. Times are in ns.
///
/// # References
/// ISO 26262-1, "fault tolerant time interval".
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Longest time from a fault to the reaction.
    pub limit: Spanned<u64>,
    /// Index of the partition that reacts.
    pub reaction: Spanned<usize>,
    /// Time without a valid frame after which it reacts.
    pub timeout: u64,
}

/// What a partition's safe state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafeState {
    /// It is stopped; those that listen to it notice its silence.
    Silent,
    /// Its payload is loaded and told to give its safe output.
    Output,
}

/// A written reaction.
pub(crate) type Reaction = (Spanned<Error>, Spanned<Action>);

/// `health` of a spec as written.
#[derive(Debug, Default)]
pub(crate) struct HealthSpec {
    pub(crate) monitor: Option<Name>,
    pub(crate) core: Vec<Reaction>,
    pub(crate) system: Vec<Reaction>,
}

/// What a partition says about its health as written.
#[derive(Debug)]
pub(crate) struct PartitionHealthSpec {
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) heartbeat: Option<HeartbeatSpec>,
    pub(crate) safe_state: Option<Spanned<SafeState>>,
    pub(crate) interrupt_limit: Option<Spanned<u32>>,
    pub(crate) tolerance: Option<ToleranceSpec>,
}

#[derive(Debug)]
pub(crate) struct ToleranceSpec {
    pub(crate) limit: Spanned<u64>,
    pub(crate) reaction: Name,
    pub(crate) timeout: u64,
}

#[derive(Debug)]
pub(crate) struct HeartbeatSpec {
    pub(crate) every: Spanned<u64>,
    pub(crate) grace: u64,
}

/// The reactions that a map names.
fn reactions(node: &Node) -> Vec<Reaction> {
    let entries = crate::decode::map(node).unwrap_or_default();
    let words: Vec<(&str, Action)> = Action::ALL.iter().map(|a| (a.word(), *a)).collect();
    let one = |entry: &crate::tree::Entry| {
        let error = Error::ALL.iter().find(|e| e.word() == entry.key.value)?;
        Some((
            Spanned::new(*error, entry.key.span),
            choice(&entry.value, &words)?,
        ))
    };
    entries.iter().filter_map(one).collect()
}

/// `health` of a spec.
pub(crate) fn system(node: &Node) -> Option<HealthSpec> {
    let fields = Fields::of(node)?;
    Some(HealthSpec {
        monitor: fields.get("monitor").and_then(text),
        core: fields.get("core").map(reactions).unwrap_or_default(),
        system: fields.get("system").map(reactions).unwrap_or_default(),
    })
}

/// The keys of a partition that concern its health.
pub(crate) fn partition(fields: Fields<'_>) -> PartitionHealthSpec {
    const SAFE_STATES: &[(&str, SafeState)] = &[("silent", SafeState::Silent), ("output", SafeState::Output)];
    let safe_state = fields.get("safe_state").and_then(|n| choice(n, SAFE_STATES));
    let heartbeat = fields.get("heartbeat").map(heartbeat);
    let interrupt_limit = fields.get("interrupt_limit").map(small);
    let mut reactions = fields.get("health").map(reactions).unwrap_or_default();
    // What cannot be read is there all the same.
    reactions.retain(|(error, _)| match error.value {
        Error::Heartbeat => !matches!(heartbeat, Some(None)),
        Error::InterruptStorm => !matches!(interrupt_limit, Some(None)),
        _ => true,
    });
    PartitionHealthSpec {
        reactions,
        heartbeat: heartbeat.flatten(),
        safe_state,
        interrupt_limit: interrupt_limit.flatten(),
        tolerance: fields.get("fault_tolerant_time").and_then(tolerance),
    }
}

fn tolerance(node: &Node) -> Option<ToleranceSpec> {
    let fields = Fields::of(node)?;
    Some(ToleranceSpec {
        limit: fields.get("limit").and_then(nanoseconds)?,
        reaction: fields.get("reaction").and_then(text)?,
        timeout: fields.get("timeout").and_then(nanoseconds)?.value,
    })
}

fn heartbeat(node: &Node) -> Option<HeartbeatSpec> {
    let fields = Fields::of(node)?;
    Some(HeartbeatSpec {
        every: fields.get("every").and_then(nanoseconds)?,
        grace: present(fields.get("grace").map(nanoseconds))?.map_or(0, |g| g.value),
    })
}

/// The table of a level: what was written, and the defaults. Implements: BH-HEALTH-011.
pub(crate) fn table(level: Level, written: &[Reaction], criticality: Criticality) -> Reactions {
    let mut table = [0; ERRORS];
    for (place, error) in table.iter_mut().zip(Error::ALL) {
        let found = written.iter().find(|(named, _)| named.value == *error);
        if error.occurs_on(level) {
            *place = found
                .map_or_else(|| default(level, *error, criticality), |(_, action)| action.value)
                .code();
        }
    }
    table
}

/// The reaction to an error of which the spec says nothing.
fn default(level: Level, error: Error, criticality: Criticality) -> Action {
    let careful = criticality.is_more_critical_than(Criticality::AsilA);
    match (level, error) {
        (Level::Partition, Error::MemoryFault | Error::Heartbeat | Error::SError) => Action::RestartPartition,
        (Level::Partition, Error::DmaFault | Error::InterruptStorm) if careful => Action::RestartPartition,
        (Level::Core, Error::SError | Error::Assertion | Error::Crash) => Action::StopCore,
        (Level::Partition | Level::Core | Level::System, _) => Action::Log,
    }
}
