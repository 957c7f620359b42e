// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tool as a user calls it: exit status, stdout, stderr.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../model/tests/common/mod.rs"]
mod common;

use std::fs;
use std::process::{Command, Output};

use common::{Fixture, root};
use serde_json::Value;

fn tool(fixture: &Fixture, arguments: &[&str]) -> Output {
    let paths = fixture.paths("");
    Command::new(env!("CARGO_BIN_EXE_bulkhead-tool"))
        .args(arguments)
        .current_dir(root())
        .env("BULKHEAD_ROOT", root())
        .env("BULKHEAD_IMAGES", &paths.images)
        .env("BULKHEAD_GUEST", &paths.guest)
        .output()
        .unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

// Verifies: BH-TOOL-001
#[test]
fn the_reference_system_is_checked_without_a_spec() {
    let output = tool(&Fixture::new(), &["check"]);
    assert_eq!((status(&output), stderr(&output)), (0, ""));
    assert!(stdout(&output).contains("system `adas-infotainment` for board `qemu-virt`, 4 partitions"));
}

// Verifies: BH-BRD-001
#[test]
fn the_board_of_the_command_line_comes_before_that_of_the_spec() {
    let fixture = Fixture::new();
    let output = tool(
        &fixture,
        &["check", "--board", "qemu-virt-32", "--set", "name=other"],
    );
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("board `qemu-virt-32` has no device `can0`"));
    let output = tool(&fixture, &["check", "--board", "qemu-virt"]);
    assert_eq!((status(&output), stderr(&output)), (0, ""));
    let output = tool(&fixture, &["check", "--board", "nowhere"]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("BH02"), "{}", stderr(&output));
}

// Verifies: BH-TOOL-001, BH-CFG-003
#[test]
fn a_bad_spec_ends_with_1_and_points_at_its_line() {
    let output = tool(
        &Fixture::new(),
        &["check", "tests/invalid/cores.claimed-twice.yaml"],
    );
    assert_eq!((status(&output), stdout(&output)), (1, ""));
    let lines: Vec<&str> = stderr(&output).lines().collect();
    let wanted = [
        "tests/invalid/cores.claimed-twice.yaml:35:50: error: core 3 is claimed by `control` and by `extra` [BH040 cores/claimed-twice]",
        "  here: dedicated by `extra`",
        "  tests/invalid/cores.claimed-twice.yaml:11:26: dedicated by `control`",
        "  help: give one of them another core; to share core 3, make both partitions `sliced`",
        "1 error found",
    ];
    assert_eq!(lines, wanted);
}

// Verifies: BH-CFG-003
#[test]
fn machines_get_every_error_as_json() {
    let spec = "tests/invalid/document.unknown-key.yaml";
    for arguments in [["check", spec, "--json", ""], ["--format", "json", "check", spec]] {
        let arguments: Vec<&str> = arguments.into_iter().filter(|a| !a.is_empty()).collect();
        let output = tool(&Fixture::new(), &arguments);
        assert_eq!(status(&output), 1);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["verdict"], "fail");
        assert_eq!(value["errors"].as_array().unwrap().len(), 1);
        assert_eq!(value["errors"][0]["rule"], "document/unknown-key");
        assert_eq!(value["errors"][0]["file"], spec);
        assert_eq!(value["errors"][0]["line"], 34);
        assert_eq!(value["errors"][0]["cause"], "unknown key");
        let extent = |key: &str| value["errors"][0][key].as_u64().unwrap();
        assert_eq!(
            (extent("end_line"), extent("end_column") - extent("column")),
            (34, 7)
        );
        assert_eq!(value["errors"][0]["related"].as_array().unwrap().len(), 0);
        assert_eq!(value["errors"][0]["fix"], "did you mean `devices`?");
    }
}

// Verifies: BH-TOOL-001
#[test]
fn machines_get_the_list_of_tests_as_json() {
    for (arguments, known) in [
        (["test", "--list", "--json"].as_slice(), "reference"),
        (
            ["test", "--sabotage", "--list", "--json"].as_slice(),
            "checker-vmid",
        ),
    ] {
        let output = tool(&Fixture::new(), arguments);
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        let listed: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let found = listed.iter().find(|test| test["id"] == known).unwrap();
        assert!(found["suite"].is_string() && found["text"].is_string(), "{found}");
    }
}

