// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program: options, one line a second, exit codes.

use core::ffi::CStr;

use bulkhead_abi::sampling::VehicleState;
use bulkhead_partition::gauge::{Line, Reading, Watch};
use bulkhead_partition::sampling::{PortError, Reader};

use crate::linux::{ERROR, Memory, OUTPUT, print, sleep_second};
use crate::port;

/// Words of the message of the port.
const WORDS: usize = size_of::<VehicleState>() / 8;

/// Exit codes.
const GOOD: i32 = 0;
const NO_CHANNEL: i32 = 1;
const USAGE: i32 = 2;

/// Lines to print.
#[derive(Clone, Copy)]
enum Lines {
    Endless,
    Left(u64),
}

/// Reads `-n K`.
fn lines<'a>(mut arguments: impl Iterator<Item = &'a CStr>) -> Option<Lines> {
    let Some(option) = arguments.next() else {
        return Some(Lines::Endless);
    };
    if option != c"-n" {
        return None;
    }
    let count = arguments.next()?.to_str().ok()?.parse().ok()?;
    arguments.next().is_none().then_some(Lines::Left(count))
}

/// Runs the program and returns its exit code; `arguments` are those after its name.
pub(crate) fn run<'a>(arguments: impl Iterator<Item = &'a CStr>) -> i32 {
    let Some(lines) = lines(arguments) else {
        print(ERROR, format_args!("usage: vehicle-state [-n LINES]\n"));
        return USAGE;
    };
    let channel = match port::find(b"bulkhead,sampling-1", c"vehicle-state").and_then(port::map) {
        Ok(channel) => channel,
        Err(error) => {
            print(ERROR, format_args!("vehicle-state: {error}\n"));
            return NO_CHANNEL;
        }
    };
    follow(&channel, lines)
}

fn follow(channel: &Memory, mut lines: Lines) -> i32 {
    let mut watch = Watch::default();
    let mut waiting = Waiting::Quietly;
    while !matches!(lines, Lines::Left(0)) {
        match Reader::<_, WORDS>::new(channel.words()).and_then(|port| port.read()) {
            Ok(Some((number, message))) => {
                show(&mut watch, number, zerocopy::transmute!(message));
                if let Lines::Left(left) = &mut lines {
                    *left -= 1;
                }
            }
            Ok(None) | Err(PortError::NotReady | PortError::Unstable) => {
                if let Waiting::Quietly = waiting {
                    print(OUTPUT, format_args!("vehicle-state: nothing published yet\n"));
                    waiting = Waiting::Told;
                }
            }
            Err(error) => {
                print(
                    ERROR,
                    format_args!("vehicle-state: the port is not usable: {error:?}\n"),
                );
                return NO_CHANNEL;
            }
        }
        if !matches!(lines, Lines::Left(0)) {
            sleep_second();
        }
    }
    GOOD
}

/// Whether the user knows that nothing was published yet.
enum Waiting {
    Quietly,
    Told,
}

fn show(watch: &mut Watch, number: u64, state: VehicleState) {
    let line = Line(&state);
    match watch.reading(number, &state) {
        Reading::New => print(OUTPUT, format_args!("{line}\n")),
        Reading::Same => print(OUTPUT, format_args!("{line} (unchanged)\n")),
        Reading::Restarted => print(OUTPUT, format_args!("{line} (its writer restarted)\n")),
        Reading::Broken => print(
            ERROR,
            format_args!("vehicle-state: torn or backwards: {number}: {state:?}\n"),
        ),
    }
}
