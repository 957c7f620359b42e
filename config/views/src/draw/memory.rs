// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The memory map: everything that was placed, by address, and what is free between. Heights grow with the
//! logarithm of sizes, since a page and a gigabyte must both be seen.

use bulkhead_model::system::System;

use super::canvas::{Align, Area, BOARD, CHANNEL, Canvas, EL2, FREE, Paint, partition};
use crate::built::Built;
use crate::records::{Placed, Span};
use crate::words::{listed, size};

const LEFT: i64 = 110;
const WIDE: i64 = 460;
const TOP: i64 = 10;
/// Rows at most: a map of thousands of coloured pages is a table, not a drawing.
const ROWS: usize = 400;

/// A row: what lies there, or nothing.
struct Row {
    at: Span,
    text: String,
    paint: Paint,
}

/// Draws physical memory. Implements: BH-EXPL-006.
pub fn memory(system: &System, built: &Built<'_>) -> String {
    let mut rows = rows(built);
    let hidden = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    let mut canvas = Canvas::new();
    let mut y = TOP;
    let mut last = None;
    for row in &rows {
        if last.is_some_and(|end| end != row.at.start) {
            canvas.small(LEFT + WIDE / 2, y + 9, Align::Middle, "…");
            y += 14;
        }
        let height = 18 + i64::from(row.at.size().max(4096).ilog2().saturating_sub(12)) * 2;
        let at = Area {
            x: LEFT,
            y,
            width: WIDE,
            height,
        };
        canvas.area(at, row.paint, &format!("{:#x}-{:#x}", row.at.start, row.at.end));
        canvas.small(LEFT - 8, y + 11, Align::End, &format!("{:#x}", row.at.start));
        canvas.text(LEFT + 10, y + height / 2 + 4, Align::Start, &row.text);
        canvas.small(
            LEFT + WIDE - 8,
            y + height / 2 + 4,
            Align::End,
            &size(row.at.size()),
        );
        y += height;
        last = Some(row.at.end);
    }
    if let Some(end) = last {
        canvas.small(LEFT - 8, y + 6, Align::End, &format!("{end:#x}"));
    }
    if hidden > 0 {
        y += 18;
        canvas.text(
            LEFT + 10,
            y,
            Align::Start,
            &format!("and {hidden} more, see the table"),
        );
    }
    canvas.finish(
        LEFT + WIDE + 20,
        y + 16,
        &format!("Memory of system {}", system.name.value),
    )
}

/// Placed things with the free RAM between them; neighbours of one owner and name are one row.
fn rows(built: &Built<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let ram = built.ram.iter().map(|r| Span {
        start: r.base,
        end: r.base.saturating_add(r.size),
    });
    let mut free: Vec<Span> = ram.collect();
    for placed in &built.records.memory {
        free = free.into_iter().flat_map(|f| minus(f, placed.physical)).collect();
        let (text, paint) = look(built, placed);
        match rows.last_mut() {
            Some(row) if row.at.end == placed.physical.start && row.text == text => {
                row.at.end = placed.physical.end
            }
            Some(_) | None => rows.push(Row {
                at: placed.physical,
                text,
                paint,
            }),
        }
    }
    for (at, names) in coloured(built) {
        free = free.into_iter().flat_map(|f| minus(f, at)).collect();
        let text = format!("{} in pages of their colours", listed(names));
        rows.push(Row {
            at,
            text,
            paint: FREE,
        });
    }
    rows.extend(free.into_iter().map(|at| Row {
        at,
        text: "free".to_owned(),
        paint: FREE,
    }));
    rows.sort_by_key(|r| r.at);
    rows
}

/// Ranges in which pages of several owners interleave, and what lies there.
fn coloured(built: &Built<'_>) -> Vec<(Span, Vec<String>)> {
    let mut placed: Vec<&Placed> = built.records.coloured_memory.iter().collect();
    placed.sort_by_key(|p| p.physical);
    let mut ranges: Vec<(Span, Vec<String>)> = Vec::new();
    for p in placed {
        let name = look(built, p).0;
        match ranges.last_mut() {
            Some((at, names)) if p.physical.start < at.end => {
                at.end = at.end.max(p.physical.end);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            Some(_) | None => ranges.push((p.physical, vec![name])),
        }
    }
    ranges
}

fn minus(from: Span, cut: Span) -> Vec<Span> {
    let Some(cut) = from.common(cut) else {
        return vec![from];
    };
    let parts = [
        Span {
            start: from.start,
            end: cut.start,
        },
        Span {
            start: cut.end,
            end: from.end,
        },
    ];
    parts.into_iter().filter(|p| p.start < p.end).collect()
}

fn look(built: &Built<'_>, placed: &Placed) -> (String, Paint) {
    match placed.owner.split_once(':') {
        Some(("partition", name)) => {
            let paint = built.partition(name).map_or(FREE, partition);
            (format!("{name}: {}", placed.name), paint)
        }
        Some(("channel", name)) => (format!("channel {name}"), CHANNEL),
        Some(_) | None => {
            let paint = if placed.owner == "el2" { EL2 } else { BOARD };
            (
                format!("{}: {}", placed.owner.replace("el2", "EL2"), placed.name),
                paint,
            )
        }
    }
}
