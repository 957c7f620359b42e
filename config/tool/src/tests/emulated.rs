// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of systems that run, by suite.

use super::kinds::{Action, Lane, Test, Wanted, beside, board, cargo, control, script, target};

/// In the order in which they run.
pub(super) const TESTS: &[Test] = &[
    Test {
        id: "reference",
        suite: "systems",
        lane: Lane::Usual,
        beside: false,
        text: "the reference system meets its expectations",
        action: Action::System {
            arguments: &[],
            wanted: Wanted::Pass,
        },
    },
    beside(board(
        "versal",
        "board-versal",
        "Versal: adas brakes over the board's own CAN controllers, beside Linux",
        &["--board", "xlnx-versal-virt", "--deterministic"],
        Wanted::Pass,
    )),
    beside(board(
        "versal-two-buses",
        "board-versal",
        "Versal: with the controllers on two buses the car crashes",
        &[
            "--board",
            "xlnx-versal-virt",
            "--deterministic",
            "--set",
            "wiring.can1=other-bus",
        ],
        Wanted::Crash,
    )),
    board(
        "zcu102",
        "board-zcu102",
        "ZCU102: adas brakes over the board's own CAN controllers, beside Linux",
        &["--board", "xlnx-zcu102"],
        Wanted::Pass,
    ),
    beside(board(
        "imx8mp",
        "board-imx8mp",
        "i.MX8MP: Linux runs, adas says that it has no bus, the cluster shows that nothing is known",
        &["--board", "imx8mp-evk", "--deterministic"],
        Wanted::Pass,
    )),
    target!(
        "console",
        "system",
        "console",
        "a person types into Linux, leaves by the escape key, and has the terminal back"
    ),
    script(
        "readme",
        "system",
        "the commands that the README shows do what it says",
        "tests/bootstrap/readme.sh",
    ),
    control(
        "no-adas",
        "without emergency braking the car crashes",
        &["--set", "partitions.adas.autostart=false"],
    ),
    control(
        "two-buses",
        "with the controllers on two buses the car crashes",
        &["--set", "wiring.can1=other-bus"],
    ),
    target!(
        "board-zcu102",
        "boards",
        "zcu102",
        "on the ZCU102 all four partitions live on a GICv2 and the board's own CAN controllers"
    ),
    beside(target!(
        "masters",
        "boards",
        "masters",
        "a bus master that nothing guards reaches what the report says, and is reset at a restart"
    )),
    beside(target!(
        "devices",
        "devices",
        "a partition has each register block and interrupt of its devices, its neighbour none; Linux drives its own UART"
    )),
    control(
        "board-zcu102-two-buses",
        "on the ZCU102 with the controllers on two buses the car crashes",
        &["--board", "xlnx-zcu102", "--set", "wiring.can1=other-bus"],
    ),
    control(
        "broken-crc",
        "with every brake frame's CRC broken the car crashes",
        &["--set", "partitions.adas.args=crc=broken"],
    ),
    target!(
        "builds",
        "builds",
        "all systems have one hypervisor, building needs no Rust and gives the same bytes everywhere"
    ),
    target!(
        "coloured",
        "coloured",
        "Linux and a bare-metal partition run in pages of their colours"
    ),
    target!(
        "systems",
        "systems",
        "systems",
        "a minimal system, the reference, the large one and one with every key compile and prove; the others than the next two run"
    ),
    target!(
        "large",
        "systems",
        "large",
        "32 partitions run on 32 cores, and the tables of 64 GiB are verified"
    ),
    target!(
        "mutants",
        "mutants",
        "what mutated systems reach by CPU and DMA when they run is what a second opinion read in their tables"
    ),
    Test {
        lane: Lane::Long,
        ..cargo(
            "mutants-long",
            "target",
            "500 more mutated systems run",
            &[
                "test",
                "--locked",
                "--package=bulkhead-on-target",
                "--test=mutants",
                "--",
                "--ignored",
                "--nocapture",
            ],
        )
    },
    target!(
        "u-boot",
        "u-boot",
        "u_boot",
        "Debian's U-Boot boots media that `flash` wrote; what is damaged, unsigned, old or another board's is refused"
    ),
    cargo(
        "flash-device",
        "u-boot",
        "`flash` writes a block device, and leaves one unchanged that is absent, too small or protected",
        &[
            "test",
            "--locked",
            "--package=bulkhead-on-target",
            "--test=u_boot",
            "--",
            "--ignored",
            "--exact",
            "device::a_block_device_is_written_only_when_it_may_be",
            "--nocapture",
        ],
    ),
    cargo(
        "flash-mounted",
        "u-boot",
        "`flash` leaves a block device unchanged that is a partition, mounted, or that a system runs from",
        &[
            "test",
            "--locked",
            "--package=bulkhead-on-target",
            "--test=u_boot",
            "--",
            "--ignored",
            "--exact",
            "device::a_mounted_block_device_is_left_alone",
            "--nocapture",
        ],
    ),
    target!(
        "new-board",
        "new-board",
        "new_board",
        "the guide to a new board, followed in a copy of the tree, leads to one that is proved and runs, and changes no other crate"
    ),
    target!(
        "sdk",
        "sdk",
        "sdk",
        "the reference system is changed, rebuilt and run from the SDK where there is no Rust"
    ),
    target!("refusals", "refusals", "EL2 refuses what does not fit"),
    beside(target!(
        "invalid",
        "invalid",
        "the built tool says of each invalid spec what it says of itself"
    )),
    target!(
        "power-on",
        "power_on",
        "nothing that lay in shared memory at power-on is seen by a partition"
    ),
    target!(
        "conformance",
        "conformance",
        "GIC, PSCI and timers: the same lines natively and in partitions"
    ),
    target!(
        "degraded",
        "degraded",
        "with adas held in mid-brake the car brakes by itself"
    ),
    target!(
        "health",
        "health",
        "errors of partitions: found, blamed on the right one, counted, answered as the spec says"
    ),
    beside(target!(
        "restart",
        "restart",
        "adas dies in mid-brake: its next life brakes within 10 ms, and without one the car reacts in the fault-tolerant time"
    )),
    target!(
        "crash",
        "crash",
        "an error leaves a partition's registers, which outlive its restart, and a core with its RAM where it stays stopped"
    ),
    cargo(
        "crash-debugger",
        "crash",
        "gdb finds the registers and the stack of a partition that an error stopped",
        &[
            "test",
            "--locked",
            "--package=bulkhead-on-target",
            "--test=crash",
            "--",
            "--ignored",
            "--nocapture",
        ],
    ),
    target!(
        "fail-operational",
        "failoperational",
        "EL2 fails on one sliced core: the others go on, the car stops, and the system core has a successor"
    ),
    target!(
        "watchdog",
        "watchdog",
        "the watchdog fires when any sliced core stands still unnoticed, and only then"
    ),
    target!(
        "entries",
        "entries",
        "EL2's counts equal the emulator's exception log"
    ),
    beside(target!(
        "errata",
        "errata",
        "no image has an instruction sequence that a Cortex-A53 executes wrongly"
    )),
    beside(target!(
        "stack",
        "stack",
        "EL2's run-time part cannot overflow its stack on any board, nor panic, as its disassembly shows"
    )),
    beside(target!(
        "paths",
        "paths",
        "every loop of EL2's run-time part has a bound, and every bound a loop, as its disassembly shows"
    )),
    target!(
        "revocation",
        "revocation",
        "a partition that stops writes no more, whatever its other cores do"
    ),
    beside(target!(
        "bandwidth",
        "bandwidth",
        "a core with half the budget of memory traffic executes half"
    )),
    beside(target!(
        "channels",
        "channels",
        "queues and shared memory hold against a hostile partition at their other end"
    )),
    beside(target!(
        "pinned",
        "pinned",
        "a system in which everything is pinned that can be lies where its spec says, boots and talks"
    )),
    beside(target!(
        "doorbells",
        "doorbells",
        "a doorbell rings at most once in its interval, for nobody but its reader, however hard it is rung"
    )),
    target!(
        "firmware",
        "firmware",
        "exactly the SMCs that the spec lists for a partition reach the firmware"
    ),
    beside(target!(
        "ledger",
        "ledger",
        "an entitled partition reads the time ledger that the host reads, and nobody else does"
    )),
    beside(target!(
        "steal",
        "steal",
        "the stolen time that a stock Linux shows is that of EL2's ledger"
    )),
    Test {
        lane: Lane::Long,
        ..cargo(
            "steal-long",
            "steal",
            "the same over a minute",
            &[
                "test",
                "--locked",
                "--package=bulkhead-on-target",
                "--test=steal",
                "--",
                "--ignored",
                "--nocapture",
            ],
        )
    },
    beside(target!(
        "settings",
        "settings",
        "processes on both CPUs of Linux and the cluster share a record under a lock"
    )),
    beside(target!(
        "inversion",
        "inversion",
        "high waits for low while medium hogs the core: bounded by the hold with inheritance, by nothing without"
    )),
    beside(target!(
        "slots",
        "slots",
        "a spinning Linux takes no slot of its neighbour; the timer's interrupt that two share is active for its owner only"
    )),
    beside(target!(
        "sharing",
        "sharing",
        "partitions share slots by priority, budget and slack; who wants more than its budget does not get it"
    )),
    beside(target!(
        "trace",
        "trace",
        "a trace has every core and partition, and every slice that begins ends"
    )),
    cargo(
        "attackers",
        "attackers",
        "attackers get nothing, are seen, and nobody else notices; with one grant more they succeed",
        // Two at a time: their time is virtual.
        &[
            "test",
            "--locked",
            "--package=bulkhead-on-target",
            "--test=attackers",
            "--",
            "--test-threads=2",
            "--nocapture",
            "--skip=linux::",
            "--skip=traffic::",
        ],
    ),
    cargo(
        "attackers-linux",
        "attackers",
        "Linux at its worst gets nothing, the car stops, and CAN frames arrive",
        &[
            "test",
            "--locked",
            "--package=bulkhead-on-target",
            "--test=attackers",
            "--",
            "--test-threads=1",
            "--nocapture",
            "linux::",
            "traffic::",
        ],
    ),
    Test {
        lane: Lane::Long,
        ..cargo(
            "attackers-long",
            "attackers",
            "a million CAN frames arrive beside Linux at its worst and without it; 100 million random traps; a thousand injected faults",
            &[
                "test",
                "--locked",
                "--package=bulkhead-on-target",
                "--test=attackers",
                "--",
                "--ignored",
                "--test-threads=1",
                "--nocapture",
            ],
        )
    },
    target!(
        "bench",
        "bench",
        "bench",
        "no path through EL2 is longer than its bound, and interrupts of dedicated cores cost nothing"
    ),
    target!(
        "beside-linux",
        "reference",
        "partitions do not notice that Linux spins, reboots and crashes"
    ),
];
