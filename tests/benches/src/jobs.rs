// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs side by side, as many as the host has cores: their time is virtual, so that none depends on another.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::Error;
use crate::rows::Found;

/// Some runs, and what they give.
pub(crate) type Job<'a> = Box<dyn Fn(&mut Found) -> Result<(), Error> + Send + Sync + 'a>;

/// Does all, begun in their order, and gives what each found in their order.
pub(crate) fn all(jobs: &[Job<'_>]) -> Result<Vec<Found>, Error> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some((k, job)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|k| Some((k, jobs.get(k)?)))
        {
            let mut found = Found::default();
            let result = job(&mut found);
            // Nobody waits for what is no longer wanted.
            if result.is_err() {
                next.store(jobs.len(), Ordering::Relaxed);
            }
            done.push((k, result.map(|()| found)));
        }
        done
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let mut done = thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let joined = running.into_iter().flat_map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Vec<_>>()
    });
    done.sort_by_key(|(k, _)| *k);
    done.into_iter().map(|(_, found)| found).collect()
}
