// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for the health table: every reaction can happen, and somebody hears of it.

use bulkhead_abi::health::{Action, Error};

use super::{Facts, meant};
use crate::diagnostic::{Diagnostic, Rule};
use crate::health::{Reaction, SafeState};
use crate::span::Span;
use crate::system::Console;
use crate::units::show_time;

/// A notice to nobody.
static NO_MONITOR: Rule = Rule {
    number: "BH140",
    id: "health/no-monitor",
    text: "`notify` tells the partition that `health.monitor` names.",
    fix: "Name a monitor, or write `log`.",
};
/// A monitor that cannot be told.
static MONITOR: Rule = Rule {
    number: "BH141",
    id: "health/monitor",
    text: "The monitor is a bare-metal partition of the spec: notices are written into its window; none of `qm` is told of one with a safety level.",
    fix: "Name a partition with an `elf` or `raw` payload, and with a safety level where one of such a level is to be told of.",
};
/// A sign of life that nobody can see.
static NO_WINDOW: Rule = Rule {
    number: "BH142",
    id: "health/no-window",
    text: "A heartbeat is counted in the window of a bare-metal partition; Linux has none.",
    fix: "Leave `heartbeat` out.",
};
/// A sign of life that is looked for too seldom.
static TOO_SHORT: Rule = Rule {
    number: "BH143",
    id: "health/too-short",
    text: "The hypervisor looks for a heartbeat once in a major frame, so it is not expected more often.",
    fix: "Make `every` at least as long as the major frame.",
};
/// A limit that nobody enforces.
static DIRECT_LIMIT: Rule = Rule {
    number: "BH144",
    id: "health/direct-limit",
    text: "Interrupts are counted for sliced partitions; those of a dedicated one go past the hypervisor.",
    fix: "Leave `interrupt_limit` out.",
};
/// A safe output of a payload that cannot be told of it.
static UNTOLD: Rule = Rule {
    number: "BH149",
    id: "health/untold",
    text: "A payload is told by X1 at its first instruction to give its safe output; Linux' boot protocol wants zero there.",
    fix: "Leave `safe_state` out: what is stopped is silent.",
};
/// A reaction to what cannot be found.
static NO_CAUSE: Rule = Rule {
    number: "BH145",
    id: "health/no-cause",
    text: "A reaction to `heartbeat` needs the key `heartbeat`, one to `interrupt-storm` the key `interrupt_limit`.",
    fix: "Write the key that says when it is an error, or leave the reaction out.",
};

/// An error of a partition without a safety level that ends those with one.
static GLOBAL_OF_QM: Rule = Rule {
    number: "BH163",
    id: "health/global-of-qm",
    text: "No error of a `qm` partition leads to `global-safe-state` where a partition has a safety level: that one would depend on it.",
    fix: "Write `safe-state`: it ends the partition alone.",
};

pub(super) static ALL: &[&Rule] = &[
    &NO_MONITOR,
    &MONITOR,
    &NO_WINDOW,
    &TOO_SHORT,
    &DIRECT_LIMIT,
    &UNTOLD,
    &NO_CAUSE,
    &GLOBAL_OF_QM,
];
pub(super) const CHECKS: &[super::Check] = &[
    no_monitor,
    monitor,
    no_window,
    too_short,
    direct_limit,
    untold,
    no_cause,
    global_of_qm,
];

/// Every reaction of the spec.
fn reactions<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Reaction> {
    let health = &facts.spec.health;
    let partitions = facts.spec.partitions.iter().flat_map(|p| &p.health.reactions);
    health.core.iter().chain(&health.system).chain(partitions)
}

/// Implements: BH-HEALTH-012.
fn no_monitor(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    if facts.spec.health.monitor.is_some() {
        return;
    }
    for (error, action) in reactions(facts).filter(|(_, action)| action.value == Action::Notify) {
        diagnostics.push(Diagnostic::new(
            &NO_MONITOR,
            action.span,
            format!("nobody is told of `{}`", error.value.word()),
            "the spec names no monitor",
            "add `health: { monitor: PARTITION }`, or write `log`",
        ));
    }
}

/// Implements: BH-HEALTH-013.
fn monitor(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(name) = &facts.spec.health.monitor else {
        return;
    };
    let (cause, help, kernel) = match facts.spec.partition(name) {
        None => (
            "there is no such partition",
            meant(name, "partitions are", facts.spec.partition_names()),
            None,
        ),
        Some((_, partition)) if partition.is_linux() => (
            "a Linux partition sees no window",
            "name a bare-metal partition".to_owned(),
            partition.kernel(),
        ),
        // A monitor without a safety level is told of no partition that has one.
        Some((_, partition)) if partition.is_qm() => {
            for (partition, action) in told_of(facts) {
                let message = format!("`{}` cannot be told of errors of `{partition}`", name.value);
                let cause = "it has no safety level, and a partition with one would depend on it";
                let help = "name a partition with a safety level, or write `log`";
                let diagnostic = Diagnostic::new(&MONITOR, name.span, message, cause, help);
                diagnostics.push(diagnostic.and(action, "it is to be told of this"));
            }
            return;
        }
        Some(_) => return,
    };
    let message = format!("`{}` cannot be the monitor", name.value);
    let diagnostic = Diagnostic::new(&MONITOR, name.span, message, cause, help);
    diagnostics.push(diagnostic.and_at(kernel, "Linux"));
}

