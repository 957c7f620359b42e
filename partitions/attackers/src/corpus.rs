// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that random ones seldom are: `corpus.txt`, which says how they are written.

use bulkhead_abi::lock::registers;

use crate::bus::Order;
use crate::program::{STEPS, Step};
use crate::reference::Frame;
use crate::steps::{ACKNOWLEDGE, Act, Form, Places, SGI, mover, word};

const TEXT: &str = include_str!("../corpus.txt");
const NOP: u32 = 0xd503_201f;

/// A program.
pub(crate) struct Program {
    pub(crate) steps: [(Act, Step); STEPS],
    /// What its bus master is ordered before.
    pub(crate) order: Option<Order>,
    /// Whether its partition is reset behind it.
    pub(crate) resets: bool,
}

fn hex(text: Option<&str>) -> Option<u64> {
    u64::from_str_radix(text?, 16).ok()
}

/// A step; `None` where what it tries is not there, or the line is none.
fn step(line: &str, places: Places) -> Option<(Act, Step)> {
    let mut words = line.split(' ');
    let (place, verb) = (words.next()?, words.next());
    let stored = verb == Some("store");
    let mut number = || hex(words.next());
    let device = |frame, base: u64, offset: u64, value| {
        let form = if stored { Form::Store } else { Form::Load };
        let act = Act::Access {
            frame,
            offset: word(offset),
            width: 2,
            form,
        };
        (act, Step::one(value, base + offset, mover(stored, 2)))
    };
    Some(match place {
        "gicd" => {
            let (offset, value) = (number()?, number().unwrap_or(0));
            device(Frame::Distributor, places.distributor, offset, value)
        }
        "gicr" => {
            let (offset, value) = (number()?, number().unwrap_or(0));
            device(Frame::Private, places.redistributor + 0x1_0000, offset, value)
        }
        "uart" => {
            let (offset, value) = (number()?, number().unwrap_or(0));
            let act = Act::Uart {
                offset: word(offset),
                width: 2,
                stored,
            };
            (act, Step::one(value, places.uart? + offset, mover(stored, 2)))
        }
        "lock" => {
            let (offset, value) = (number()?, number().unwrap_or(0));
            let act = Act::Lock {
                offset: word(offset),
                width: 3,
                stored,
            };
            let [_, base] = places.lock?;
            (act, Step::one(value, base + offset, mover(stored, 3)))
        }
        "word" => {
            let [page, _] = places.lock?;
            let value = number().unwrap_or(0);
            (Act::Word { stored }, Step::one(value, page, mover(stored, 3)))
        }
        "call" => {
            let (function, argument) = (hex(verb)?, number().unwrap_or(0));
            (Act::Call, Step::one(function, argument, 0xd400_0002))
        }
        "sgi" => (Act::Sgi, Step::one(hex(verb)?, 0, *SGI.first()?)),
        "acknowledge" => {
            let step = Step {
                x0: 0,
                x1: 0,
                instructions: ACKNOWLEDGE,
            };
            (Act::Acknowledge, step)
        }
        _ => return None,
    })
}

fn lines(number: u64) -> Option<impl Iterator<Item = (&'static str, u64)>> {
    let number = usize::try_from(number).ok()?;
    let program = TEXT.split("\nprogram ").nth(number + 1)?;
    Some(
        program
            .lines()
            .skip(1)
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (line, times) = line.split_once(" *").unwrap_or((line, "1"));
                (line, hex(Some(times)).unwrap_or(1))
            }),
    )
}

/// Programs that there are.
pub(crate) fn count() -> u64 {
    TEXT.split("\nprogram ").skip(1).count() as u64
}

/// A program, by its number.
pub(crate) fn program(number: u64, places: Places) -> Option<Program> {
    let idle = (Act::Idle, Step::one(0, 0, NOP));
    let mut program = Program {
        steps: [idle; STEPS],
        order: None,
        resets: false,
    };
    let mut room = program.steps.iter_mut();
    for (line, times) in lines(number)? {
        match line {
            "reset" => program.resets = true,
            "dma land" => program.order = Some(Order::Land),
            "dma lift" => program.order = Some(Order::Lift),
            "dma strike" => program.order = Some(Order::Strike),
            "dma spy" => program.order = Some(Order::Spy),
            "dma across" => program.order = Some(Order::Across),
            _ => {
                for _ in 0..times {
                    if let (Some(place), Some(step)) = (room.next(), step(line, places)) {
                        *place = step;
                    }
                }
            }
        }
    }
    Some(program)
}

const _: () = assert!(registers::RELEASE == 0x10 && registers::STATUS == 0x18);