// Verifies: BH-LANG-002
#[test]
fn the_schema_of_fragments_knows_a_board() {
    let output = tool(&Fixture::new(), &["schema", "fragment", "--board", "qemu-virt"]);
    let schema: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(schema["$id"], "urn:bulkhead:fragment:1:qemu-virt");
    assert!(stdout(&output).contains("\"can0\"") && schema.get("required").is_some());
    assert_eq!(
        status(&tool(
            &Fixture::new(),
            &["schema", "board", "--board", "qemu-virt"]
        )),
        1
    );
}

// Verifies: BH-TOOL-001
#[test]
fn images_are_listed_for_machines() {
    let output = tool(&Fixture::new(), &["images", "--json"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let images: Value = serde_json::from_str(stdout(&output)).unwrap();
    let of = |name: &str| {
        let named = |i: &&Value| i["path"].as_str().unwrap().ends_with(name);
        images.as_array().unwrap().iter().find(named).unwrap()["built"].clone()
    };
    assert_eq!(
        (of("/adas.elf"), of("/qemu-virt/boot.elf")),
        (true.into(), false.into())
    );
}

// Verifies: BH-CFG-230
#[test]
fn one_run_finds_errors_of_form_model_times_and_places() {
    let fixture = Fixture::new();
    let hypervisor = fixture.paths("").images.join("qemu-virt/hypervisor.bin");
    fs::create_dir_all(hypervisor.parent().unwrap()).unwrap();
    fs::write(hypervisor, [0; 4096]).unwrap();
    let late = "partitions.panel.tasks={ draw: { period: 10ms, wcet: 1ms, deadline: 5ms } }";
    let changes = [
        late,
        "partitions.linux.memory=3MiB",
        "partitions.control.sede=fixed",
    ];
    let mut line = vec!["check", "tests/invalid/valid.yaml", "--json"];
    line.extend(changes.iter().flat_map(|change| ["--set", change]));
    let output = tool(&fixture, &line);
    assert_eq!(status(&output), 1);
    let found: Value = serde_json::from_str(stdout(&output)).unwrap();
    let rules: Vec<&str> = found["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["rule"].as_str().unwrap())
        .collect();
    for rule in [
        "document/unknown-key",
        "memory/alignment",
        "tasks/not-schedulable",
        "board/hypervisor",
    ] {
        assert_eq!(
            rules.iter().filter(|r| **r == rule).count(),
            1,
            "{rule}: {rules:?}"
        );
    }
}

// Verifies: BH-TOOL-001
#[test]
fn nothing_is_written_for_a_bad_spec() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let spec = "tests/invalid/memory.too-large.yaml";
    let output = tool(&Fixture::new(), &["build", spec, "-o", out.to_str().unwrap()]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("[BH051 memory/too-large]"));
    assert!(!out.exists());
}

// Verifies: BH-TOOL-001
#[test]
fn what_the_tool_cannot_do_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let output = tool(&Fixture::new(), &["build", "-o", out.to_str().unwrap()]);
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("hypervisor.bin") && stderr(&output).contains("images --build"));
    assert!(!out.exists());
    assert_eq!(status(&tool(&Fixture::new(), &["fly"])), 2);
    assert_eq!(status(&tool(&Fixture::new(), &["check", "no-such.yaml"])), 1);
}

