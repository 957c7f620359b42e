// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bench`: instruction counts against native, and the gate on paths through EL2.

use std::path::Path;

use bulkhead_benches::Place;
use bulkhead_benches::report::{Report, Row};
use bulkhead_model::Paths;

use crate::cli::{BenchArgs, Format};
use crate::failure::Failure;
use crate::{build, output, place};

/// Runs all benches.
pub(crate) fn run(args: &BenchArgs, format: Format) -> Result<(), Failure> {
    let root = place::root()?;
    let known = place::paths(&crate::cli::SpecArgs::default())?;
    let builder = |spec: &Path, overrides: &[String], folder: &Path| {
        let paths = Paths {
            spec: spec.to_owned(),
            ..known.clone()
        };
        let system = bulkhead_model::load(&paths, overrides).map_err(|e| format!("{e:?}"))?;
        build::compile(&system, &paths, folder).map_err(|e| format!("{e:?}"))?;
        Ok(())
    };
    let place = Place {
        root: &root,
        images: &known.images,
    };
    let report = bulkhead_benches::run(place, &builder).map_err(Failure::unable)?;
    match format {
        Format::Json => output::json(&report)?,
        Format::Text if args.table => output::line(report.table.trim_end())?,
        Format::Text => text(&report)?,
    }
    for loose in &report.loose {
        eprintln!("note: tests/benches/bounds.toml: {loose}");
    }
    if report.breaches.is_empty() {
        return Ok(());
    }
    let breaches = report.breaches.join("\n  ");
    let message = format!("tests/benches/bounds.toml:\n  {breaches}");
    Err(Failure::reported(format, message))
}

fn text(report: &Report) -> Result<(), Failure> {
    for Row {
        id,
        unit,
        samples,
        native,
        bulkhead,
        longest,
        note,
        bounds,
    } in &report.rows
    {
        let native = native.map_or(String::new(), |n| {
            format!("native {} {} {}, ", n.min, n.median, n.max)
        });
        let most = longest.map_or(String::new(), |n| format!(", {n} by the disassembly"));
        let note = note.as_ref().map_or(String::new(), |n| format!(": {n}"));
        let bounds = bounds
            .as_ref()
            .map_or("no entry".to_owned(), |b| format!("bound {}", b.bound));
        output::line(&format!(
            "{id:<22} {native}bulkhead {} {} {} {unit} ({samples} samples{most}, {bounds}){note}",
            bulkhead.min, bulkhead.median, bulkhead.max
        ))?;
    }
    for path in &report.paths {
        let bounds = path.bounds.as_ref();
        let bounds = bounds.map_or("no entry".to_owned(), |b| {
            format!("bound {}, ceiling {}", b.bound, b.ceiling)
        });
        let most = path
            .longest
            .map_or(String::new(), |n| format!("{n} by the disassembly, "));
        output::line(&format!(
            "path {:<22} {} {} {} ({} samples): {most}{bounds}",
            path.id, path.measured.min, path.measured.median, path.measured.max, path.samples
        ))?;
    }
    report
        .missing
        .iter()
        .try_for_each(|m| output::line(&format!("missing {}: {}", m.id, m.reason)))
}
