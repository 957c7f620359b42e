// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can still be judged of a spec that breaks rules.
//!
//! Response times and places need a [`System`], and a spec with errors is none. So that one run finds every error, two
//! systems are made of what is right: one for times, one for places. What is wrong is left out of them, with what
//! depends on it. Leaving something out only takes demand away: a task that is late without a broken neighbour is late
//! with it, and what finds no place without it finds none with it. So whatever is found in them is no consequence of
//! another error. Implements: BH-CFG-230.

use crate::board::Board;
use crate::decode::Decoder;
use crate::diagnostic::Diagnostic;
use crate::files::{self, Paths};
use crate::health::HealthSpec;
use crate::remains_board;
use crate::resolve::resolve;
use crate::span::{Sources, Span, Spanned};
use crate::spec::{IDLE, MemorySpec, PartitionSpec, ScheduleSpec, Spec};
use crate::system::{Console, Criticality, FileRef, Origin, Payload, System};
use crate::tree::{Node, Value};

/// Systems of what breaks no rule; nothing where what all depends on is broken. Neither is to be built.
#[derive(Debug, Default)]
pub struct Remains {
    /// For response times: with stand-ins for what no time depends on, memory and payloads among them.
    pub timing: Option<System>,
    /// For places.
    pub placing: Option<System>,
}

/// What the remains are made of.
pub(crate) struct Found<'f> {
    pub(crate) root: &'f Node,
    pub(crate) board: &'f Board,
    pub(crate) board_root: &'f Node,
    pub(crate) paths: &'f Paths,
    pub(crate) sources: &'f Sources,
    /// Whether every file that the spec includes was read.
    pub(crate) is_whole: bool,
    /// The sources of the board: its file, then its bounds.
    pub(crate) of_board: std::ops::Range<usize>,
}

/// The keys of a partition on which its place depends.
const PLACING: [&str; 12] = [
    "memory",
    "payload",
    "device_tree",
    "devices",
    "dma",
    "unguarded_dma",
    "cores",
    "console",
    "window_at",
    "payload_at",
    "stolen_time_at",
    "device_tree_at",
];

/// What remains beside the breaches in `list`.
pub(crate) fn of(found: &Found<'_>, list: &[Diagnostic]) -> Remains {
    let of_board = |d: &Diagnostic| found.of_board.contains(&d.primary.span.source);
    let of_bounds = |d: &Diagnostic| of_board(d) && d.primary.span.source != found.of_board.start;
    let has_costs = !list.iter().any(of_bounds);
    let broken = Broken::of(found.root, list.iter());
    let spec = || {
        let mut ignored = Vec::new();
        let mut decoder = Decoder {
            diagnostics: &mut ignored,
        };
        decoder.spec(found.root)
    };
    Remains {
        timing: spec()
            .filter(|_| has_costs)
            .and_then(|spec| timing(spec, found, &broken)),
        placing: spec()
            .zip(remains_board::for_places(found, list))
            .and_then(|(spec, board)| placing(spec, found, board, &broken)),
    }
}

/// Paths of what breaks a rule, as keys.
pub(crate) struct Broken {
    pub(crate) paths: Vec<Vec<String>>,
}

impl Broken {
    pub(crate) fn of<'d>(root: &Node, list: impl Iterator<Item = &'d Diagnostic>) -> Self {
        let mut places = Vec::new();
        walk(root, &mut Vec::new(), &mut places);
        let deepest = |span: Span| {
            let holds = |(_, place): &&(Vec<String>, Span)| {
                let ends = span.start.saturating_add(span.length) <= place.start.saturating_add(place.length);
                place.source == span.source && place.start <= span.start && ends
            };
            let (path, _) = places.iter().filter(holds).max_by_key(|(path, _)| path.len())?;
            Some(path.clone())
        };
        let spans = |d: &Diagnostic| {
            let others = d.others.iter().map(|l| l.span);
            std::iter::once(d.primary.span).chain(others).find_map(deepest)
        };
        Broken {
            paths: list.filter_map(spans).collect(),
        }
    }

    /// Whether something at or below these keys is wrong.
    pub(crate) fn has(&self, keys: &[&str]) -> bool {
        let below =
            |path: &Vec<String>| keys.len() <= path.len() && path.iter().zip(keys).all(|(a, b)| a == b);
        self.paths.iter().any(below)
    }
}

