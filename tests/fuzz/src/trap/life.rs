// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's life under any order of events.

use bulkhead_policy::lifecycle::{Event, Lifecycle, Phase, SafeState, Then};

use crate::bytes::Bytes;

/// A life, and the vCPUs that its stop still waits for.
pub(super) struct Life {
    word: Lifecycle,
    vcpus: u32,
    waiting: u32,
    withdrawn: bool,
}

impl Life {
    pub(super) fn new(mode: u8) -> Self {
        let vcpus = u32::from(mode >> 4) % 4 + 1;
        let safe = if mode & 8 == 0 {
            SafeState::Silent
        } else {
            SafeState::Output
        };
        Self {
            word: Lifecycle::new(vcpus, u32::from(mode >> 6), safe),
            vcpus,
            waiting: 0,
            withdrawn: true,
        }
    }

    pub(super) fn step(&mut self, bytes: &mut Bytes<'_>) {
        let event = match bytes.u8() % 9 {
            0 => Event::Start,
            1 => Event::Entered,
            2 => Event::ResetRequested,
            3 => Event::OffRequested,
            4 => Event::Fault,
            5 => Event::Stop,
            6 => Event::SafeState,
            7 => Event::Withdrawn,
            _ => Event::Stopped {
                vcpu: u32::from(bytes.u8() % 5),
            },
        };
        let before = self.word;
        let Some(after) = before.after(event) else {
            return;
        };
        self.follow(event, before.phase(), after.phase());
        self.word = after;
        assert!(after.bits() & 0xf <= 7, "no declared phase");
        assert!(
            after.restarts_left() <= before.restarts_left(),
            "a restart is given back"
        );
        for vcpu in 0..32 {
            assert_eq!(
                after.must_stop(vcpu),
                self.waiting >> vcpu & 1 != 0,
                "vCPU {vcpu} after {event:?}"
            );
        }
        let stops = matches!(after.phase(), Phase::Stopping(_));
        assert_eq!(
            stops,
            self.waiting != 0 || !self.withdrawn,
            "{event:?}: {before:?} to {after:?}"
        );
    }

    /// From which phase to which an event may lead.
    fn follow(&mut self, event: Event, before: Phase, after: Phase) {
        let lives = matches!(before, Phase::Loading | Phase::Running);
        let good = match event {
            Event::Start => before == Phase::Off && after == Phase::Loading,
            Event::Entered => before == Phase::Loading && after == Phase::Running,
            Event::ResetRequested => lives && after == Phase::Stopping(Then::Reload),
            Event::OffRequested => lives && after == Phase::Stopping(Then::Off),
            Event::Fault => lives && matches!(after, Phase::Stopping(_)),
            Event::Stop | Event::SafeState => {
                (lives || before == Phase::Stopping(Then::Reload))
                    && matches!(after, Phase::Stopping(Then::Fail | Then::Safe))
            }
            Event::Withdrawn | Event::Stopped { .. } => matches!(before, Phase::Stopping(_)),
        };
        assert!(good, "{event:?} leads from {before:?} to {after:?}");
        match event {
            Event::Withdrawn => self.withdrawn = true,
            Event::Stopped { vcpu } => self.waiting &= !(1 << vcpu),
            _ if lives && matches!(after, Phase::Stopping(_)) => {
                (self.waiting, self.withdrawn) = ((1 << self.vcpus) - 1, false);
            }
            _ => {}
        }
        if let (Phase::Stopping(then), false) = (before, matches!(after, Phase::Stopping(_))) {
            let ends = match then {
                Then::Reload | Then::Safe => Phase::Loading,
                Then::Off => Phase::Off,
                Then::Fail => Phase::Failed,
            };
            assert_eq!(after, ends);
        }
    }
}
