// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The primitives natively, on a dedicated and on a shared core, the world switch, a timer beside Linux, and the way to
//! the first partition.

use std::time::Duration;

use crate::counts::{Counts, Histogram};
use crate::report::{Row, Spread};
use crate::rows::{Found, INSTRUCTIONS, count_metering};
use crate::run::{Bench, System};
use crate::{Error, native, sizes};

/// The board with one core.
const ONE_CORE: &str = "board=../boards/qemu-virt.yaml";

/// A run of this folder's own system of that name.
fn system<'a>(name: &'a str, partition: &'a str, text: &'a str) -> System<'a> {
    System {
        name,
        spec: format!("tests/benches/systems/{name}.yaml"),
        until: (partition, text, Duration::from_secs(60)),
        ..System::default()
    }
}

fn path(counts: Option<&Counts>, id: &str) -> Option<Histogram> {
    counts.and_then(|counts| counts.paths.get(id).cloned())
}

/// The primitives on a dedicated and on a shared core. Natively it is the memory of the latter, whose console is a UART:
/// a dedicated partition has a window for that, which no machine has.
pub(crate) fn primitives(bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    let sliced = System {
        memory: true,
        // The guest has switched itself off before.
        then: Duration::from_millis(200),
        ..system("sliced", "guest", "bench done")
    };
    let ran = sliced.run(bench)?;
    let Some(memory) = &ran.memory else {
        return Err(Error::Run("sliced".to_owned(), "no memory".to_owned()));
    };
    let bare = native::run("native-sliced", memory, None, &[])?;
    found.runs.push(bare.run);
    let bare = bare.printed;
    found.audit(&ran);
    let (sliced, counts) = found.ran(ran, bench.guest);
    found.row(
        "timer_irq_shared_el2",
        None,
        path(counts.as_ref(), "irq").as_ref(),
    );
    found.row(
        "null_hypercall",
        None,
        path(counts.as_ref(), "hvc_null")
            .or(sliced.get("null_hypercall").cloned())
            .as_ref(),
    );
    for id in ["gicd_read", "gicd_enable_write", "self_sgi"] {
        found.row(id, bare.get(id), sliced.get(id));
    }
    let ran = system("dedicated", "guest", "bench done").run(bench)?;
    let (direct, _) = found.ran(ran, bench.guest);
    let id = "timer_irq_dedicated";
    found.row(id, bare.get("timer_irq"), direct.get("timer_irq"));
    found.note(id, "compare value to the handler's first instruction");
    Ok(())
}

/// A doorbell.
pub(crate) fn bell(bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    let ran = system("bell", "guest", "bench done").run(bench)?;
    let (bell, counts) = found.ran(ran, bench.guest);
    let id = "doorbell";
    found.row(
        id,
        None,
        path(counts.as_ref(), "hvc_doorbell")
            .or(bell.get(id).cloned())
            .as_ref(),
    );
    found.note(
        id,
        "EL2's part of the ring; a reader on a dedicated core takes the interrupt without EL2",
    );
    Ok(())
}

/// The world switch, between two that take interrupts all the time.
pub(crate) fn switch(bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    let busy = [
        "partitions.one.args=bench busy 13",
        "partitions.other.args=bench busy 17",
    ];
    let system = System {
        overrides: [ONE_CORE].iter().chain(&busy).map(|&o| o.to_owned()).collect(),
        then: Duration::from_secs(1),
        ..system("switch", "other", "bench is busy")
    };
    let (_, counts) = found.ran(system.run(bench)?, bench.guest);
    let id = "world_switch";
    found.row(id, None, path(counts.as_ref(), "fiq_switch").as_ref());
    found.note(
        id,
        "slot timer's vector to the ERET into the next slot's partition; both have interrupts pending, active and ended in their list registers",
    );
    Ok(())
}

/// What EL2 charges its vCPUs with.
pub(crate) fn charges(bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    let mut count = count_metering(bench.place)?;
    count.push("lower=on".to_owned());
    let spinning = System {
        overrides: vec![ONE_CORE.to_owned()],
        then: Duration::from_secs(1),
        count,
        ..system("switch", "other", "bench spins")
    };
    let ran = spinning.run(bench)?;
    found.slots_of(&ran);
    found.metering_of(&ran);
    let charged = ran.charged;
    found.shares_of(&ran);
    let (_, counts) = found.ran(ran, bench.guest);
    if let Some(counts) = &counts {
        let [el0, el1, _] = counts.total;
        found.rows.push(Row {
            id: "metering",
            unit: INSTRUCTIONS,
            samples: 1,
            native: Some(Spread::one(el0 + el1)),
            bulkhead: Spread::one(charged),
            longest: None,
            bounds: None,
            note: Some("executed below EL2, as counted by the emulator; charged to vCPUs by EL2".to_owned()),
        });
    }
    Ok(())
}

/// How late a periodic timer is beside a spinning Linux, and how late the slots of both begin.
pub(crate) fn late(bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    let system = System {
        overrides: vec![ONE_CORE.to_owned()],
        count: count_metering(bench.place)?,
        ..system("late", "periodic", "bench done")
    };
    let ran = system.run(bench)?;
    found.shares_of(&ran);
    found.metering_of(&ran);
    found.slots_of(&ran);
    let (late, _) = found.ran(ran, bench.guest);
    let id = "sliced_timer_lateness";
    found.time(id, None, late.get(id));
    if let Some(worst) = late.get("worst").and_then(Histogram::max) {
        found.note(
            id,
            "of a 1 ms timer beside a Linux that boots and then spins, whose slot is the one before, rounded down to 4096 ns but for the worst; slot bound: 700000 ns of other slots and a world switch",
        );
        if let Some(row) = found.rows.iter_mut().find(|r| r.id == id) {
            row.bulkhead.max = worst;
        }
    }
    Ok(())
}

/// From reset to the first partition on one core.
pub(crate) fn boot(bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    let mut count = vec![
        "lower=on".to_owned(),
        "mark=loader:1:any".to_owned(),
        format!("mark=payload:1:{:#x}", 0x4020_0000_u64),
    ];
    for (start, end) in sizes::functions(bench.place, sizes::EL2[0], "sha256")? {
        count.push(format!("range=verify:{start:#x}:{end:#x}"));
    }
    let system = System {
        overrides: vec![ONE_CORE.to_owned()],
        count,
        ..system("sliced", "guest", "bench done")
    };
    let (_, counts) = found.ran(system.run(bench)?, bench.guest);
    let Some(counts) = counts else { return Ok(()) };
    let verify = counts.ranges.get("verify").copied().unwrap_or(0);
    let mark = |name: &str| counts.marks.get(name).copied();
    if let (Some(loader), Some(payload)) = (mark("loader"), mark("payload")) {
        let [_, _, el2] = loader.0;
        let note = "EL2's first instruction to the loader's first, one core, without boot_verify";
        found.one(
            "boot_to_guest",
            INSTRUCTIONS,
            el2.saturating_sub(verify),
            Some(note.to_owned()),
        );
        found.one(
            "boot_verify",
            INSTRUCTIONS,
            verify,
            Some("SHA-256 of the blob".to_owned()),
        );
        let note = "the loader's first instruction to the guest's, a payload of 4 MiB RAM";
        found.one(
            "payload_ready",
            INSTRUCTIONS,
            payload.since(loader),
            Some(note.to_owned()),
        );
    } else {
        found.lacks("boot_to_guest", "the marks were not reached");
    }
    Ok(())
}
