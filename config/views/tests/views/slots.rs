// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `at` against the slot records, counted down one by one.

use bulkhead_views::at::at;

use crate::Sample;
use crate::pages::page;
use crate::support::{Workshop, repository};

/// The owner at a time, by taking slot after slot off it.
fn counted(sample: &Sample, core: usize, mut time: u64) -> String {
    let text = &sample.compiled.text;
    let records = |kind: &'static str| {
        text.lines()
            .filter_map(move |l| l.strip_prefix(kind))
            .map(|l| l.split_whitespace().collect::<Vec<_>>())
    };
    let vcpu = |global: &str| {
        let found = records("vcpu ").find(|f| f[0] == global).unwrap();
        format!("{} {}", found[1], found[2])
    };
    let slots: Vec<(u64, String)> = records("slot ")
        .filter(|f| f[0] == core.to_string())
        .map(|f| {
            (
                f[2].parse().unwrap(),
                if f[3] == "vcpu" {
                    vcpu(f[4])
                } else {
                    f[3].to_owned()
                },
            )
        })
        .collect();
    if slots.is_empty() {
        let own = records("vcpu ").find(|f| f[3] == core.to_string()).unwrap();
        return format!("{} {}", own[1], own[2]);
    }
    loop {
        for (length, owner) in &slots {
            if time < *length {
                return owner.clone();
            }
            time -= length;
        }
    }
}

fn answered(sample: &Sample, core: usize, time: u64) -> String {
    let answer = at(&sample.built(), &core.to_string(), &format!("{time}ns")).unwrap();
    match answer.vcpu {
        Some(vcpu) => format!("{} {vcpu}", answer.owner),
        None => answer.owner,
    }
}

// Verifies: BH-EXPL-002
#[test]
fn the_owner_of_a_core_is_the_one_that_counting_finds() {
    let sample = Sample::reference();
    let mut random = fastrand::Rng::with_seed(5);
    for core in 0..4 {
        for edge in [0, 7_999_999, 8_000_000, 9_999_999, 10_000_000, 18_000_000] {
            assert_eq!(
                answered(&sample, core, edge),
                counted(&sample, core, edge),
                "core {core} at {edge}"
            );
        }
        for _ in 0..250 {
            let time = random.u64(0..100_000_000);
            assert_eq!(
                answered(&sample, core, time),
                counted(&sample, core, time),
                "core {core} at {time}"
            );
        }
    }
}

// Verifies: BH-EXPL-002
#[test]
fn what_may_interrupt_follows_the_kind_of_core() {
    let sample = Sample::reference();
    let built = sample.built();
    let direct = at(&built, "3", "1ms").unwrap().text();
    assert!(direct.contains("INTID 36 of its device, without EL2") && !direct.contains("slot timer"));
    let sliced = at(&built, "1", "1ms").unwrap().text();
    assert!(
        sliced.contains("slot timer (INTID 26) at 8 ms") && sliced.contains("SGIs of its vCPUs 0"),
        "{sliced}"
    );
    let system = at(&built, "0", "9ms").unwrap();
    assert_eq!(
        (system.owner.as_str(), system.slot.unwrap().offset_ns),
        ("system", 8_000_000)
    );
    assert!(
        at(&built, "4", "1ms").is_err() && at(&built, "x", "1ms").is_err() && at(&built, "0", "1").is_err()
    );
}

/// A valid spec of tests/invalid.
fn valid(name: &str) -> Sample {
    let invalid = repository().join("tests/invalid");
    let text = std::fs::read_to_string(invalid.join(name)).unwrap();
    let boards = invalid.join("boards");
    let text = text.replace("board: boards/", &format!("board: {}/", boards.display()));
    Sample::of(Workshop::new().load(&text))
}

// Verifies: BH-EXPL-002
#[test]
fn how_el2_is_called_follows_the_interrupt_controller() {
    let (v3, v2) = (Sample::reference(), valid("valid.gicv2.yaml"));
    let said = |sample: &Sample, core| at(&sample.built(), core, "1ms").unwrap().text();
    // Where the firmware keeps Group 0 is found at boot: both are said.
    let kept = "where the firmware keeps Group 0, ";
    let both = format!("SGI 15 of Group 0, which no guest can mask; {kept}");
    assert!(said(&v3, "1").contains(&format!("{both}SGI 7 of Group 1")));
    assert!(said(&v3, "3").contains(&format!("{both}no interrupt: EL2 revokes its memory")));
    let (sliced, alone) = (said(&v2, "1"), said(&v2, "3"));
    assert!(
        sliced.contains("SGI 15, taken to EL2 with all others") && !sliced.contains("Group"),
        "{sliced}"
    );
    assert!(
        alone.contains("by no interrupt: EL2 revokes its memory") && !alone.contains("SGI 15"),
        "{alone}"
    );
    let (of_v3, of_v2) = (page(&v3), page(&v2));
    assert!(of_v3.contains("SGI 7 of Group 1") && of_v3.contains("EL2 revokes its memory"));
    assert!(!of_v2.contains("of Group 0") && of_v2.contains("<td>no interrupt: EL2 revokes its memory</td>"));
}

// Verifies: BH-EXPL-002, BH-SMC-022
#[test]
fn a_call_of_the_firmware_holds_the_begin_of_the_others_slots() {
    let sample = valid("valid.smc.yaml");
    let said = |core, time| at(&sample.built(), core, time).unwrap().text();
    // The longest of its two calls, for who runs before and after it, not for itself, and on its core alone.
    let call = "a call of the firmware by panel, which nothing interrupts: the slot begins behind it, 50 µs later at most";
    let linux = said("1", "1ms");
    assert!(linux.contains(call), "{linux}");
    for (core, time) in [("1", "9ms"), ("0", "1ms"), ("0", "9ms")] {
        assert!(
            !said(core, time).contains("call of the firmware"),
            "{core} {time}"
        );
    }
}
