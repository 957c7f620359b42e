// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Isolation: the emitted tables, walked by the independent walker, reach what was granted and nothing else.

use bulkhead_compiler::access::Root;
use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_types::blob::BlobHeader;
use bulkhead_types::system;
use zerocopy::FromBytes;

use crate::support::walker::{Leaf, Stage, leaves, reader};
use crate::support::{Workshop, hypervisor_bin};

/// All leaves of a partition's stage 2, walked from the pristine root in the blob.
fn stage2(compiled: &Compiled, index: usize) -> Vec<Leaf> {
    let blob = &compiled.blob;
    let header = BlobHeader::read_from_prefix(blob).unwrap().0;
    let parsed = system::System::parse(blob).unwrap();
    let pristine = parsed.partitions[index].pristine_root;
    leaves(&reader(blob, header.base), header.base + pristine, Stage::Two)
}

/// Each partition's walk reaches its own RAM in full, and nothing that another can write, but channels; locks alone have
/// more than one writer.
/// Verifies: BH-MEM-004.
#[test]
fn no_partition_reaches_another() {
    let workshop = Workshop::new();
    let system = workshop.reference();
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    let walks: Vec<Vec<Leaf>> = (0..4).map(|p| stage2(&compiled, p)).collect();
    let (plan, info) = (&compiled.plan, &compiled.info);
    for (p, walk) in walks.iter().enumerate() {
        let own = plan.ram[p].hull();
        let ram: u64 = walk
            .iter()
            .filter(|l| own.start <= l.output && l.output < own.end)
            .map(|l| l.size)
            .sum();
        assert_eq!(ram, own.end - own.start, "all of its RAM");
        for leaf in walk {
            let (start, end) = (leaf.output, leaf.output + leaf.size);
            assert!(
                end <= info.base || start >= info.end || start >= info.loader.start,
                "EL2 at {start:#x}"
            );
            for (q, other) in walks.iter().enumerate().filter(|(q, _)| *q != p) {
                for theirs in other
                    .iter()
                    .filter(|l| start < l.output + l.size && l.output < end)
                {
                    let channel = plan.channels.iter().any(|c| c.start <= start && end <= c.end);
                    let loader = info.loader.start <= start && end <= info.loader.end;
                    assert!(channel || loader, "{p} and {q} share {start:#x}");
                    let lock = plan.channels.iter().rev().take(system.locks.len());
                    let mut lock = lock.filter(|l| l.start <= start && end <= l.end);
                    let writers = [leaf, theirs].iter().filter(|l| l.meaning.write).count();
                    assert!(
                        writers <= 1 && (channel || writers == 0) || lock.next().is_some(),
                        "{p} and {q} write {start:#x}"
                    );
                }
            }
        }
    }
}

/// The walk of every partition and every EL2 root is exactly its grants. Verifies: BH-MEM-001, BH-MEM-002.
#[test]
fn tables_are_the_grants() {
    let workshop = Workshop::new();
    let compiled = compile(&workshop.reference(), &hypervisor_bin()).unwrap();
    let plan = &compiled.plan;
    let read = reader(&compiled.blob, plan.blob.start);
    let mut roots: Vec<Root> = compiled.grants.iter().map(|g| g.root).collect();
    roots.dedup();
    assert_eq!(roots.len(), 1 + 4 + 4);
    for root in roots {
        let walk = match root {
            Root::Boot => leaves(&read, plan.el2_root(0), Stage::One),
            Root::Core(k) => leaves(&read, plan.el2_root(1 + k), Stage::One),
            Root::Partition(p) => stage2(&compiled, p),
            Root::Stream { .. } => panic!("the reference system has no bus master"),
        };
        let granted: u64 = compiled
            .grants
            .iter()
            .filter(|g| g.root == root)
            .map(|g| g.size())
            .sum();
        assert_eq!(walk.iter().map(|l| l.size).sum::<u64>(), granted);
        for leaf in &walk {
            let grant = compiled.grants.iter().find(|g| {
                g.root == root && g.address <= leaf.input && leaf.input + leaf.size <= g.address + g.size()
            });
            let grant = grant.expect("a leaf without a grant");
            assert_eq!(leaf.output - grant.range.start, leaf.input - grant.address);
            assert_eq!(leaf.meaning.write, grant.rights.writes());
            assert_eq!(leaf.meaning.execute, grant.rights.executes());
            let el2 = !matches!(root, Root::Partition(_));
            assert!(
                !(el2 && leaf.meaning.write && leaf.meaning.execute),
                "EL2 W^X at {:#x}",
                leaf.input
            );
        }
    }
}
