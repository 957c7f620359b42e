// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots and response times.

use bulkhead_analysis::report::{TaskReport, VcpuReport};
use bulkhead_analysis::{Analysis, Verdict};
use bulkhead_model::system::System;
use maud::{Markup, html};

use crate::built::Built;
use crate::draw;
use crate::share::slot_use;
use crate::why::{sentence, supply};
use crate::words::{budget, time};

/// Who does the housekeeping when EL2 fails on its core.
fn successor(system: &System) -> String {
    match system.schedule.standby_core {
        Some(core) => format!(", and on core {core} when EL2 has failed there."),
        None => "; when EL2 fails there, nobody takes it over.".to_owned(),
    }
}

pub(super) fn slots(system: &System, built: &Built<'_>) -> Markup {
    html! {
        p class="note" { "One major frame of " (time(system.schedule.major_frame.value)) ", repeated for ever; EL2's housekeeping runs on core " (system.schedule.system_core) (successor(system)) }
        @for (k, core) in built.cores.iter().enumerate().filter(|(_, c)| c.budget != 0) {
            p class="note" { "Memory traffic of core " (k) ": " (budget(core)) "; then it stands still until the period ends." }
        }
        details {
            summary { "slots" }
            table {
                tr { th { "core" } th { "slot" } th class="number" { "from" } th class="number" { "for" } th { "runs" } }
                @for (k, core) in built.cores.iter().enumerate() {
                    @for (number, slot) in built.slots_of(core).iter().enumerate() {
                        tr {
                            td { "core " (k) } td { (number) }
                            td class="number" { (time(slot.offset_ns)) } td class="number" { (time(slot.length_ns)) }
                            td { (slot_use(built, slot)) }
                        }
                    }
                }
            }
        }
    }
}

fn verdict(task: &TaskReport) -> (&'static str, &'static str) {
    match task.verdict {
        Verdict::Schedulable => ("good", "schedulable"),
        Verdict::Unproven => ("open", "unproven"),
        Verdict::NotSchedulable => ("bad", "not schedulable"),
    }
}

pub(super) fn tasks(system: &System, analysis: &Analysis) -> Markup {
    let report = analysis.report(system);
    html! {
        @if report.is_empty() { p { "No partition has tasks: nothing was analysed." } }
        @else { div class="scroll" { (maud::PreEscaped(draw::responses(&report))) } }
        @for vcpu in &report { (of_vcpu(vcpu)) }
    }
}

fn of_vcpu(vcpu: &VcpuReport) -> Markup {
    html! {
        h3 { (vcpu.partition) }
        p { (supply(vcpu)) "." }
        table {
            tr { th { "task" } th class="number" { "period" } th class="number" { "WCET" } th class="number" { "response" } th class="number" { "deadline" } th { "verdict" } }
            @for task in &vcpu.tasks {
                tr {
                    td { (task.name) }
                    td class="number" { (time(task.period_ns)) }
                    td class="number" { (time(task.wcet_ns)) }
                    td class="number" { (task.response_ns.map_or_else(|| "no bound".to_owned(), time)) }
                    td class="number" { (time(task.deadline_ns)) }
                    td { span class=(verdict(task).0) { (verdict(task).1) } ": " (sentence(task)) }
                }
            }
        }
        p class="note" {
            "Costs of EL2 in the bounds: "
            @for (k, cost) in vcpu.costs.iter().enumerate() {
                @if k > 0 { ", " }
                (cost.path.name()) " " (time(cost.ns)) " (" (format!("{:?}", cost.basis).to_lowercase()) ")"
            }
            "."
        }
        @if !vcpu.doubts.is_empty() {
            p class="open" { "Unproven, because:" }
            ul { @for doubt in &vcpu.doubts { li { (doubt) } } }
        }
    }
}
