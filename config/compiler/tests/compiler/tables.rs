// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table builder against the independent walker.

use crate::support::walker::{Leaf, Meaning, Stage, leaves, translate};
use bulkhead_compiler::access::{MemoryType, Rights};
use bulkhead_compiler::table::{BLOCK, MapError, Page, Pool, Tree};
use bulkhead_compiler::{stage1, stage2};
use proptest::prelude::*;

const PAGE: u64 = 4096;
const POOL: u64 = 0x4040_0000;
const ROOT: u64 = 0x4000_0000;
const BITS: u32 = 40;

#[derive(Clone, Debug)]
struct Mapping {
    input: u64,
    output: u64,
    size: u64,
    rights: Rights,
    memory: MemoryType,
}

impl Mapping {
    fn leaf(&self, stage: Stage) -> u64 {
        match stage {
            Stage::One => stage1::leaf(self.rights, self.memory),
            Stage::Two => stage2::leaf(self.rights, self.memory),
        }
    }

    /// What the walker must say, from the meaning of the enums alone.
    fn meaning(&self) -> Meaning {
        let (write, execute) = match self.rights {
            Rights::Read => (false, false),
            Rights::ReadWrite => (true, false),
            Rights::ReadExecute => (false, true),
            Rights::All => (true, true),
        };
        let (memory, shareability) = match self.memory {
            MemoryType::NormalWb => ("wb", 3),
            MemoryType::NormalNc => ("nc", 2),
            MemoryType::Device => ("dev", 2),
        };
        Meaning {
            read: true,
            write,
            execute,
            memory,
            shareability,
        }
    }
}

fn walk(root: &Page, pool: &Pool, stage: Stage) -> Vec<Leaf> {
    let read = |address: u64| {
        let (page, base) = if (ROOT..ROOT + PAGE).contains(&address) {
            (root, ROOT)
        } else {
            let number = (address - POOL) / PAGE;
            (
                &pool.pages()[usize::try_from(number).unwrap()],
                POOL + number * PAGE,
            )
        };
        page[usize::try_from((address - base) / 8).unwrap()]
    };
    leaves(&read, ROOT, stage)
}

fn rights() -> impl Strategy<Value = Rights> {
    prop_oneof![
        Just(Rights::Read),
        Just(Rights::ReadWrite),
        Just(Rights::ReadExecute),
        Just(Rights::All)
    ]
}

fn memory() -> impl Strategy<Value = MemoryType> {
    prop_oneof![
        Just(MemoryType::NormalWb),
        Just(MemoryType::NormalNc),
        Just(MemoryType::Device)
    ]
}

/// Up to six mappings with ascending, disjoint inputs: gaps and lengths of a few pages to a few blocks, some
/// aligned so that blocks are possible, some outputs shifted against their inputs.
fn mappings() -> impl Strategy<Value = Vec<Mapping>> {
    let one = (
        prop_oneof![0u64..4, 0u64..2000, Just(512), 300_000u64..400_000],
        prop_oneof![1u64..4, 500u64..1600, Just(512), Just(1024)],
        (0u64..1 << (BITS - 13), any::<bool>(), any::<bool>()),
        rights(),
        memory(),
    );
    proptest::collection::vec(one, 1..6).prop_map(|list| {
        let mut next = 0;
        let mut result = Vec::new();
        for (gap, pages, (output, align_input, align_output), rights, memory) in list {
            let input: u64 = next + gap * PAGE;
            let input = if align_input {
                input.next_multiple_of(BLOCK)
            } else {
                input
            };
            let output = output * PAGE;
            let output = if align_output {
                output / BLOCK * BLOCK + input % BLOCK
            } else {
                output
            };
            let size = pages * PAGE;
            next = input + size;
            result.push(Mapping {
                input,
                output,
                size,
                rights,
                memory,
            });
        }
        result
    })
}

fn build(list: &[Mapping], stage: Stage) -> (Tree, Pool) {
    let (mut tree, mut pool) = (Tree::default(), Pool::new(POOL, BITS, 0));
    for m in list {
        tree.map(&mut pool, m.input, m.output, m.size, m.leaf(stage))
            .unwrap();
    }
    (tree, pool)
}