/// Partitions with a safety level of whose errors the monitor is told, each with the first such reaction.
fn told_of<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = (&'f str, Span)> {
    let leveled = facts.spec.partitions.iter().filter(|p| p.has_level());
    leveled.filter_map(|partition| {
        let mut reactions = partition.health.reactions.iter();
        let (_, action) = reactions.find(|(_, action)| action.value == Action::Notify)?;
        Some((partition.name.value.as_str(), action.span))
    })
}

/// Implements: BH-HEALTH-014.
fn no_window(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        let uart = partition.has_console(Console::Uart).is_some();
        if let Some(heartbeat) = &partition.health.heartbeat
            && (partition.is_linux() || uart)
        {
            let diagnostic = Diagnostic::new(
                &NO_WINDOW,
                heartbeat.every.span,
                format!("`{}` shows no heartbeat", partition.name.value),
                "it has no window in which to count its activations",
                "leave `heartbeat` out",
            );
            diagnostics.push(diagnostic.and_at(partition.without_window(), "leaves it without one"));
        }
    }
}

/// Implements: BH-HEALTH-015.
fn too_short(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(frame) = facts.spec.schedule.as_ref().and_then(|s| s.major_frame) else {
        return;
    };
    for partition in &facts.spec.partitions {
        if let Some(heartbeat) = &partition.health.heartbeat
            && heartbeat.every.value < frame.value
        {
            diagnostics.push(
                Diagnostic::new(
                    &TOO_SHORT,
                    heartbeat.every.span,
                    format!("the heartbeat of `{}` comes too often", partition.name.value),
                    format!("it is looked for every {}", show_time(frame.value)),
                    format!("write at least {}", show_time(frame.value)),
                )
                .and(frame.span, "the major frame"),
            );
        }
    }
}

/// Implements: BH-HEALTH-016.
fn direct_limit(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in facts.spec.partitions.iter().filter(|p| p.is_dedicated()) {
        if let Some(limit) = partition.health.interrupt_limit {
            diagnostics.push(
                Diagnostic::new(
                    &DIRECT_LIMIT,
                    limit.span,
                    format!("nobody counts the interrupts of `{}`", partition.name.value),
                    "its cores are dedicated",
                    "leave `interrupt_limit` out",
                )
                .and_at(partition.first_core(), "dedicated here"),
            );
        }
    }
}

/// Implements: BH-LIFE-011.
fn untold(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in facts.spec.partitions.iter().filter(|p| p.is_linux()) {
        if let Some(state) = &partition.health.safe_state
            && state.value == SafeState::Output
        {
            let diagnostic = Diagnostic::new(
                &UNTOLD,
                state.span,
                format!("nothing tells `{}` to give its safe output", partition.name.value),
                "Linux begins with zero in X1, whichever of its lives it is",
                "leave `safe_state` out",
            );
            diagnostics.push(diagnostic.and_at(partition.kernel(), "Linux"));
        }
    }
}

/// Implements: BH-HEALTH-017.
fn no_cause(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        for (error, _) in &partition.health.reactions {
            let key = match error.value {
                Error::Heartbeat if partition.health.heartbeat.is_none() => "heartbeat",
                Error::InterruptStorm if partition.health.interrupt_limit.is_none() => "interrupt_limit",
                _ => continue,
            };
            diagnostics.push(Diagnostic::new(
                &NO_CAUSE,
                error.span,
                format!("`{}` never fails like that", partition.name.value),
                format!("it has no `{key}`"),
                format!("add `{key}`, or leave the reaction out"),
            ));
        }
    }
}

/// Implements: BH-HEALTH-048.
fn global_of_qm(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let partitions = &facts.spec.partitions;
    let Some(ended) = partitions.iter().find(|p| p.has_level()) else {
        return;
    };
    for partition in partitions.iter().filter(|p| p.is_qm()) {
        let reactions = partition.health.reactions.iter();
        for (error, action) in reactions.filter(|(_, action)| action.value == Action::GlobalSafeState) {
            let diagnostic = Diagnostic::new(
                &GLOBAL_OF_QM,
                action.span,
                format!(
                    "`{}` of `{}` would end `{}`",
                    error.value.word(),
                    partition.name.value,
                    ended.name.value
                ),
                "its partition has no safety level",
                "write `safe-state`",
            );
            let level = ended.criticality.as_ref().map(|c| c.span);
            diagnostics.push(diagnostic.and_at(level, "this one has"));
        }
    }
}
