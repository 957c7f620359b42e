// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a device tree to the draft of a board file: what the tree says as keys, what it does not say as comments.

mod devices;

use std::collections::BTreeSet;

use bulkhead_model::errata;

use super::tree::{Node, Tree};

/// UARTs that EL2 drives.
const UARTS: &[(&str, &[&str])] = &[
    ("pl011", &["arm,pl011", "arm,sbsa-uart"]),
    ("\"8250\"", &["ti,j721e-uart", "ti,am654-uart"]),
    ("imx", &["fsl,imx8mp-uart", "fsl,imx6q-uart", "fsl,imx21-uart"]),
];
/// `MIDR_EL1` by core, with the revision that most boards have; boot refuses an older one.
const CORES: &[(&str, u64)] = &[
    ("arm,cortex-a53", 0x410f_d034),
    ("arm,cortex-a55", 0x410f_d050),
    ("arm,cortex-a57", 0x410f_d070),
    ("arm,cortex-a72", 0x410f_d083),
    ("arm,cortex-a76", 0x410f_d0b0),
];
/// DMA guards that nobody here drives.
const OTHER_GUARDS: &[&str] = &["arm,mmu-500", "arm,smmu-v2", "arm,mmu-401"];

/// The draft in the making.
struct Draft<'a> {
    tree: &'a Tree,
    gic: Option<u32>,
    text: String,
}

fn kind_of<'a>(node: &Node, kinds: &[(&'a str, &[&str])]) -> Option<&'a str> {
    kinds.iter().find(|(_, all)| node.is(all)).map(|(kind, _)| *kind)
}

/// Hexadecimal with groups of four digits.
fn hex(value: u64) -> String {
    let digits = format!("{value:x}");
    let groups: Vec<&str> = (0..digits.len().div_ceil(4))
        .rev()
        .map(|n| {
            let end = digits.len() - 4 * n;
            digits.get(end.saturating_sub(4)..end).unwrap_or_default()
        })
        .collect();
    format!("0x{}", groups.join("_"))
}

fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| hex(bytes), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// A name of the language: lower-case letters, digits, hyphens.
fn name(text: &str) -> String {
    let letters = text.chars().map(|c| c.to_ascii_lowercase());
    letters
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// Drafts a board file.
///
/// # Errors
/// What the tree lacks without which there is no board.
pub(super) fn draft(tree: &Tree, board: &str, id: u32) -> Result<String, String> {
    let gic = tree
        .find(|n| n.is(&["arm,gic-v3"]))
        .ok_or("the tree has no `arm,gic-v3`")?;
    let mut draft = Draft {
        tree,
        gic: gic.1.cell("phandle"),
        text: String::new(),
    };
    draft.head(board, id);
    draft.memory()?;
    draft.cores()?;
    draft.gic(gic.0)?;
    draft.uart()?;
    draft.smmu();
    draft.pcie();
    draft.line("poll_bound: 100000 # review: nothing measured it");
    draft.devices();
    Ok(draft.text)
}

impl Draft<'_> {
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn head(&mut self, board: &str, id: u32) {
        let model = self
            .tree
            .find(|n| n.has("model"))
            .and_then(|(_, n)| n.words("model").first().map(|m| (*m).to_owned()));
        let title = model
            .unwrap_or_else(|| board.to_owned())
            .replace(['"', ':', '#'], " ");
        self.line("# A draft from a device tree. Compare every value with the manual of the board, above all those marked `review`.");
        self.line("board: 1");
        self.line(format!("name: {}", name(board)));
        self.line(format!(
            "id: {id} # review: a number that no other board has; the same in the board's crate"
        ));
        self.line(format!("title: \"{title}\""));
    }

    fn memory(&mut self) -> Result<(), String> {
        let banks: Vec<(u64, u64)> = (self.tree.nodes())
            .filter(|(_, n)| n.words("device_type").first() == Some(&"memory"))
            .flat_map(|(i, _)| self.tree.reg(i))
            .filter(|(_, bytes)| *bytes > 0)
            .collect();
        let first = banks
            .iter()
            .map(|(base, _)| *base)
            .min()
            .ok_or("the tree has no memory")?;
        self.line("ram:");
        for (base, bytes) in &banks {
            self.line(format!("  - {{ base: {}, size: {} }}", hex(*base), size(*bytes)));
        }
        self.line("reserved:");
        self.line(format!(
            "  - {{ name: boot loader, base: {}, size: 2MiB }} # review: what it still uses when EL2 starts",
            hex(first)
        ));
        let tree = first + 0x0800_0000;
        self.line(format!(
            "  - {{ name: board device tree, base: {}, size: 2MiB, use: device-tree }} # review: where the boot loader puts it",
            hex(tree)
        ));
        let parent_is_reserved = |i: usize| self.tree.parent(i).is_some_and(|p| p.name == "reserved-memory");
        let reserved: Vec<String> = (self.tree.nodes())
            .filter(|(i, _)| parent_is_reserved(*i))
            .flat_map(|(i, n)| {
                self.tree
                    .reg(i)
                    .into_iter()
                    .map(move |(base, bytes)| (n.base_name(), base, bytes))
            })
            .map(|(name, base, bytes)| {
                format!(
                    "  - {{ name: {name}, base: {}, size: {} }}",
                    hex(base),
                    size(bytes)
                )
            })
            .collect();
        reserved.iter().for_each(|line| self.line(line));
        self.line(format!(
            "hypervisor: {} # review: free RAM below 4 GiB, the link address of the board's crate",
            hex(first + 0x20_0000)
        ));
        self.line("physical_address_bits: 40 # review: at most what ID_AA64MMFR0_EL1.PARange says");
        Ok(())
    }

    fn cores(&mut self) -> Result<(), String> {
        let cores: Vec<(usize, &Node)> = (self.tree.nodes())
            .filter(|(_, n)| n.words("device_type").first() == Some(&"cpu") && !n.is_off())
            .collect();
        if cores.is_empty() {
            return Err("the tree has no cores".to_owned());
        }
        let most = cores
            .iter()
            .filter_map(|(_, n)| n.cell("capacity-dmips-mhz"))
            .max();
        self.line("# review: MIDR_EL1 with variant and revision; `predictors` by what the core has.");
        self.line("cores:");
        let mut workarounds = Vec::new();
        for (index, node) in cores {
            let mpidr = self.tree.identity(index).ok_or("a core has no `reg`")?;
            let midr = CORES
                .iter()
                .find(|(compatible, _)| node.is(&[compatible]))
                .map_or(0, |(_, midr)| *midr);
            let capacity = node
                .cell("capacity-dmips-mhz")
                .zip(most)
                .map_or(1024, |(own, most)| u64::from(own) * 1024 / u64::from(most.max(1)));
            let cluster = mpidr >> 8 & 0xff;
            let unknown = if midr == 0 { " # review: unknown core" } else { "" };
            self.line(format!(
                "  - {{ mpidr: {}, midr: {}, cluster: {cluster}, capacity: {capacity} }}{unknown}",
                hex(mpidr),
                hex(midr)
            ));
            let known = errata::of_core(midr).into_iter().flatten();
            workarounds.extend(known.map(|erratum| erratum.name));
        }
        let mut named = BTreeSet::new();
        workarounds.retain(|name| named.insert(*name));
        if !workarounds.is_empty() {
            self.line("# review: what these ask of the firmware and of guests.");
            self.line(format!("workarounds: [{}]", workarounds.join(", ")));
        }
        if let Some((_, psci)) = self
            .tree
            .find(|n| n.is(&["arm,psci-1.0", "arm,psci-0.2", "arm,psci"]))
        {
            let method = psci.words("method").first().map_or("?", |m| *m).to_owned();
            if method != "smc" {
                self.line(format!("# review: PSCI is called by `{method}`; EL2 needs `smc`"));
            }
        } else {
            self.line("# review: the tree has no PSCI; EL2 needs it to start cores");
        }
        Ok(())
    }

    fn gic(&mut self, index: usize) -> Result<(), String> {
        let reg = self.tree.reg(index);
        let [(distributor, _), (redistributors, _), ..] = reg[..] else {
            return Err("the GIC's `reg` has no distributor and redistributors".to_owned());
        };
        let used = (self.tree.nodes()).flat_map(|(i, _)| self.tree.interrupts(i, self.gic));
        let highest = used.map(|i| i.intid).max().unwrap_or(63).clamp(63, 991);
        let lines = (highest - 31).next_multiple_of(32).min(960);
        self.line("# review: `spi_lines` holds the highest interrupt that the tree names; GICD_TYPER says how many there are.");
        self.line("# review: one security state or two decides `Board::GIC` in the board's crate.");
        self.line(format!(
            "gic: {{ version: 3, distributor: {}, redistributors: {}, spi_lines: {lines} }}",
            hex(distributor),
            hex(redistributors)
        ));
        Ok(())
    }

    fn uart(&mut self) -> Result<(), String> {
        let chosen = self.tree.find(|n| n.name == "chosen");
        let console = chosen.and_then(|(_, n)| self.tree.at(n.words("stdout-path").first()?));
        let known = |(_, n): &(usize, &Node)| kind_of(n, UARTS).is_some() && !n.is_off();
        let named = console.and_then(|index| self.tree.nodes().nth(index));
        let found = named.filter(known).or_else(|| self.tree.nodes().find(known));
        let Some((index, node)) = found else {
            let other = named.map_or(String::new(), |(_, n)| n.words("compatible").join(", "));
            return Err(format!(
                "no UART of the tree has a driver in bsp/devices; its console is {}",
                if other.is_empty() {
                    "not named".to_owned()
                } else {
                    other
                }
            ));
        };
        let base = self
            .tree
            .reg(index)
            .first()
            .map(|(base, _)| *base)
            .ok_or("the UART has no `reg`")?;
        let interrupt = self.tree.interrupts(index, self.gic).first().map(|i| i.intid);
        let interrupt = interrupt.ok_or("the UART has no interrupt at the GIC")?;
        let kind = kind_of(node, UARTS).unwrap_or_default();
        self.line(format!(
            "uart: {{ kind: {kind}, base: {}, interrupt: {interrupt} }}",
            hex(base)
        ));
        Ok(())
    }

    fn smmu(&mut self) {
        if let Some((index, _)) = self.tree.find(|n| n.is(&["arm,smmu-v3"])) {
            let base = self.tree.reg(index).first().map_or(0, |(base, _)| *base);
            let all = self.tree.interrupts(index, self.gic);
            let interrupts: Vec<String> = all.iter().map(|i| i.intid.to_string()).collect();
            self.line(format!(
                "smmu: {{ kind: smmuv3, base: {}, stream_bits: 8, interrupts: [{}] }} # review: `stream_bits`, SMMU_IDR1.SIDSIZE at most",
                hex(base),
                interrupts.join(", ")
            ));
            return;
        }
        let other = self
            .tree
            .find(|n| n.is(OTHER_GUARDS) || n.base_name().contains("ipmmu"));
        let what = other.map_or("no SMMU".to_owned(), |(_, n)| {
            format!("no SMMUv3, but {} ({})", n.name, n.words("compatible").join(", "))
        });
        self.line(format!(
            "# review: the tree has {what}: no bus master can be assigned."
        ));
    }

    fn pcie(&mut self) {
        let Some((index, node)) = self
            .tree
            .find(|n| n.is(&["pci-host-ecam-generic"]) && !n.is_off())
        else {
            return;
        };
        let Some((ecam, bytes)) = self.tree.reg(index).first().copied() else {
            return;
        };
        // Three cells on the bus, of which the first says the space; then the address of the cores and the size.
        let ranges = node.cells("ranges");
        let window = ranges.chunks_exact(7).find_map(|r| {
            let [space, _, _, high, low, size_high, size_low] = *r else {
                return None;
            };
            let two = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
            (space >> 24 & 3 == 2).then(|| (two(high, low), two(size_high, size_low)))
        });
        if let Some((base, size)) = window {
            let buses = (bytes >> 20).clamp(1, 256);
            self.line(format!(
                "pcie: {{ ecam: {}, buses: {}, window: {{ base: {}, size: {} }} }} # review: the tree has {buses} buses, one is swept",
                hex(ecam),
                1,
                hex(base),
                hex(size)
            ));
        }
    }
}
