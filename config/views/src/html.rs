// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `report.html`: one self-contained file about a built system, for people who argue that it is safe.
//!
//! No script, nothing from elsewhere, no time stamp, no absolute path: the same build gives the same bytes.
//! Implements: BH-EXPL-007.

mod errata;
mod origin;
mod reach;
mod routes;
mod tables;
mod timing;

use bulkhead_analysis::Analysis;
use bulkhead_model::system::System;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::built::{Built, BuiltError};
use crate::certificate::Certificate;
use crate::draw;

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: #1d232e; margin: 0 auto; max-width: 1180px; padding: 1.5em; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2em; border-bottom: 1px solid #c6cbd4; }
nav a { margin-right: 1em; } a { color: #2b6ca3; }
table { border-collapse: collapse; margin: .6em 0; } th { text-align: left; background: #f4f6fa; }
th, td { border: 1px solid #dde1e8; padding: .2em .6em; vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; } code { font: 13px/1.4 Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } .note { color: #4a5364; } summary { cursor: pointer; font-weight: bold; }
.good { color: #2f7d32; } .open { color: #94701a; } .bad { color: #b0261b; }
@media print { details > * { display: block; } }
";

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The model.
    pub system: &'a System,
    /// What was built.
    pub built: &'a Built<'a>,
    /// Tasks and their bounds.
    pub analysis: &'a Analysis,
    /// What was proved.
    pub certificate: Option<&'a Certificate>,
}

/// Writes the report.
///
/// # Errors
/// [`BuiltError::Table`].
pub fn report(report: Report<'_>) -> Result<String, BuiltError> {
    let Report {
        system,
        built,
        analysis,
        certificate,
    } = report;
    let name = &system.name.value;
    let sections: Vec<(&str, &str, Markup)> = vec![
        ("partitions", "Partitions", tables::partitions(system, built)),
        (
            "graph",
            "Partitions, channels and cores",
            drawing(&draw::graph(system, built)),
        ),
        (
            "frame",
            "Major frame",
            html! { (drawing(&draw::frame(system, built))) (timing::slots(system, built)) },
        ),
        (
            "tasks",
            "Response times against deadlines",
            timing::tasks(system, analysis),
        ),
        ("interrupts", "Interrupts", routes::interrupts(system, built)),
        ("streams", "Devices and streams", routes::streams(system, built)),
        (
            "controllers",
            "Clock, reset, power and pin controllers",
            routes::controllers(system, built)?,
        ),
        ("lost", "Isolation lost", routes::lost(system)),
        (
            "memory",
            "Memory",
            html! { (drawing(&draw::memory(system, built))) (tables::memory(system, built)) },
        ),
        (
            "reach",
            "What each partition can reach",
            reach::partitions(built)?,
        ),
        ("shared", "What is shared", reach::shared(built)),
        ("el2", "What EL2 can reach", reach::el2(built)?),
        ("errata", "Errata of the cores", errata::table(system)),
        ("proof", "Proof", tables::proof(built, certificate)),
        ("values", "Where values come from", origin::values(system)),
    ];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "System " (name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "System " (name) }
                p { (system.board.name.value) ", " (system.board.title) }
                (tables::hashes(built, certificate))
                nav { @for (id, title, _) in &sections { a href=(format!("#{id}")) { (title) } " " } }
                @for (id, title, content) in &sections {
                    section id=(id) { h2 { (title) } (content) }
                }
            }
        }
    };
    Ok(page.into_string() + "\n")
}

fn drawing(svg: &str) -> Markup {
    html! { div class="scroll" { (PreEscaped(svg)) } }
}

/// An address.
fn hex(address: u64) -> Markup {
    html! { code { (format!("{address:#x}")) } }
}

/// A range of addresses.
fn range(span: crate::records::Span) -> Markup {
    html! { code { (format!("{:#x}-{:#x}", span.start, span.end)) } }
}
