// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A vCPU that spins on a core with a budget of memory traffic. QEMU counts instructions in its place, one a
//! nanosecond.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_abi::stats::{CoreStats, VcpuStats};
use bulkhead_on_target::{System, says};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;

/// The core with the budget; vCPU 1 spins on it.
const CORE: u32 = 2;
/// Periods in a second.
const PERIODS: u64 = 1000;
/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(1);

/// What happened on the core while it was watched, in ticks.
#[derive(Debug)]
struct Watched {
    elapsed: u64,
    executed: u64,
    stood_still: u64,
    spent: u64,
    periods: u64,
}

impl Watched {
    /// Parts of a thousand of the time in which the vCPU executed.
    fn share(&self) -> u64 {
        1000 * self.executed / self.elapsed
    }
}

fn look(session: &mut Session) -> (CoreStats, VcpuStats) {
    let stats = session.stats().expect("statistics");
    let core = stats.core(CORE).expect("the core");
    (core.stats, core.vcpus[0])
}

fn watch(overrides: &[&str]) -> Watched {
    let system = System::build("tests/systems/bandwidth.yaml", overrides);
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    says(&mut session, "guest", "ready", 20);
    session.send("guest", b"c").expect("typed");
    says(&mut session, "guest", " counts", 20);
    let before = look(&mut session);
    session.run_for(WATCHED).expect("the machine runs");
    let after = look(&mut session);
    let watched = Watched {
        elapsed: after.0.now - before.0.now,
        executed: after.1.run_ticks - before.1.run_ticks,
        stood_still: after.0.budget_ticks - before.0.budget_ticks,
        spent: after.0.budget_spent - before.0.budget_spent,
        periods: (after.0.now - before.0.now) * PERIODS / after.0.frequency,
    };
    println!("{overrides:?}: {watched:?}, {} of 1000 executed", watched.share());
    let asleep = after.0.idle_ticks - before.0.idle_ticks;
    assert!(watched.stood_still <= asleep, "part of the sleep");
    watched
}

/// Verifies: BH-BW-002.
#[test]
fn half_the_budget_is_half_the_instructions() {
    let whole = watch(&[]);
    let half = watch(&["schedule.bandwidth.2.events=200000"]);
    for (watched, share) in [(&whole, 400), (&half, 200)] {
        assert!(
            watched.share().abs_diff(share) <= share / 50,
            "{share} of 1000 within 2 %: {watched:?}"
        );

        assert!(
            watched.spent.abs_diff(watched.periods) <= 2,
            "spent once a period: {watched:?}"
        );
    }
    let wide = u128::from;
    let ratio =
        1000 * wide(half.executed) * wide(whole.elapsed) / (wide(half.elapsed) * wide(whole.executed));
    assert!(ratio.abs_diff(500) <= 10, "half within 2 %: {ratio} of 1000");
}

/// Verifies: BH-BW-002.
#[test]
fn a_budget_that_suffices_is_not_felt() {
    let watched = watch(&["schedule.bandwidth.2.events=2000000"]);
    assert_eq!((watched.spent, watched.stood_still), (0, 0));
    assert!(watched.share() >= 990, "{watched:?}");
}
