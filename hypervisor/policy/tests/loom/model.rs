// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How orders are explored. A thread that waits for ever is a deadlock, which the checker reports.

/// Explores with so many preemptions that the checker inserts, and those that `MORE_PREEMPTIONS` adds.
pub(crate) fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    let deeper = std::env::var("MORE_PREEMPTIONS");
    let deeper: Option<usize> = deeper.ok().and_then(|n| n.parse().ok());
    builder.preemption_bound = Some(preemptions + deeper.unwrap_or(0));
    builder.max_branches = 20_000;
    builder.check(run);
}
