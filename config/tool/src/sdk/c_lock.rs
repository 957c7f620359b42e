// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The lock API for C, compiled by the system's compiler and compared with the Rust one, word by word.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU64;

use bulkhead_abi::hypercall;
use bulkhead_abi::lock::{Given, Owner, Taken, Word, try_give, try_take};

/// Executes `try`, `take`, `give` and the example's functions on one lock, and plays EL2: `wait` and `release` print
/// that they were called; the first wait is answered with "again", the next with the word that the line gives.
const HARNESS: &str = r#"
#include <stdio.h>
#include <string.h>
#include "bulkhead_lock.h"

int settings_write(const struct bulkhead_lock *lock, uint64_t brightness, uint64_t volume);
int settings_read(const struct bulkhead_lock *lock, uint64_t *brightness, uint64_t *volume);

static unsigned long long answer;
static unsigned waits;

struct bulkhead_answer bulkhead_call(uint32_t function, uint64_t first, uint64_t second)
{
    struct bulkhead_answer none = { -3, 0 };
    printf("call %x %llx %llx ", function, (unsigned long long)first, (unsigned long long)second);
    if (function == BULKHEAD_HVC_LOCK_WAIT && answer != 0) {
        struct bulkhead_answer again = { BULKHEAD_LOCK_AGAIN, 0 }, mine = { 0, answer };
        return waits++ == 0 ? again : mine;
    }
    if (function == BULKHEAD_HVC_LOCK_RELEASE && answer != 0)
        none.x0 = 0;
    return none;
}

int main(void)
{
    static uint64_t page[512];
    char what[8];
    unsigned long long seen, mine;
    unsigned participant, vcpu;
    while (scanf("%7s %llx %llx %llx %u %u", what, &seen, &mine, &answer, &participant, &vcpu) == 6) {
        struct bulkhead_lock lock = { page, 7, (uint8_t)participant, (uint8_t)vcpu };
        uint64_t word = 0, brightness = 0, volume = 0;
        page[0] = seen;
        waits = 0;
        int result = -1;
        if (strcmp(what, "try") == 0)
            result = (int)bulkhead_lock_try(&lock, &word);
        else if (strcmp(what, "take") == 0)
            result = (int)bulkhead_lock_take(&lock, &word);
        else if (strcmp(what, "give") == 0)
            result = (int)bulkhead_lock_give(&lock, mine);
        else if (strcmp(what, "write") == 0)
            result = settings_write(&lock, mine, answer);
        else
            result = settings_read(&lock, &brightness, &volume);
        printf("%d %llx %llx %llx %llx %llx\n", result, (unsigned long long)page[0], (unsigned long long)word,
               (unsigned long long)brightness, (unsigned long long)volume, (unsigned long long)page[10]);
    }
    return 0;
}
"#;

