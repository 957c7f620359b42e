// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sequences of what guests, devices and EL2 do, applied to a machine and its reference.

/// INTIDs that the sequences use: SGIs, software PPIs, timers, an emulated level, an edge, physical SPIs,
/// and a few more SPIs that software pends.
pub(crate) const INTIDS: [u32; 18] = [0, 1, 2, 3, 4, 5, 20, 27, 30, 33, 34, 40, 41, 45, 46, 47, 70, 95];
pub(crate) const PHYSICAL: [u32; 4] = [27, 30, 40, 41];

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Enable {
        by: usize,
        of: usize,
        which: usize,
        on: bool,
    },
    Pend {
        by: usize,
        of: usize,
        which: usize,
        on: bool,
    },
    Activate {
        by: usize,
        of: usize,
        which: usize,
        on: bool,
    },
    Group {
        by: usize,
        of: usize,
        which: usize,
        on: bool,
    },
    Priority {
        by: usize,
        of: usize,
        which: usize,
        level: u8,
    },
    Route {
        by: usize,
        which: usize,
        to: usize,
    },
    Control {
        by: usize,
        on: bool,
    },
    Sgi {
        from: usize,
        intid: u32,
        list: u8,
        others: bool,
    },
    Line {
        high: bool,
    },
    Pulse,
    Device {
        of: usize,
        which: usize,
        high: bool,
    },
    Acknowledge {
        at: usize,
    },
    End {
        at: usize,
        later: bool,
    },
    EndLater {
        at: usize,
        which: usize,
    },
    Mask {
        at: usize,
        level: u8,
    },
    Read {
        by: usize,
        of: usize,
        which: usize,
        active: bool,
    },
    Switch {
        at: usize,
    },
    Arrive {
        at: usize,
    },
}
