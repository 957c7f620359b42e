// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Response times against deadlines: a bar a task, as a share of its deadline.

use bulkhead_analysis::Verdict;
use bulkhead_analysis::report::VcpuReport;

use super::canvas::{Align, Area, Canvas, FREE, Paint, width};
use crate::words::time;

const WIDE: i64 = 620;
const ROW: i64 = 28;
const GOOD: Paint = Paint {
    fill: "#bfe0c0",
    border: "#2f7d32",
};
const OPEN: Paint = Paint {
    fill: "#f7e3ae",
    border: "#94701a",
};
const BAD: Paint = Paint {
    fill: "#f3bdb6",
    border: "#b0261b",
};

/// Draws the bound of each task's response time against its deadline. Implements: BH-EXPL-007.
pub fn responses(report: &[VcpuReport]) -> String {
    let tasks: Vec<_> = report
        .iter()
        .flat_map(|v| v.tasks.iter().map(move |t| (v, t)))
        .collect();
    let name = |v: &VcpuReport, task: &str| format!("{}/{task}", v.partition);
    let left = tasks
        .iter()
        .map(|(v, t)| width(&name(v, &t.name)))
        .max()
        .unwrap_or(0)
        + 20;
    let mut canvas = Canvas::new();
    let mut y = 10;
    for (vcpu, task) in &tasks {
        canvas.text(left - 10, y + 14, Align::End, &name(vcpu, &task.name));
        let whole = Area {
            x: left,
            y,
            width: WIDE,
            height: ROW - 8,
        };
        canvas.area(whole, FREE, "");
        let paint = match task.verdict {
            Verdict::Schedulable => GOOD,
            Verdict::Unproven => OPEN,
            Verdict::NotSchedulable => BAD,
        };
        let deadline = u128::from(task.deadline_ns.max(1));
        let share =
            task.response_ns.map_or(1, |r| u128::from(r).min(deadline)) * u128::try_from(WIDE).unwrap_or(0);
        let share = if task.response_ns.is_some() {
            share / deadline
        } else {
            u128::try_from(WIDE).unwrap_or(0)
        };
        let bar = Area {
            width: i64::try_from(share).unwrap_or(WIDE).max(1),
            ..whole
        };
        let response = task.response_ns.map_or_else(|| "no bound".to_owned(), time);
        canvas.area(bar, paint, &format!("{response} of {}", time(task.deadline_ns)));
        canvas.small(left + 8, y + 13, Align::Start, &response);
        canvas.small(
            left + WIDE + 8,
            y + 13,
            Align::Start,
            &format!("deadline {}", time(task.deadline_ns)),
        );
        y += ROW;
    }
    canvas.finish(left + WIDE + 150, y + 4, "Response times against deadlines")
}