fn compile(folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources = root.join("partitions/runtime");
    fs::write(folder.join("bulkhead.h"), super::header::text()).unwrap();
    fs::write(folder.join("harness.c"), HARNESS).unwrap();
    let program = folder.join("harness");
    let compiler = env::var_os("CC")
        .filter(|cc| !cc.is_empty())
        .unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args([
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wconversion",
        "-Werror",
        "-O2",
    ]);
    command
        .arg("-I")
        .arg(folder)
        .arg("-I")
        .arg(sources.join("include"));
    command.arg(folder.join("harness.c")).arg("-o").arg(&program);
    // The example alone is freestanding.
    let object = folder.join("settings.o");
    let example = sources.join("examples/settings.c");
    let mut alone = Command::new(command.get_program());
    alone.args(
        command
            .get_args()
            .take_while(|a| *a != folder.join("harness.c").as_os_str()),
    );
    alone
        .args(["-ffreestanding", "-c"])
        .arg(&example)
        .arg("-o")
        .arg(&object);
    for command in [&mut alone, command.arg(&object)] {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    program
}

/// What the Rust functions make of the same line.
fn expected(what: &str, seen: u64, mine: u64, answer: u64, me: Owner) -> String {
    let word = AtomicU64::new(seen);
    let (wait, release) = (hypercall::LOCK_WAIT, hypercall::LOCK_RELEASE);
    let (calls, result, taken) = match what {
        "try" => match try_take(&word, me) {
            Taken::Yes(mine) => (String::new(), 0, mine.bits()),
            Taken::No => (String::new(), 1, 0),
        },
        "take" => match try_take(&word, me) {
            Taken::Yes(mine) => (String::new(), 0, mine.bits()),
            Taken::No if answer == 0 => (format!("call {wait:x} 7 0 "), 2, 0),
            Taken::No => (format!("call {wait:x} 7 0 ").repeat(2), 0, answer),
        },
        _ => match try_give(&word, Word::from_bits(mine)) {
            Given::Free => (String::new(), 0, 0),
            Given::Lost => (String::new(), 1, 0),
            Given::Call => (format!("call {release:x} 7 {mine:x} "), i32::from(answer == 0), 0),
        },
    };
    let now = word.into_inner();
    format!("{calls}{result} {now:x} {taken:x} 0 0 0")
}

/// Verifies: BH-SDK-005, BH-LOCK-001.
#[test]
fn c_and_rust_use_a_lock_alike() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path());
    let me = |participant, vcpu| Owner { participant, vcpu };
    let free = [
        0u64,
        0x2_0000,
        0x7fff_ffff_0000_0000,
        0xffff_ffff_0000_0000,
        0x12_0002_0000,
    ];
    let mut lines: Vec<(&str, u64, u64, u64, Owner)> = Vec::new();
    for word in free {
        for owner in [me(0, 0), me(1, 3), me(7, 1)] {
            let mine = Word::from_bits(word).taken_by(owner);
            let stranger = Word::from_bits(word).taken_by(me(2, 0));
            for what in ["try", "take"] {
                lines.push((what, word, 0, 0, owner));
                for answer in [0, mine.bits()] {
                    lines.push((what, stranger.bits(), 0, answer, owner));
                }
            }
            let waited = mine.with_waiters();
            let next = Word::from_bits(mine.released().bits()).taken_by(owner);
            for seen in [mine, waited, stranger, next, mine.abandoned(), mine.released()] {
                for given in [mine, waited] {
                    lines.extend([0, 1].map(|answer| ("give", seen.bits(), given.bits(), answer, owner)));
                }
            }
        }
    }
    let input: String = lines
        .iter()
        .map(|(what, seen, mine, answer, me)| {
            format!(
                "{what} {seen:x} {mine:x} {answer:x} {} {}\n",
                me.participant, me.vcpu
            )
        })
        .collect();
    // The example: read, write twice, read what was written, refused while another owns it.
    let example = "read 0 0 0 1 0\nwrite 0 46 1e 1 0\nwrite 0 47 1f 1 0\nread 20000 0 0 1 0\nread 0 0 0 1 0\nwrite 1 9 0 1 0\n";
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Less than a pipe holds, so that writing it all before reading anything cannot block.
    let both = input + example;
    assert!(both.len() < 60_000, "{} bytes", both.len());
    stdin.write_all(both.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let mut found = output.lines();
    for (what, seen, mine, answer, me) in lines {
        let line = found.next();
        let expected = expected(what, seen, mine, answer, me);
        assert_eq!(
            line,
            Some(&*expected),
            "{what} {seen:x} {mine:x} {answer:x} {me:?}"
        );
    }
    let example: Vec<&str> = found.collect();
    let wait = format!("call {:x} 7 0 ", hypercall::LOCK_WAIT);
    assert_eq!(
        example,
        [
            "1 100000000 0 0 0 0",
            "1 100000000 0 0 0 1",
            "1 100000000 0 0 0 2",
            "0 100000000 0 47 1f 2",
            "1 100000000 0 47 1f 2",
            &format!("{wait}0 1 0 0 0 2"),
        ]
    );
}
