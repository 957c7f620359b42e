// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The report holds each fact of a system in the section and the row that it belongs to.

use bulkhead_analysis::Analysis;
use bulkhead_model::errata::of_board;
use bulkhead_model::loss::losses;
use bulkhead_model::units::read_time as time;
use bulkhead_views::Built;
use bulkhead_views::records::GrantRecord;

use crate::Sample;
use crate::pages::page;

/// Its sections in order, by id and heading.
const SECTIONS: [(&str, &str); 15] = [
    ("partitions", "Partitions"),
    ("graph", "Partitions, channels and cores"),
    ("frame", "Major frame"),
    ("tasks", "Response times against deadlines"),
    ("interrupts", "Interrupts"),
    ("streams", "Devices and streams"),
    ("controllers", "Clock, reset, power and pin controllers"),
    ("lost", "Isolation lost"),
    ("memory", "Memory"),
    ("reach", "What each partition can reach"),
    ("shared", "What is shared"),
    ("el2", "What EL2 can reach"),
    ("errata", "Errata of the cores"),
    ("proof", "Proof"),
    ("values", "Where values come from"),
];

/// The text of a piece of HTML.
fn text(html: &str) -> String {
    let mut pieces = html.split('<');
    let mut text = pieces.next().unwrap().to_owned();
    for piece in pieces {
        text.push_str(piece.split_once('>').unwrap().1);
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    text.replace("&amp;", "&").trim().to_owned()
}

/// What lies between each `begin` and the next `end`.
fn between<'a>(html: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let pieces = html.split(begin).skip(1);
    pieces.map(|piece| piece.split_once(end).unwrap().0).collect()
}

/// The cells of each row.
fn rows(html: &str) -> Vec<Vec<String>> {
    let cells = |row: &str| -> Vec<String> {
        let cells = between(row, "<td", "</td>").into_iter();
        cells.map(|cell| text(cell.split_once('>').unwrap().1)).collect()
    };
    between(html, "<tr>", "</tr>").into_iter().map(cells).collect()
}

/// The page of a system, taken apart.
struct Page<'a> {
    sample: &'a Sample,
    html: String,
    /// Rows that were asked for.
    asked: usize,
}

