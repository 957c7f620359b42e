// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CAN frames with numbers that two dedicated partitions exchange beside every attack: `tests/systems/fragments/traffic.yaml`. The
//! receiver counts, and says what came when it is asked.

use std::time::Duration;

use bulkhead_on_target::says;
use bulkhead_runner::Session;

use super::attack::number;

/// Who exchanges them, and the INTIDs of their controllers on the attackers' board.
pub(crate) const PARTIES: [&str; 2] = ["sender", "receiver"];
pub(crate) const LINES: [u32; 2] = [35, 38];
/// Virtual time from frame to frame, ns.
const PACE_NS: u64 = 2_000_000;
/// For how long they are counted at least.
const LEAST: Duration = Duration::from_millis(60);
/// Frames of the time by which the host's clock may be behind, a major frame, and one on its way at each end.
const UNCERTAIN: u64 = 5 + 2;
/// Virtual seconds in which the receiver answers.
const PATIENCE: u64 = 20;

/// What had come by the receiver's own count, and until when, ns of virtual time.
pub(crate) struct Since {
    received: u64,
    ns: u64,
}

/// What came during an attack; of all frames since the start how many are missing, out of order, damaged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frames {
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) reordered: u64,
    pub(crate) corrupted: u64,
    /// Times at which the receiver's controller or queue was full.
    pub(crate) overruns: u64,
    /// Frames that must have come in that time.
    expected: u64,
}

/// Virtual time that the host knows of, ns.
fn now(session: &mut Session) -> u64 {
    session.stats().expect("statistics").now_ns()
}

fn asked(session: &mut Session) -> String {
    session.send("receiver", b"?").expect("the receiver is asked");
    says(session, "receiver", " overruns,", PATIENCE)
}

impl Since {
    /// From now on, when the traffic has settled.
    pub(crate) fn now(session: &mut Session) -> Self {
        says(session, "receiver", "traffic: settled", PATIENCE);
        let line = asked(session);
        Self {
            received: number(&line, "frames"),
            ns: now(session),
        }
    }

    /// What has come since, after a while at least.
    pub(crate) fn until_now(&self, session: &mut Session) -> Frames {
        let passed = Duration::from_nanos(now(session).saturating_sub(self.ns));
        let rest = session.run_for(LEAST.saturating_sub(passed));
        rest.expect("the machine runs");
        let passed = now(session).saturating_sub(self.ns);
        let line = asked(session);
        let count = |what| number(&line, what);
        Frames {
            received: count("frames") - self.received,
            lost: count("lost"),
            reordered: count("reordered"),
            corrupted: count("corrupted"),
            overruns: count("overruns"),
            expected: passed / PACE_NS - UNCERTAIN,
        }
    }
}

impl Frames {
    /// As many came as were due, each once, in order, undamaged.
    pub(crate) fn all_arrived(&self, name: &str) {
        assert!(self.received >= self.expected, "{name}: CAN frames: {self:?}");
        assert_eq!(
            (self.lost, self.reordered, self.corrupted, self.overruns),
            (0, 0, 0, 0),
            "{name}: CAN frames: {self:?}"
        );
    }
}
