// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A fake CTU CAN FD core: slow to reset, noisy in its reserved bits, intolerant of misuse.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;

use bulkhead_devices::block::RegisterBlock;

const NOT_EMPTY: u32 = 1 << 10;
const OVERRUN: u32 = 1 << 3;

pub struct State {
    pub device_id: u32,
    pub writes: u32,
    pub reset_polls: u32,
    pub bit_timing: u32,
    pub fifo_words: usize,
    /// Frames that went out.
    pub bus: Vec<[u32; 6]>,
    resetting: u32,
    enabled: bool,
    fifo: VecDeque<u32>,
    overrun: bool,
    interrupts: u32,
    interrupt_enable: u32,
    buffers: Vec<(u32, [u32; 6])>,
    priority: u32,
}

pub struct Fake(RefCell<State>);

impl Fake {
    pub fn new(buffers: usize) -> Self {
        Self(RefCell::new(State {
            device_id: 0xcafd,
            writes: 0,
            reset_polls: 5,
            bit_timing: 0,
            fifo_words: 256,
            bus: Vec::new(),
            resetting: 0,
            enabled: false,
            fifo: VecDeque::new(),
            overrun: false,
            interrupts: 0,
            interrupt_enable: 0,
            buffers: vec![(8, [0xa5a5_a5a5; 6]); buffers],
            priority: 0,
        }))
    }

    pub fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// Sends up to `frames` ready buffers, the highest priority first, of equal ones the lowest number;
    /// a buffer of priority 0 is never sent.
    pub fn send(&self, frames: usize) {
        let mut state = self.state();
        for _ in 0..frames {
            let priority = state.priority;
            let of = |index: usize| (priority >> (4 * index)) & 7;
            let ready = (0..state.buffers.len()).filter(|&b| state.buffers[b].0 == 1 && of(b) > 0);
            let Some(buffer) = ready.max_by_key(|&b| (of(b), usize::MAX - b)) else {
                return;
            };
            state.buffers[buffer].0 = 4;
            let words = state.buffers[buffer].1;
            state.bus.push(words);
        }
    }

    /// Ends the transmission of all ready buffers with `outcome`.
    pub fn finish_all(&self, outcome: u32) {
        for buffer in self.state().buffers.iter_mut().filter(|b| b.0 == 1) {
            buffer.0 = outcome;
        }
    }

    /// A frame arrives: format word (without its word count), identifier, time stamps, data.
    pub fn deliver(&self, words: &[u32]) {
        let data = if words[0] & (1 << 5) == 0 {
            words.len() - 4
        } else {
            0
        };
        let bytes = (words[0] & 15).min(8) as usize;
        let data = if words[0] & (1 << 7) == 0 {
            data.min(bytes.div_ceil(4))
        } else {
            data
        };
        let mut frame = vec![words[0] | ((3 + data as u32) << 11) | 0xffff_0000];
        frame.extend(&words[1..4 + data]);
        // Time stamps and the bits above the identifier are noise to the driver.
        frame[1] |= 0xe000_0000;
        (frame[2], frame[3]) = (0x1122_3344, 0x5566_7788);
        let mut state = self.state();
        if state.fifo.len() + frame.len() > state.fifo_words {
            state.overrun = true;
            state.interrupts |= OVERRUN;
        } else {
            state.fifo.extend(frame);
        }
    }

    /// Puts words into the FIFO as they are.
    pub fn inject(&self, words: &[u32]) {
        self.state().fifo.extend(words);
    }

    /// Level of the interrupt line.
    pub fn line(&self) -> bool {
        let mut state = self.state();
        state.latch();
        state.interrupts & state.interrupt_enable != 0
    }
}

impl State {
    /// The not-empty interrupt comes back as long as there is a frame.
    fn latch(&mut self) {
        if !self.fifo.is_empty() {
            self.interrupts |= NOT_EMPTY;
        }
    }
}

impl RegisterBlock for &Fake {
    fn read(&self, offset: usize) -> u32 {
        let mut state = self.state();
        if state.resetting > 0 {
            state.resetting -= 1;
            return 0xffff_ffff;
        }
        match offset {
            0x00 => 0x0203_0000 | state.device_id,
            0x04 => u32::from(state.enabled) << 22,
            0x08 => 0xffff_fe00 | (u32::from(state.overrun) << 1) | u32::from(!state.fifo.is_empty()),
            0x68 => 0xffff_8000 | u32::from(state.fifo.is_empty()),
            0x6c => state.fifo.pop_front().expect("a word is read from an empty FIFO"),
            0x70 => state
                .buffers
                .iter()
                .enumerate()
                .fold(0, |all, (n, b)| all | (b.0 << (4 * n))),
            other => panic!("read of {other:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut state = self.state();
        state.writes += 1;
        assert_eq!(state.resetting, 0, "write of {offset:#x} during the reset");
        match offset {
            0x04 if value & 1 != 0 => {
                assert_eq!(value, 1, "a reset is asked for alone");
                state.resetting = state.reset_polls;
                state.enabled = false;
                state.interrupt_enable = 0;
            }
            0x04 => {
                assert_ne!(value & (1 << 9), 0, "the FIFO would not advance");
                state.enabled = value & (1 << 22) != 0;
            }
            0x0c => {
                if value & (1 << 2) != 0 {
                    state.fifo.clear();
                }
                if value & (1 << 3) != 0 {
                    state.overrun = false;
                }
            }
            0x10 => {
                state.interrupts &= !value;
                state.latch();
            }
            0x14 => state.interrupt_enable |= value,
            0x24 => {
                assert!(!state.enabled, "bit timing changed on the bus");
                state.bit_timing = value;
            }
            0x74 => {
                assert!(state.enabled && value & 0xff == 2, "only set-ready is expected");
                for buffer in 0..state.buffers.len() {
                    if value & (1 << (8 + buffer)) != 0 {
                        state.buffers[buffer].0 = 1;
                    }
                }
            }
            0x78 => state.priority = value,
            0x100..0x900 => {
                let (buffer, word) = ((offset - 0x100) / 0x100, offset % 0x100 / 4);
                let state_of = state.buffers[buffer].0;
                assert!(
                    matches!(state_of, 4 | 6 | 7 | 8),
                    "buffer {buffer} is written in state {state_of}"
                );
                state.buffers[buffer].1[word] = value;
            }
            other => panic!("write of {other:#x}"),
        }
    }
}
