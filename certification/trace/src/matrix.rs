// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The matrix: each requirement with its code and its tests, as Markdown.

use std::fmt::{self, Write};

use crate::Trace;
use crate::requirements::Requirement;
use crate::source::Marker;

/// The whole matrix, a table an area.
pub fn markdown(trace: &Trace) -> Result<String, fmt::Error> {
    let mut out = String::from("# Requirements, code and tests\n");
    let mut area = "";
    for requirement in &trace.requirements {
        if area != requirement.id.area() {
            area = requirement.id.area();
            write!(
                out,
                "\n## {area}\n\n| ID | requirement | implemented by | verified by |\n|---|---|---|---|\n"
            )?;
        }
        let [code, tests] = Marker::BOTH.map(|marker| cell(trace, marker, requirement));
        let text = requirement.text.replace('|', "\\|");
        writeln!(out, "| {} | {text} | {code} | {tests} |", requirement.id)?;
    }
    writeln!(
        out,
        "\n{} requirements, {} gaps.",
        trace.requirements.len(),
        trace.gaps.len()
    )?;
    Ok(out)
}

fn cell(trace: &Trace, marker: Marker, requirement: &Requirement) -> String {
    let id = &requirement.id;
    let files = trace.markers.files(marker, id);
    let files: Vec<String> = files.iter().map(|f| format!("`{}`", f.display())).collect();
    match trace.gap(marker, id) {
        Some(gap) => format!("gap: {}", gap.reason.replace('|', "\\|")),
        None => files.join("<br>"),
    }
}
