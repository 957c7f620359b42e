// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the model to everything that the build directory holds, in memory and without side effects.

use bulkhead_model::system::System;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::ImageInfo;

use crate::access::Grant;
use crate::blob::{self, Tables, emit, sha256};
use crate::devices::{self, Assigned, Devices, OwnWatchdog};
use crate::devicetree::{self, DeviceTree};
use crate::error::BuildError;
use crate::grant_list::{self, Sources};
use crate::layout::MemoryMap;
use crate::own_tree::{self, OwnTreeError};
use crate::payload::Program;
use crate::payload::area::{self, Area, Registers};
use crate::plan::{Plan, TableSizes};
use crate::sections::{self, Sections};
use crate::{grants, hypervisor, payload, placement, work};

/// Plans that are tried until the tables fit into the space that the plan gives them. The second is right
/// unless the tables' own size changes what they map.
const TRIES: u32 = 8;

/// A compiled system.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The hypervisor's memory.
    pub info: ImageInfo,
    /// Where everything lies.
    pub plan: Plan,
    /// Who may reach what.
    pub grants: Vec<Grant>,
    /// The blob's tables.
    pub sections: Sections,
    /// Translation tables.
    pub tables: TableSizes,
    /// Areas, granules, blocks and table entries that placement and tables looked at.
    pub steps: u64,
    /// The blob without its certificate.
    pub blob: Vec<u8>,
    /// SHA-256 of the blob.
    pub blob_hash: [u8; 32],
    /// Text form.
    pub text: String,
    /// Device tree of each partition.
    pub trees: Vec<DeviceTree>,
    /// Payload area of each partition.
    pub areas: Vec<Area>,
    /// Assigned devices.
    pub devices: Vec<Assigned>,
}

/// A system whose parts have their places.
pub(crate) struct Placed {
    info: ImageInfo,
    devices: Vec<Assigned>,
    watchdog: Option<OwnWatchdog>,
    trees: Vec<DeviceTree>,
    areas: Vec<Area>,
    plan: Plan,
    grants: Vec<Grant>,
    sections: Sections,
    needed: TableSizes,
}

