// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The major frame: a row a core, slots in time.

use bulkhead_model::system::System;

use super::canvas::{Align, Area, Canvas, EL2, FREE, Paint, partition, width};
use crate::at::slot_owner;
use crate::built::Built;
use crate::share::slot_use;
use crate::words::time;

const LEFT: i64 = 90;
const WIDE: i64 = 900;
const ROW: i64 = 40;
const HEAD: i64 = 30;
/// Most marks on the axis.
const MARKS: u64 = 10;

/// A share of the drawing's width; `frame` is not zero.
fn x(ns: u64, frame: u64) -> i64 {
    let scaled = u128::from(ns) * u128::try_from(WIDE).unwrap_or(0) / u128::from(frame.max(1));
    LEFT + i64::try_from(scaled).unwrap_or(WIDE)
}

/// Draws one major frame of every core. Implements: BH-EXPL-006.
pub fn frame(system: &System, built: &Built<'_>) -> String {
    let frame = system.schedule.major_frame.value;
    let mut canvas = Canvas::new();
    let rows = i64::try_from(built.cores.len()).unwrap_or(0);
    let bottom = HEAD + rows * ROW;
    for mark in 0..=MARKS {
        let at = frame / MARKS * mark;
        canvas.line((x(at, frame), HEAD - 6), (x(at, frame), bottom), "#dde1e8");
        canvas.small(x(at, frame), HEAD - 12, Align::Middle, &time(at));
    }
    for (k, core) in built.cores.iter().enumerate() {
        let y = HEAD + i64::try_from(k).unwrap_or(0) * ROW;
        canvas.text(LEFT - 10, y + 22, Align::End, &format!("core {k}"));
        let owner = built
            .vcpus_on(core)
            .next()
            .and_then(|(_, v)| usize::try_from(v.partition).ok());
        match owner {
            Some(owner) if core.slot_count == 0 => {
                let at = Area {
                    x: LEFT,
                    y,
                    width: WIDE,
                    height: ROW - 6,
                };
                slot(
                    &mut canvas,
                    at,
                    partition(owner),
                    (built.partition_name(owner), built.partition_name(owner)),
                    "always",
                );
            }
            _ => {
                for s in built.slots_of(core) {
                    let (from, to) = (
                        x(s.offset_ns, frame),
                        x(s.offset_ns.saturating_add(s.length_ns), frame),
                    );
                    let owner = slot_owner(built, s);
                    let paint = match owner {
                        "system" => EL2,
                        "standby" | "idle" => FREE,
                        name => built.partition(name).map_or(FREE, partition),
                    };
                    let at = Area {
                        x: from,
                        y,
                        width: (to - from).max(1),
                        height: ROW - 6,
                    };
                    slot(
                        &mut canvas,
                        at,
                        paint,
                        (owner, &slot_use(built, s)),
                        &time(s.length_ns),
                    );
                }
            }
        }
    }
    canvas.finish(
        LEFT + WIDE + 40,
        bottom + 10,
        &format!("Major frame of system {}", system.name.value),
    )
}

/// A slot; its texts only where they fit, always as a hint.
fn slot(canvas: &mut Canvas, at: Area, paint: Paint, (owner, full): (&str, &str), length: &str) {
    canvas.area(at, paint, &format!("{full}, {length}"));
    if width(owner) + 8 <= at.width {
        canvas.text(at.middle(), at.y + 15, Align::Middle, owner);
    }
    if width(length) + 8 <= at.width {
        canvas.small(at.middle(), at.y + 28, Align::Middle, length);
    }
}
