// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Long campaigns on all of the host's cores: a run does not depend on what runs beside it, since its time is virtual.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What `work` makes of each number of a range, in no order. Every worker says how far all have come, every hundredth of
/// the way.
pub(crate) fn each<T: Send>(range: Range<u64>, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let step = ((range.end - range.start) / 100).max(1);
    let next = AtomicU64::new(range.start);
    let worker = || {
        let mut found = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= range.end {
                return found;
            }
            found.push(work(number));
            if (number - range.start).is_multiple_of(step) {
                println!(
                    "{} of {} begun",
                    number - range.start + 1,
                    range.end - range.start
                );
            }
        }
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let joined = running.into_iter().flat_map(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.collect()
    })
}