impl Page<'_> {
    /// A section, without its heading.
    fn section(&self, id: &str) -> &str {
        let heading = SECTIONS.iter().find(|(section, _)| *section == id).unwrap().1;
        let found = between(&self.html, "<section id=\"", "</section>").into_iter();
        let begin = format!("{id}\"><h2>{heading}</h2>");
        let mut found = found.filter_map(|section| section.strip_prefix(begin.as_str()));
        found
            .next()
            .unwrap_or_else(|| panic!("no section {id}: {heading}"))
    }

    /// Asserts that a row of a section begins with these cells; those that are empty may be anything.
    fn row(&mut self, id: &str, cells: &[&str]) {
        let rows = rows(self.section(id));
        let is_it = |row: &Vec<String>| {
            let is_alike = |(is, wanted): (&String, &&str)| wanted.is_empty() || is == wanted;
            row.len() >= cells.len() && row.iter().zip(cells).all(is_alike)
        };
        assert!(rows.iter().any(is_it), "{id}: no row {cells:?} in {rows:#?}");
        self.asked += 1;
    }

    fn partitions_and_time(&mut self, built: &Built<'_>) {
        let (system, sample) = (&self.sample.system, self.sample);
        for partition in &system.partitions {
            let bytes = partition.memory.size.value >> 20;
            self.row(
                "partitions",
                &[&partition.name.value, "", "", &format!("{bytes} MiB")],
            );
        }
        for (k, core) in built.cores.iter().enumerate() {
            for (number, slot) in built.slots_of(core).iter().enumerate() {
                let (core, number) = (format!("core {k}"), number.to_string());
                let (from, length) = (time(slot.offset_ns), time(slot.length_ns));
                self.row("frame", &[&core, &number, &from, &length]);
            }
        }
        let analysis = Analysis::of(&sample.system, &sample.system.board.bounds);
        for vcpu in analysis.report(system) {
            let of_vcpu = format!("<h3>{}</h3>", vcpu.partition);
            let parts: Vec<String> = self
                .section("tasks")
                .split("<h3>")
                .map(|part| format!("<h3>{part}"))
                .filter(|part| part.starts_with(&of_vcpu))
                .collect();
            for task in &vcpu.tasks {
                let wanted = [
                    task.name.clone(),
                    time(task.period_ns),
                    time(task.wcet_ns),
                    task.response_ns.map_or("no bound".to_owned(), time),
                    time(task.deadline_ns),
                ];
                let is_there = |part: &String| rows(part).iter().any(|row| row.starts_with(&wanted));
                assert!(parts.iter().any(is_there), "{wanted:?} in {parts:?}");
                self.asked += 1;
            }
        }
    }

    fn routes(&mut self, built: &Built<'_>) {
        let system = &self.sample.system;
        for spi in &built.spis {
            let owner = built.partition_name(spi.partition as usize);
            let (intid, core) = (spi.intid.to_string(), format!("core {}", spi.core));
            self.row("interrupts", &[&intid, "", "", owner, &core]);
        }
        for (stream, owner, _) in &built.records.streams {
            let stream = format!("{stream:#x}");
            let rows = rows(self.section("streams"));
            let mut own = rows.iter().filter(|row| row.len() == 6 && row[2] == *owner);
            let is_it = |row: &Vec<String>| row[4].split(' ').any(|id| id == stream);
            assert!(own.any(is_it), "{stream} of {owner} in {rows:#?}");
            self.asked += 1;
        }
        for loss in losses(system) {
            let device = loss.device.as_deref().unwrap_or("all");
            let owner = loss.partition.as_deref().unwrap_or("nobody");
            self.row("lost", &[device, owner, &loss.text]);
        }
        for controller in &system.board.controllers {
            self.row("controllers", &[&controller.name.value]);
        }
        for (erratum, _) in of_board(&system.board) {
            self.row("errata", &[erratum.name, "", erratum.effect]);
        }
        let drawn = text(self.section("graph"));
        for channel in &system.channels {
            assert!(
                drawn.contains(&channel.name.value),
                "{} in {drawn}",
                channel.name.value
            );
        }
        for lock in &system.locks {
            self.row("shared", &[&format!("channel:{}", lock.name.value)]);
        }
    }

    fn memory(&mut self, built: &Built<'_>) {
        let records = &built.records;
        for placed in &records.memory {
            let at = format!("{:#x}-{:#x}", placed.physical.start, placed.physical.end);
            self.row("memory", &[&at, "", &placed.owner, &placed.name]);
        }
        for shared in &records.shared {
            let at = format!("{:#x}-{:#x}", shared.physical.start, shared.physical.end);
            self.row("shared", &[&shared.name, &at, &shared.parties.join(" ")]);
        }
        for e in &records.emulated {
            let at = format!("{:#x}-{:#x}", e.input.start, e.input.end);
            self.row("reach", &[&e.partition, &e.device, &at]);
        }
        for grant in &records.grants {
            let id = if grant.root.starts_with("el2") {
                "el2"
            } else {
                "reach"
            };
            let begin = format!("<summary>{}: ", grant.root);
            let roots = between(self.section(id), "<details>", "</details>");
            let root = roots.into_iter().find(|root| root.starts_with(&begin));
            let root = root.unwrap_or_else(|| panic!("{id}: no {}", grant.root));
            let rows = rows(root);
            let is_cut = root.contains(" more ranges</p>");
            assert!(
                is_cut || rows.iter().any(|row| reaches(row, grant)),
                "{grant:?} in {rows:#?}"
            );
            self.asked += 1;
        }
    }

    fn values(&mut self) {
        let system = &self.sample.system;
        let rows = rows(self.section("values"));
        for origin in &system.origins {
            let wanted = [origin.path.clone(), origin.value.trim().to_owned()];
            let is_it = |row: &Vec<String>| row.starts_with(&wanted);
            let found = rows.iter().filter(|row| is_it(row));
            // What was written has a third cell with its place.
            let width = if origin.from == "default" { 2 } else { 3 };
            assert!(found.into_iter().any(|row| row.len() == width), "{origin:?}");
            self.asked += 1;
        }
    }
}

/// Whether a row of a root shows a grant, alone or joined with its neighbours.
fn reaches(row: &[String], grant: &GrantRecord) -> bool {
    let [_, physical, _, rights, memory, _] = row else {
        return false;
    };
    let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap();
    let (start, end) = physical.split_once('-').unwrap();
    let holds = number(start) <= grant.physical.start && grant.physical.end <= number(end);
    holds && *rights == grant.rights && *memory == grant.memory
}

fn holds_all(sample: &Sample) {
    let built = sample.built();
    let mut page = Page {
        sample,
        html: page(sample),
        asked: 0,
    };
    let ids: Vec<&str> = between(&page.html, "<section id=\"", "\"");
    assert_eq!(ids, SECTIONS.map(|(id, _)| id));
    page.partitions_and_time(&built);
    page.routes(&built);
    page.memory(&built);
    page.values();
    assert!(page.asked > 100, "{}", page.asked);
    assert_eq!(text(page.section("proof")), "There is no certificate.");
    let head = page.html.split_once("<nav>").unwrap().0;
    assert!(rows(head).contains(&vec![built.blob_hash()]), "{head}");
}

// Verifies: BH-EXPL-007
#[test]
fn the_report_of_the_reference_system_holds_each_fact() {
    holds_all(&Sample::reference());
}

// Verifies: BH-EXPL-007
#[test]
fn the_report_of_the_system_with_every_key_holds_each_fact() {
    holds_all(&Sample::every_key(|text| text));
}