/// The places of all keys and values.
fn walk(node: &Node, path: &mut Vec<String>, places: &mut Vec<(Vec<String>, Span)>) {
    let first = match &node.value {
        Value::Map(entries) => entries.first().map(|e| e.key.span),
        Value::List(items) => items.first().map(|i| i.span),
        Value::Null | Value::Scalar(_) => None,
    };
    // A block has no place of its own but that of its first key.
    if first != Some(node.span) {
        places.push((path.clone(), node.span));
    }
    let mut below = |key: String, span: Option<Span>, value: &Node| {
        path.push(key);
        places.extend(span.map(|span| (path.clone(), span)));
        walk(value, path, places);
        path.pop();
    };
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                below(entry.key.value.clone(), Some(entry.key.span), &entry.value);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                below(index.to_string(), None, item);
            }
        }
        Value::Null | Value::Scalar(_) => {}
    }
}

/// A system in which every partition has what times depend on.
fn timing(mut spec: Spec, found: &Found<'_>, broken: &Broken) -> Option<System> {
    let in_tasks = |name: &str| broken.has(&["partitions", name, "tasks"]);
    let unclear: Vec<String> = spec
        .partitions
        .iter()
        .filter(|p| in_tasks(&p.name) || broken.has(&["partitions", &p.name, "cores"]))
        .map(|p| p.name.value.clone())
        .collect();
    for partition in &mut spec.partitions {
        let name = partition.name.value.clone();
        partition
            .tasks
            .retain(|t| !broken.has(&["partitions", &name, "tasks", &t.name]));
        let answers = |reaction: &String| !unclear.contains(reaction);
        let tolerance = partition.health.tolerance.take();
        // A task that answers may stand in what was not read.
        partition.health.tolerance = tolerance.filter(|t| {
            found.is_whole
                && answers(&t.reaction)
                && !broken.has(&["partitions", &name, "fault_tolerant_time"])
        });
        if broken.has(&["partitions", &name, "smc"]) {
            partition.smc = Vec::new();
        }
        stand_in(partition);
    }
    let is_sound = |p: &PartitionSpec| p.cores.is_some() && !broken.has(&["partitions", &p.name, "cores"]);
    spec.partitions.retain(is_sound);
    let known = |name: &str| found.board.devices.iter().any(|d| d.name.value == name);
    for partition in &mut spec.partitions {
        partition.devices.retain(|d| known(d));
        partition
            .tasks
            .retain(|t| t.interrupt.as_ref().is_none_or(|device| known(device)));
    }
    cut(&mut spec, found.board, broken);
    let payloads = files::Payloads {
        list: spec.partitions.iter().map(|p| Some(no_payload(p))).collect(),
        trees: vec![None; spec.partitions.len()],
        missing: Vec::new(),
    };
    resolve(spec, found.board.clone(), payloads, found.sources.clone())
}

/// Gives a partition what its times do not depend on, whether it says it or not.
fn stand_in(partition: &mut PartitionSpec) {
    let span = partition.name.span;
    partition.memory = Some(MemorySpec {
        size: Spanned::new(2 << 20, span),
        at: None,
        rights: None,
        colours: None,
        uncoloured: Vec::new(),
    });
    partition.criticality = partition
        .criticality
        .or(Some(Spanned::new(Criticality::Qm, span)));
    partition.console = partition.console.or(Some(Spanned::new(Console::None, span)));
    partition.unguarded = Vec::new();
    partition.dma = Vec::new();
}

fn no_payload(partition: &PartitionSpec) -> Payload {
    Payload::Raw(FileRef {
        name: partition.name.clone(),
        path: Default::default(),
        origin: Origin::File,
    })
}

