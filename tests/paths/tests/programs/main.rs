// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Small programs whose longest path is known. Verifies: BH-BENCH-010.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../../stack/tests/fixtures/assembler.rs"]
mod assembler;

use assembler::assemble;
use bulkhead_paths::{Analysis, Annotations, Error, Lengths, Seen, Ways};
use bulkhead_stack::Graphs;

/// The lengths of `entry`, with the same bound for all loops, without `excluded` addresses, and what functions that are
/// called `rare` take apart.
fn analysed(text: &str, bound: Option<u64>, excluded: &[u64]) -> Result<(Lengths, u64), Error> {
    let program = assemble(text);
    let entry = program.symbol("entry")?;
    let graphs = Graphs::of(&program, &[entry])?;
    let rare = |name: &str| (name == "rare").then_some(2);
    let (lengths, apart) = Analysis::of(&graphs).lengths(&|_| bound, &|at| excluded.contains(&at), &rare)?;
    Ok((
        lengths.get(&entry).copied().expect("entry"),
        apart.into_values().sum(),
    ))
}

fn entered(text: &str, bound: Option<u64>) -> Ways {
    analysed(text, bound, &[]).expect("analysed").0.entered
}

#[test]
fn the_longer_of_two_ways_counts() {
    let found = entered("entry: cbz .a; nop; nop; eret; .a: nop; eret", None);
    assert_eq!(
        found,
        Ways {
            eret: Some(4),
            ..Ways::default()
        }
    );
}

#[test]
fn a_call_takes_what_the_callee_takes() {
    let text = "entry: bl f; cbz .a; bl f; .a: b g\n f: nop; nop; ret\n g: nop; eret";
    assert_eq!(
        entered(text, None),
        Ways {
            eret: Some(4 + 2 * 3 + 2),
            ..Ways::default()
        }
    );
}

#[test]
fn a_call_in_a_loop_is_taken_in_each_round() {
    let text = "entry: nop; .a: bl f; cbz .a; ret\n f: nop; .b: nop; cbz .b; ret";
    let f = 1 + 4 * 2 + 1;
    assert_eq!(entered(text, Some(3)).back, Some(1 + 4 * (1 + f + 1) + 1));
}

#[test]
fn a_loop_without_a_bound_is_refused() {
    let text = "entry: nop; .a: nop; cbz .a; ret";
    assert!(matches!(analysed(text, None, &[]), Err(Error::Unbounded(_))));
}

#[test]
fn recursion_is_refused() {
    let found = analysed("entry: bl f; ret\n f: cbz .a; bl f; .a: ret", Some(1), &[]);
    assert!(matches!(
        found,
        Err(Error::Code(bulkhead_stack::Error::Recursion(_)))
    ));
}

#[test]
fn a_sleep_ends_a_path_and_begins_one() {
    let text = "entry: nop; bl f; nop; eret\n f: nop; nop; wfi; nop; ret";
    let (found, _) = analysed(text, None, &[]).expect("analysed");
    assert_eq!(
        found.entered,
        Ways {
            sleep: Some(2 + 3),
            ..Ways::default()
        }
    );
    assert_eq!(
        found.woken,
        Ways {
            eret: Some(2 + 2),
            ..Ways::default()
        }
    );
}

/// A loop that sleeps in each round needs no bound; what is behind the sleep and what is before it are one path.
#[test]
fn a_path_goes_around_from_one_sleep_to_the_next() {
    let text = "entry: .a: nop; nop; wfi; nop; cbz .a; nop; ret";
    let (found, _) = analysed(text, None, &[]).expect("analysed");
    assert_eq!(
        found.entered,
        Ways {
            sleep: Some(3),
            ..Ways::default()
        }
    );
    let woken = Ways {
        back: Some(4),
        sleep: Some(2 + 3),
        ..Ways::default()
    };
    assert_eq!(found.woken, woken);
}

#[test]
fn what_is_excluded_is_on_no_path() {
    // 0x1000 branches to 0x1014; 0x1004 to 0x1010 are the way that falls through.
    let text = "entry: cbz .a; nop; nop; nop; eret; .a: nop; eret";
    let without = |addresses: &[u64]| analysed(text, None, addresses).expect("analysed").0.entered.eret;
    assert_eq!(without(&[]), Some(5));
    assert_eq!(without(&[0x1004, 0x1008, 0x100c, 0x1010]), Some(3));
    // A block of which only a part is named may still be executed.
    assert_eq!(without(&[0x1004, 0x1008]), Some(5));
}

#[test]
fn a_rare_function_is_told_apart() {
    let text = "entry: .a: bl rare; cbz .a; ret\n rare: nop; nop; ret";
    let (found, apart) = analysed(text, Some(9), &[]).expect("analysed");
    assert_eq!((found.entered.back, apart), (Some(10 * 2 + 1), 2 * 3));
}

#[test]
fn an_annotation_is_that_of_the_innermost_function() {
    let text = |bound: &str| {
        format!(
            "loops = 1\n[counts]\ncores = 4\n\
             [[loop]]\nfunction = \"a::\"\nover = \"x\"\nbound = [{bound}]\nreason = \"y\"\n\
             [[loop]]\nfunction = \"a::f\"\nmost = 4\nover = \"x\"\nbound = [2]\nreason = \"y\"\n\
             [[loop]]\nfunction = \"copy\"\nnth = 1\nover = \"x\"\nbound = [3]\nreason = \"y\"\n"
        )
    };
    let all = Annotations::parse(&text("\"cores\", 7")).expect("well-formed");
    let of = |functions: &[&str], nth, length| {
        let functions = functions.iter().map(|f| (*f).to_owned()).collect();
        all.of(&Seen {
            functions,
            nth,
            length,
        })
    };
    assert_eq!(of(&["core::next", "a::f", "a::g"], 0, 4), Some(1));
    assert_eq!(of(&["core::next", "a::f", "a::g"], 0, 5), Some(0));
    assert_eq!(of(&["copy"], 1, 9), Some(2));
    assert_eq!(of(&["copy"], 0, 9), None);
    let first = all.bounds.first().expect("a bound");
    let numbers: Vec<_> = first.bound.iter().map(|b| all.number(b)).collect();
    assert_eq!(numbers, [Some(4), Some(7)]);
    assert!(Annotations::parse(&text("\"boards\"")).is_err());
    assert!(Annotations::parse(&text("")).is_err());
}