// Verifies: BH-TOOL-002, BH-EXPL-010
#[test]
fn needs_are_those_of_the_spec_in_the_line() {
    let fixture = Fixture::new();
    let needs = |line: &[&str]| {
        let output = tool(&fixture, &[&["needs"], line].concat());
        (status(&output), stdout(&output).to_owned())
    };
    let both = "debian-arm64 linux-image-cloud-arm64\ndebian-arm64 busybox-static\n".to_owned();
    assert_eq!(needs(&["run", "--headless", "--for", "60s"]), (0, both.clone()));
    let as_json = tool(&fixture, &["--json", "needs", "run"]);
    let value: Value = serde_json::from_str(stdout(&as_json)).unwrap();
    let package = |name: &str| serde_json::json!({ "kind": "debian-arm64", "name": name });
    let all = [package("linux-image-cloud-arm64"), package("busybox-static")];
    assert_eq!((status(&as_json), &value["version"]), (0, &serde_json::json!(1)));
    assert_eq!(value["needs"].as_array().unwrap()[..], all);
    assert_eq!(
        stdout(&tool(&fixture, &["needs", "--json", "run"])),
        stdout(&as_json)
    );
    let nothing = tool(&fixture, &["--json", "needs", "rules"]);
    let nothing: Value = serde_json::from_str(stdout(&nothing)).unwrap();
    assert_eq!(nothing["needs"], serde_json::json!([]));
    // And the emulator that the most demanding board asks for.
    let tests = format!("{both}debian-arm64 u-boot-qemu\nqemu 10.0.3\n");
    assert_eq!(needs(&["test"]), (0, tests));
    assert_eq!(
        needs(&["build", "tests/invalid/valid.yaml", "-o", "x", "--set", "name=y"]),
        (0, both)
    );
    let own = "--set=partitions.infotainment.payload.linux.kernel=debian:linux-image-arm64";
    let own = needs(&["run", own]);
    assert_eq!(
        own,
        (
            0,
            "debian-arm64 linux-image-arm64\ndebian-arm64 busybox-static\n".to_owned()
        )
    );
    assert_eq!(needs(&["prove", "out"]), (0, String::new()));
    assert_eq!(needs(&["run", "--no-such-option"]).0, 1);
    assert_eq!(needs(&["run", "no-such.yaml"]).0, 1);
}

// Verifies: BH-CFG-003
#[test]
fn every_rule_with_a_file_is_listed() {
    let output = tool(&Fixture::new(), &["rules", "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rules: Vec<&str> = value
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["id"].as_str().unwrap())
        .collect();
    for entry in fs::read_dir(root().join("tests/invalid")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("valid.") {
            continue;
        }
        let mut parts = name.split('.');
        if let (Some(topic), Some(rule), Some(_)) = (parts.next(), parts.next(), parts.next()) {
            assert!(rules.contains(&format!("{topic}/{rule}").as_str()), "{name}");
        }
    }
}

#[test]
fn versions_of_all_formats_are_shown() {
    let output = tool(&Fixture::new(), &["--version"]);
    assert_eq!(status(&output), 0);
    assert!(stdout(&output).starts_with("bulkhead-tool 0.") && stdout(&output).contains("\nblob 1."));
}

#[test]
fn tests_that_do_not_exist_are_refused() {
    let output = tool(&Fixture::new(), &["test", "--suite", "no-such"]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("there is no suite `no-such`"));
    assert!(
        stdout(&tool(&Fixture::new(), &["test", "--list", "--only", "two-buses"])).starts_with("two-buses ")
    );
}

// Verifies: BH-TASK-023
#[test]
fn response_times_are_shown_on_demand() {
    let shown = tool(&Fixture::new(), &["check", "--verbose"]);
    let text = String::from_utf8_lossy(&shown.stdout);
    assert_eq!(status(&shown), 0);
    assert!(
        text.contains("cluster/gauge") && text.contains("unproven") && text.contains("world_switch"),
        "{text}"
    );
    let short = tool(&Fixture::new(), &["check"]);
    assert!(!String::from_utf8_lossy(&short.stdout).contains("cluster/gauge"));
}

// Verifies: BH-TASK-026
#[test]
fn a_task_that_may_be_late_is_not_built() {
    let fixture = Fixture::new();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let output = tool(
        &fixture,
        &[
            "build",
            "tests/invalid/tasks.not-schedulable.yaml",
            "-o",
            out.to_str().unwrap(),
        ],
    );
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(status(&output), 1, "{text}");
    assert!(
        text.contains("36:7") && text.contains("tasks/not-schedulable"),
        "{text}"
    );
    assert!(!out.exists());
}