/// A system of the partitions of which everything is right that a place depends on.
fn placing(mut spec: Spec, found: &Found<'_>, board: Board, broken: &Broken) -> Option<System> {
    let mut payloads = files::locate(&spec, found.paths, found.sources);
    let located = spec.partitions.iter().zip(&payloads.list).zip(&payloads.trees);
    let keep: Vec<bool> = located
        .map(|((p, payload), tree)| {
            let is_sound = PLACING
                .iter()
                .all(|key| !broken.has(&["partitions", &p.name, key]));
            let is_read =
                p.memory.is_some() && p.criticality.is_some() && p.cores.is_some() && p.console.is_some();
            let is_there = payload.is_some() && tree.is_some() == p.device_tree.is_some();
            // Such a tree is compared with what the interrupt controller looks like.
            let is_comparable = tree.is_none() || !board.unread.gic;
            let is_known = |d: &Spanned<String>| board.devices.iter().any(|own| own.name.value == d.value);
            is_sound && is_read && is_there && is_comparable && p.devices.iter().all(is_known)
        })
        .collect();
    let mut kept = keep.iter().copied();
    spec.partitions.retain(|_| kept.next().unwrap_or(false));
    let mut kept = keep.iter().copied();
    payloads.list.retain(|_| kept.next().unwrap_or(false));
    let mut kept = keep.iter().copied();
    payloads.trees.retain(|_| kept.next().unwrap_or(false));
    for partition in &mut spec.partitions {
        partition.tasks.clear();
        partition.health.tolerance = None;
    }
    cut(&mut spec, &board, broken);
    resolve(spec, board, payloads, found.sources.clone())
}

/// Takes away what is wrong outside of the partitions, and what names a partition that is not there.
fn cut(spec: &mut Spec, board: &Board, broken: &Broken) {
    let there: Vec<String> = spec.partitions.iter().map(|p| p.name.value.clone()).collect();
    let is_there = |name: &String| there.contains(name);
    let nameless = spec.partitions.first().map_or(Span::default(), |p| p.name.span);
    spec.name
        .get_or_insert_with(|| Spanned::new("unnamed".to_owned(), nameless));
    spec.expect.clear();
    spec.never.clear();
    spec.wiring.clear();
    let monitor = spec.health.monitor.take().filter(|m| is_there(m));
    spec.health = HealthSpec {
        monitor,
        ..HealthSpec::default()
    };
    spec.watchdog = spec
        .watchdog
        .filter(|_| board.watchdog().is_some() && !broken.has(&["watchdog"]));
    for partition in &mut spec.partitions {
        let tolerance = partition.health.tolerance.take();
        partition.health.tolerance = tolerance.filter(|t| is_there(&t.reaction));
    }
    spec.channels.retain_mut(|channel| {
        channel.readers.retain(|r| is_there(r));
        let is_whole = channel.kind.is_some() && channel.writer.as_ref().is_some_and(|w| is_there(w));
        is_whole && !channel.readers.is_empty() && !broken.has(&["channels", &channel.name])
    });
    spec.locks.retain_mut(|lock| {
        lock.participants.retain(|p| is_there(&p.partition));
        lock.participants.len() > 1 && !broken.has(&["locks", &lock.name])
    });
    let is_sound = |key: &str| !broken.has(&["hypervisor", key]);
    let pins = &mut spec.hypervisor;
    pins.live_at = pins.live_at.filter(|_| is_sound("live_at"));
    pins.smmu_queues_at = pins.smmu_queues_at.filter(|_| is_sound("smmu_queues_at"));
    cut_schedule(spec, broken);
}

/// Leaves the tables that are right. A core without a table always supplies its vCPUs, which asks less of their tasks.
fn cut_schedule(spec: &mut Spec, broken: &Broken) {
    let whole = |s: &ScheduleSpec| s.major_frame.is_some() && !broken.has(&["schedule", "major_frame"]);
    let schedule = spec
        .schedule
        .take()
        .filter(whole)
        .unwrap_or_else(|| ScheduleSpec {
            major_frame: Some(Spanned::new(1_000_000, Span::default())),
            cores: Vec::new(),
            bandwidth: Vec::new(),
            span: Span::default(),
        });
    let mut schedule = ScheduleSpec {
        bandwidth: Vec::new(),
        ..schedule
    };
    let is_sound = |core: usize| !broken.has(&["schedule", "cores", &core.to_string()]);
    schedule.cores.retain(|t| t.complete && is_sound(t.core.value));
    for table in &mut schedule.cores {
        for slot in &mut table.slots {
            let owner = slot
                .partition()
                .and_then(|name| spec.partitions.iter().find(|p| p.name == *name));
            let runs = owner.is_some_and(|p| p.core_list().contains(&table.core));
            if slot.partition().is_some() && !runs {
                IDLE.clone_into(&mut slot.run.value);
            }
        }
    }
    spec.schedule = Some(schedule);
}