/// Finds a place for everything.
///
/// # Errors
/// Everything that is wrong with payloads, devices and device trees, each for itself, and the first place that cannot
/// be given, with a page for a payload that is wrong. See [`BuildError`].
pub(crate) fn place(system: &System, hypervisor_bin: &[u8]) -> Result<Placed, Vec<BuildError>> {
    let mut errors = Vec::new();
    let info = hypervisor::read(hypervisor_bin, &system.board).map_err(|e| errors.push(e.into()));
    let mut map = MemoryMap::default();
    placement::claim_board(system, &mut map).map_err(|e| vec![e.into()])?;
    let assigned = devices::assign(system, &mut map).map_err(|e| errors.push(e.into()));
    let devices = assigned.as_ref().map_or(&[][..], |d| &d.assigned);
    let (mut trees, mut areas, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for (index, partition) in system.partitions.iter().enumerate() {
        // Without places for all devices only those that have none are judged.
        if assigned.is_err() && !partition.devices.is_empty() {
            continue;
        }
        match describe(system, index, devices) {
            Ok((tree, area)) => {
                sizes.push(area.size());
                trees.push(tree);
                areas.push(area);
            }
            Err(more) => {
                sizes.push(PAGE);
                errors.extend(more);
            }
        }
    }
    match (info, assigned) {
        (Ok(info), Ok(assigned)) if errors.is_empty() => {
            settle(system, info, assigned, map, trees, areas).map_err(|e| vec![e])
        }
        (Ok(info), Ok(_)) => {
            let plan = Plan::new(system, &info, map, &sizes, 0, &TableSizes::none(system));
            errors.extend(plan.err().map(BuildError::from));
            Err(errors)
        }
        _ => Err(errors),
    }
}

/// Device tree and payload area of a partition. Implements: BH-MEM-014.
///
/// # Errors
/// What is wrong with the payload, and with the device tree.
fn describe(
    system: &System,
    index: usize,
    devices: &[Assigned],
) -> Result<(DeviceTree, Area), Vec<BuildError>> {
    let partition = &system.partitions[index];
    let pinned = partition.pins.device_tree_at;
    let program = payload::load(partition)
        .map_err(BuildError::from)
        .map(|program| Program {
            device_tree_at: pinned.map(|at| at.value).or(program.device_tree_at),
            ..program
        });
    let disk = program.as_ref().ok().and_then(|p| p.initrd);
    let (program, tree) = match (program, tree_of(system, index, devices, disk)) {
        (Ok(program), Ok(tree)) => (program, tree),
        (program, tree) => return Err(program.err().into_iter().chain(tree.err()).collect()),
    };
    let registers: Vec<_> = devices
        .iter()
        .filter(|d| d.partition == index)
        .map(|d| registers(system, d))
        .collect();
    let memory = partition.memory.size.value;
    let packed = area::pack(&program, &tree, memory, partition.dump.is_some(), &registers);
    let area = packed.map_err(|error| vec![BuildError::payload(partition, error)])?;
    Ok((tree, area))
}

/// A partition's device tree, its own or one made for it; `initrd` as the payload says.
fn tree_of(
    system: &System,
    index: usize,
    devices: &[Assigned],
    initrd: Option<(u64, u64)>,
) -> Result<DeviceTree, BuildError> {
    let partition = &system.partitions[index];
    let mut tree = devicetree::build(system, index, devices, initrd)?;
    if let Some(file) = &partition.device_tree {
        let blame = |error| BuildError::OwnTree {
            path: file.path.clone(),
            span: file.name.span,
            error,
        };
        let unreadable = |e: std::io::Error| blame(OwnTreeError::Unusable(e.to_string()));
        let bytes = std::fs::read(&file.path).map_err(unreadable)?;
        tree = devicetree::finish(own_tree::adopt(&bytes, &tree.tree).map_err(blame)?)?;
    }
    Ok(tree)
}

/// Plans until the tables fit into the space that the plan gives them.
fn settle(
    system: &System,
    info: ImageInfo,
    Devices {
        assigned: devices,
        watchdog,
    }: Devices,
    map: MemoryMap,
    trees: Vec<DeviceTree>,
    areas: Vec<Area>,
) -> Result<Placed, BuildError> {
    let sizes: Vec<u64> = areas.iter().map(Area::size).collect();
    let mut tables_size = TableSizes::none(system);
    let mut section_size = 0;
    for _ in 0..TRIES {
        let plan = Plan::new(system, &info, map.clone(), &sizes, section_size, &tables_size)?;
        let sections = sections::derive(system, &plan, &devices, watchdog.as_ref());
        let grants = grant_list::all(Sources {
            system,
            info: &info,
            plan: &plan,
            devices: &devices,
            watchdog: watchdog.as_ref(),
            areas: &areas,
        });
        let needed = blob::sizes(system, &grants, &devices);
        let sections_needed = sections.size();
        if needed.fits(&tables_size) && sections_needed <= section_size {
            devices::seen(system, &devices, &grants)?;
            return Ok(Placed {
                info,
                devices,
                watchdog,
                trees,
                areas,
                plan,
                grants,
                sections,
                needed,
            });
        }
        section_size = section_size.max(sections_needed);
        tables_size = tables_size.max(needed);
    }
    Err(BuildError::Tables { tries: TRIES })
}

/// Compiles a system for a hypervisor image.
///
/// Reads the payload files that the model names, writes nothing.
///
/// # Errors
/// The first thing that is wrong; see [`BuildError`].
pub fn compile(system: &System, hypervisor_bin: &[u8]) -> Result<Compiled, BuildError> {
    let before = work::steps();
    let Placed {
        info,
        devices,
        watchdog,
        trees,
        areas,
        plan,
        grants,
        sections,
        needed,
    } = place(system, hypervisor_bin).map_err(first)?;
    let tables = Tables::build(system, &plan, &grants, &devices)?;
    let sources = Sources {
        system,
        info: &info,
        plan: &plan,
        devices: &devices,
        watchdog: watchdog.as_ref(),
        areas: &areas,
    };
    let text = grants::render(sources, &grants, &sections);
    let blob = emit(system, &info, &plan, tables, &sections);
    Ok(Compiled {
        info,
        blob_hash: sha256(&blob),
        plan,
        grants,
        sections,
        tables: needed,
        steps: work::steps() - before,
        blob,
        text,
        trees,
        areas,
        devices,
    })
}

/// The first of some errors.
fn first(errors: Vec<BuildError>) -> BuildError {
    let first = errors.into_iter().next();
    first.unwrap_or(BuildError::Tables { tries: TRIES })
}

fn registers(system: &System, assigned: &Assigned) -> Registers {
    let device = &system.board.devices[assigned.device];
    Registers {
        kind: device.kind,
        blocks: assigned.registers.clone(),
        masters: device.bus_master,
        recipe: device.reset.clone(),
    }
}
