// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program: shows the settings, changes one, follows them, or never ends a change; exit codes.

use core::ffi::CStr;
use core::sync::atomic::Ordering;

use bulkhead_partition::settings::Settings;

use crate::linux::{ERROR, OUTPUT, print, sleep_second};
use crate::lock::{Held, Lock};
use crate::port;

/// Readings of the lock's waiting register before the program gives up: each ends with the next interrupt, of which
/// Linux has many in a second.
const TRIES: u32 = 10_000;

/// Exit codes.
const GOOD: i32 = 0;
const NO_LOCK: i32 = 1;
const USAGE: i32 = 2;

/// What to do.
enum Command {
    Show,
    Follow,
    Brightness(u64),
    Volume(u64),
    /// Changes the record so many times, as fast as it goes.
    Repeat(u64),
    /// Takes the lock, writes half a change and hangs.
    Hold,
}

/// Reads `[follow | brightness PERCENT | volume PERCENT | repeat TIMES | hold]`.
fn command<'a>(mut arguments: impl Iterator<Item = &'a CStr>) -> Option<Command> {
    let Some(word) = arguments.next() else {
        return Some(Command::Show);
    };
    let number = arguments.next().map(|n| n.to_str().ok()?.parse::<u64>().ok());
    if arguments.next().is_some() {
        return None;
    }
    let percent = || number.flatten().filter(|n| *n <= 100);
    match word.to_bytes() {
        b"follow" if number.is_none() => Some(Command::Follow),
        b"hold" if number.is_none() => Some(Command::Hold),
        b"brightness" => percent().map(Command::Brightness),
        b"volume" => percent().map(Command::Volume),
        b"repeat" => number.flatten().map(Command::Repeat),
        _ => None,
    }
}

/// Runs the program and returns its exit code; `arguments` are those after its name.
pub(crate) fn run<'a>(arguments: impl Iterator<Item = &'a CStr>) -> i32 {
    let Some(command) = command(arguments) else {
        print(
            ERROR,
            format_args!(
                "usage: settings [follow | brightness PERCENT | volume PERCENT | repeat TIMES | hold]\n"
            ),
        );
        return USAGE;
    };
    let lock = match port::find(b"bulkhead,lock-1", c"settings").and_then(Lock::map) {
        Ok(lock) => lock,
        Err(error) => {
            print(ERROR, format_args!("settings: {error}\n"));
            return NO_LOCK;
        }
    };
    match command {
        Command::Show => with(&lock, |_| None),
        Command::Brightness(brightness) => with(&lock, |old| Some(Settings { brightness, ..old })),
        Command::Volume(volume) => with(&lock, |old| Some(Settings { volume, ..old })),
        Command::Repeat(times) => repeat(&lock, times),
        Command::Follow => follow(&lock),
        Command::Hold => hold(&lock),
    }
}

/// The settings as the lock's owner finds them: the first ones when an owner died in the middle of a change.
fn current(held: &Held<'_>) -> Settings {
    Settings::read(held.record())
        .filter(|_| !held.owner_died())
        .unwrap_or_default()
}

/// Takes the lock, changes what `change` says, shows the result.
fn with(lock: &Lock, change: impl FnOnce(Settings) -> Option<Settings>) -> i32 {
    let Some(settings) = once(lock, change) else {
        return NO_LOCK;
    };
    print(OUTPUT, format_args!("settings: {settings}\n"));
    GOOD
}

/// One taking of the lock; `None` when it was not to be had, or was lost.
fn once(lock: &Lock, change: impl FnOnce(Settings) -> Option<Settings>) -> Option<Settings> {
    let Some(held) = lock.take(TRIES) else {
        print(ERROR, format_args!("settings: the lock is not to be had\n"));
        return None;
    };
    if let Some(wanted) = change(current(&held)) {
        wanted.write(held.record());
    }
    let settings = current(&held);
    if held.give().is_err() {
        print(
            ERROR,
            format_args!("settings: the lock was lost: held for too long\n"),
        );
        return None;
    }
    Some(settings)
}

fn repeat(lock: &Lock, times: u64) -> i32 {
    let mut kept = 0u64;
    let mut last = Settings::default();
    for n in 0..times {
        let brightness = n % 101;
        if let Some(settings) = once(lock, |old| Some(Settings { brightness, ..old })) {
            (kept, last) = (kept + 1, settings);
        }
    }
    print(OUTPUT, format_args!("settings: {kept} of {times} kept, {last}\n"));
    GOOD
}

fn follow(lock: &Lock) -> i32 {
    let mut shown = None;
    loop {
        let Some(settings) = once(lock, |_| None) else {
            return NO_LOCK;
        };
        if shown != Some(settings) {
            print(OUTPUT, format_args!("settings: {settings}\n"));
            shown = Some(settings);
        }
        sleep_second();
    }
}

/// What a process does that hangs in the middle of a change.
fn hold(lock: &Lock) -> i32 {
    let Some(held) = lock.take(TRIES) else {
        print(ERROR, format_args!("settings: the lock is not to be had\n"));
        return NO_LOCK;
    };
    if let Some(word) = held.record().first() {
        // No exclusive access to Device memory.
        word.store(word.load(Ordering::Relaxed) ^ 1, Ordering::Relaxed);
    }
    print(OUTPUT, format_args!("settings: holds, half a change written\n"));
    loop {
        sleep_second();
    }
}