/// The leaves that a mapping must become: blocks wherever both addresses and the rest allow it.
fn expected(m: &Mapping) -> Vec<Leaf> {
    let mut result = Vec::new();
    let mut done = 0;
    while done < m.size {
        let (input, output) = (m.input + done, m.output + done);
        let block = input % BLOCK == 0 && output % BLOCK == 0 && m.size - done >= BLOCK;
        let size = if block { BLOCK } else { PAGE };
        result.push(Leaf {
            input,
            output,
            size,
            meaning: m.meaning(),
        });
        done += size;
    }
    result
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every mapped address translates as asked, and the walk finds nothing else, so every other address faults.
    /// Verifies: BH-MEM-001, BH-MEM-002.
    #[test]
    fn tables_hold_exactly_the_mappings(list in mappings(), two in any::<bool>(), order in any::<bool>()) {
        let stage = if two { Stage::Two } else { Stage::One };
        let mut ordered = list.clone();
        if order {
            ordered.reverse();
        }
        let (tree, pool) = build(&ordered, stage);
        let found = walk(tree.root(), &pool, stage);
        let wanted: Vec<Leaf> = list.iter().flat_map(expected).collect();
        prop_assert_eq!(found, wanted);
    }

    /// A second mapping of any page is refused and says which address is taken. Verifies: BH-MEM-001.
    #[test]
    fn overlap_is_refused(list in mappings(), pick in any::<prop::sample::Index>(), page in any::<prop::sample::Index>()) {
        let (mut tree, mut pool) = build(&list, Stage::Two);
        let victim = &list[pick.index(list.len())];
        let pages = usize::try_from(victim.size / PAGE).unwrap();
        let input = victim.input + page.index(pages) as u64 * PAGE;
        let again = tree.map(&mut pool, input, 0, PAGE, victim.leaf(Stage::Two));
        prop_assert_eq!(again, Err(MapError::Overlap { input }));
    }
}

#[test]
fn points_translate() {
    let list = [Mapping {
        input: 0x4000_0000,
        output: 0x8000_0000,
        size: 2 * BLOCK,
        rights: Rights::All,
        memory: MemoryType::NormalWb,
    }];
    let (tree, pool) = build(&list, Stage::Two);
    let found = walk(tree.root(), &pool, Stage::Two);
    assert_eq!(translate(&found, 0x4012_3456).map(|t| t.0), Some(0x8012_3456));
    assert_eq!(translate(&found, 0x3fff_ffff), None);
    assert_eq!(translate(&found, 0x4040_0000), None);
    assert_eq!(pool.pages().len(), 1, "two blocks need one level-2 table");
}

#[test]
fn bad_ranges_are_refused() {
    let (mut tree, mut pool) = (Tree::default(), Pool::new(POOL, BITS, 0));
    let leaf = stage2::leaf(Rights::Read, MemoryType::NormalWb);
    let mut map = |input, output, size| tree.map(&mut pool, input, output, size, leaf);
    for (input, output, size) in [(1, 0, PAGE), (0, 8, PAGE), (0, 0, 100), (0, 0, 0)] {
        assert_eq!(
            map(input, output, size),
            Err(MapError::Misaligned { input, output, size })
        );
    }
    let (input, size) = ((1 << 39) - PAGE, 2 * PAGE);
    assert_eq!(map(input, 0, size), Err(MapError::InputRange { input, size }));
    let input = u64::MAX - PAGE + 1;
    assert_eq!(
        map(input, 0, PAGE),
        Err(MapError::InputRange { input, size: PAGE })
    );
    let output = (1 << 40) - PAGE;
    let error = MapError::OutputRange {
        output,
        size,
        bits: BITS,
    };
    assert_eq!(map(0, output, size), Err(error));
}

/// A block may not be laid over pages, nor pages into a block.
#[test]
fn blocks_and_pages_exclude_each_other() {
    let leaf = stage2::leaf(Rights::Read, MemoryType::NormalWb);
    let (mut tree, mut pool) = (Tree::default(), Pool::new(POOL, BITS, 0));
    tree.map(&mut pool, 0x20_1000, 0, PAGE, leaf).unwrap();
    let over = tree.map(&mut pool, 0x20_0000, BLOCK, BLOCK, leaf);
    assert_eq!(over, Err(MapError::Overlap { input: 0x20_0000 }));
    tree.map(&mut pool, 0x40_0000, BLOCK, BLOCK, leaf).unwrap();
    let into = tree.map(&mut pool, 0x40_3000, 0, PAGE, leaf);
    assert_eq!(into, Err(MapError::Overlap { input: 0x40_3000 }));
}
