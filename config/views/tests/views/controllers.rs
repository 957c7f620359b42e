// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `who-can` asked for clock, reset, power and pin controllers.

use bulkhead_model::board::{Controller, ControllerKind, Region};
use bulkhead_model::span::Spanned;
use bulkhead_views::overview::overview;
use bulkhead_views::who_can::who_can;

use crate::Sample;
use crate::support::Workshop;

/// The system on a board with controllers, its text and its board changed.
pub(crate) fn with_controllers(spec: fn(String) -> String, board: fn(String) -> String) -> Sample {
    let (workshop, invalid) = (
        Workshop::new(),
        crate::support::repository().join("tests/invalid"),
    );
    let read = |file: &str| std::fs::read_to_string(invalid.join(file)).unwrap();
    let file = "boards/controllers.yaml";
    std::fs::create_dir(workshop.path("boards")).unwrap();
    std::fs::write(workshop.path(file), board(read(file))).unwrap();
    Sample::of(workshop.load(&spec(read("valid.controllers.yaml"))))
}

// Verifies: BH-EXPL-012, BH-SMC-022
#[test]
fn who_can_names_the_devices_of_a_controller_and_who_calls_its_firmware() {
    let sample = with_controllers(|spec| spec, |board| board);
    let (built, board) = (sample.built(), Some(&sample.system.board));
    let ask = |question: &str| who_can(&built, board, question).unwrap().text();
    let clocks = ask("clocks");
    let firmware = ask("firmware");
    let switch = ask("switch");
    for (answer, texts) in [
        (
            &clocks,
            &[
                "write    nobody",
                "controls clocks of can0 of control",
                "names no function for it",
            ][..],
        ),
        (
            &firmware,
            &[
                "controls resets and power of can0 of control",
                "0xc2000000 to 0xc2001fff and 0xc3000001, called by nobody",
            ],
        ),
        (
            &switch,
            &[
                "write    nobody",
                "controls power of can1 of panel",
                "driven by 0xc3000000, called by partition panel by 0xc3000000, accepted for switches-the-one-device",
            ],
        ),
    ] {
        for text in texts {
            assert!(answer.contains(text), "{text} in {answer}");
        }
    }
    assert!(!firmware.contains("write"), "no registers: {firmware}");
    assert!(ask("0x0a10_0008").contains("`registers` of controller `clocks`, 0xa100000-0xa101000"));
    let idle = with_controllers(
        |spec| spec.replacen("    devices: [can1]\n", "", 1),
        |board| board,
    );
    let answer = who_can(&idle.built(), Some(&idle.system.board), "0x0a11_0008").unwrap();
    assert!(answer.text().contains("registers of controller `switch`"));
    let overview = overview(&sample.system, &built).unwrap().text();
    let page = crate::pages::page(&sample);
    for text in [
        "controls clocks of can0 of control",
        "registers: 0xa100000-0xa101000, reached by nobody",
        "called by partition panel by 0xc3000000",
        "it drives switch, on which no device of another partition depends",
    ] {
        assert!(overview.contains(text), "{text} in {overview}");
        assert!(page.contains(text), "{text}");
    }
    let reference = Sample::reference();
    assert!(crate::pages::page(&reference).contains("the board file names none"));
}

/// A page of a controller's registers that is mapped for a partition is told, whatever the board file says.
// Verifies: BH-EXPL-012
#[test]
fn who_can_finds_a_controller_that_is_mapped() {
    let mut sample = Sample::reference();
    let ram = sample.placed("partition:adas", "ram").0;
    let at = Default::default();
    let registers = Region {
        base: ram,
        size: 4096,
    };
    sample.system.board.controllers.push(Controller {
        name: Spanned::new("clocks".to_owned(), at),
        kinds: vec![ControllerKind::Clock],
        registers: Some(Spanned::new(registers, at)),
        functions: Vec::new(),
    });
    let answer = who_can(&sample.built(), Some(&sample.system.board), "clocks").unwrap();
    assert_eq!(answer.write, ["adas"]);
    let overview = overview(&sample.system, &sample.built()).unwrap().text();
    assert!(overview.contains("reached by adas"), "{overview}");
}
