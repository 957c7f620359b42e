// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The graph of a system: channels above, partitions with their devices and streams in the middle, cores and EL2
//! below. What belongs to somebody is drawn inside it; only what is shared needs lines.

use bulkhead_model::channel::Channel;
use bulkhead_model::system::{Cores, Partition, System};

use super::canvas::{Align, Area, CHANNEL, CORE, Canvas, DEVICE, EL2, FREE, LINE, Paint, partition, width};
use super::lanes::{mean, spread};
use crate::at::slot_owner;
use crate::built::Built;
use crate::channel::carries;
use crate::overview::{criticality, payload};
use crate::share::longest;
use crate::walk::streams;
use crate::words::{listed, size, through, time};

const MARGIN: i64 = 24;
const GAP: i64 = 28;
const PAD: i64 = 10;
/// Space for lines between rows.
const ROWS: i64 = 84;

/// A box with lines of text, and smaller boxes inside.
struct Card {
    title: String,
    lines: Vec<String>,
    inner: Vec<Vec<String>>,
    paint: Paint,
}

impl Card {
    fn width(&self) -> i64 {
        let inner = self.inner.iter().flatten().map(|l| width(l) + 2 * PAD);
        let own = self.lines.iter().chain([&self.title]).map(|l| width(l));
        inner.chain(own).max().unwrap_or(0).max(90) + 2 * PAD
    }

    fn lines_height(lines: usize) -> i64 {
        i64::try_from(lines).unwrap_or(0) * LINE
    }

    fn height(&self) -> i64 {
        let inner = self.inner.iter().map(|l| Self::lines_height(l.len()) + PAD + 6);
        PAD + Self::lines_height(1 + self.lines.len()) + inner.sum::<i64>() + PAD
    }

    fn draw(&self, canvas: &mut Canvas, at: Area) {
        canvas.area(at, self.paint, "");
        let mut y = at.y + PAD + 10;
        canvas.title(at.middle(), y, Align::Middle, &self.title);
        for line in &self.lines {
            y += LINE;
            canvas.text(at.middle(), y, Align::Middle, line);
        }
        for lines in &self.inner {
            let top = y + PAD;
            let height = Self::lines_height(lines.len()) + 6;
            let inside = Area {
                x: at.x + PAD,
                y: top,
                width: at.width - 2 * PAD,
                height,
            };
            canvas.area(inside, DEVICE, "");
            y = top;
            for line in lines {
                y += LINE;
                canvas.text(inside.middle(), y - 2, Align::Middle, line);
            }
            y = top + height - 4;
        }
    }
}

/// Draws the graph of a system. Implements: BH-EXPL-006.
pub fn graph(system: &System, built: &Built<'_>) -> String {
    let partitions: Vec<Card> = system
        .partitions
        .iter()
        .enumerate()
        .map(|(k, p)| partition_card(system, built, k, p))
        .collect();
    let channels: Vec<Card> = system.channels.iter().map(channel_card).collect();
    let cores: Vec<Card> = (0..built.cores.len())
        .map(|k| core_card(system, built, k))
        .collect();

    let widths: Vec<i64> = partitions.iter().map(Card::width).collect();
    let mut x = 0;
    let wishes: Vec<i64> = widths
        .iter()
        .map(|w| {
            let middle = x + w / 2;
            x += w + GAP;
            middle
        })
        .collect();
    let middle = (x - GAP) / 2;
    let partition_x = spread(&widths, &wishes, GAP);
    let place = |cards: &[Card], users: &dyn Fn(usize) -> Vec<usize>| {
        let wishes = (0..cards.len()).map(|k| {
            let at: Vec<i64> = users(k)
                .iter()
                .filter_map(|p| partition_x.get(*p).copied())
                .collect();
            mean(&at, middle)
        });
        let widths: Vec<i64> = cards.iter().map(Card::width).collect();
        spread(&widths, &wishes.collect::<Vec<_>>(), GAP)
    };
    let channel_x = place(&channels, &|c| parties(&system.channels[c]));
    let core_x = place(&cores, &|core| users_of(system, core));

    let rows = [
        (&channels, &channel_x),
        (&partitions, &partition_x),
        (&cores, &core_x),
    ];
    let left = rows
        .iter()
        .flat_map(|(cards, at)| cards.iter().zip(at.iter()).map(|(c, x)| x - c.width() / 2))
        .min()
        .unwrap_or(0);
    let right = rows
        .iter()
        .flat_map(|(cards, at)| cards.iter().zip(at.iter()).map(|(c, x)| x + c.width() / 2))
        .max()
        .unwrap_or(0);
    let mut canvas = Canvas::new();
    canvas.title(
        MARGIN,
        MARGIN,
        Align::Start,
        &format!("{} on {}", system.name.value, system.board.name.value),
    );
    let mut y = MARGIN + LINE;
    let mut areas: Vec<Vec<Area>> = Vec::new();
    for (cards, at) in rows {
        let height = cards.iter().map(Card::height).max().unwrap_or(0);
        let row = cards.iter().zip(at.iter()).map(|(card, x)| {
            let width = card.width();
            Area {
                x: x - width / 2 - left + MARGIN,
                y,
                width,
                height,
            }
        });
        areas.push(row.collect());
        y += if height == 0 { 0 } else { height + ROWS };
    }
    let [channel_areas, partition_areas, core_areas] = areas.as_slice() else {
        return String::new();
    };
    channel_lines(&mut canvas, system, channel_areas, partition_areas);
    core_lines(&mut canvas, system, built, core_areas, partition_areas);
    for (cards, areas) in [
        (&channels, channel_areas),
        (&partitions, partition_areas),
        (&cores, core_areas),
    ] {
        for (card, area) in cards.iter().zip(areas) {
            card.draw(&mut canvas, *area);
        }
    }
    let bar = el2_card(system, built);
    let whole = (right - left).max(bar.width());
    let at = Area {
        x: MARGIN,
        y: y - ROWS + GAP,
        width: whole,
        height: bar.height(),
    };
    bar.draw(&mut canvas, at);
    canvas.finish(
        whole + 2 * MARGIN,
        at.bottom() + MARGIN,
        &format!("Graph of system {}", system.name.value),
    )
}

fn parties(channel: &Channel) -> Vec<usize> {
    let readers = channel.readers.iter().map(|r| r.value);
    [channel.writer.value].into_iter().chain(readers).collect()
}

fn users_of(system: &System, core: usize) -> Vec<usize> {
    let users = system
        .partitions
        .iter()
        .enumerate()
        .filter(|(_, p)| p.vcpu_on(core).is_some());
    users.map(|(k, _)| k).collect()
}

fn partition_card(system: &System, built: &Built<'_>, index: usize, p: &Partition) -> Card {
    let valid: Vec<u64> = streams(built).iter().map(|(id, _)| *id).collect();
    let inner = p.devices.iter().filter_map(|d| {
        let device = system.board.devices.get(d.value)?;
        let intid = device.show_interrupts();
        let streams = built.records.streams_of(&device.name.value);
        let dma = match device.bdf() {
            None if !streams.is_empty() => through(&streams),
            None if device.bus_master => "no SMMU guards it".to_owned(),
            None => "no bus master".to_owned(),
            Some(bdf) if valid.contains(&u64::from(bdf)) => format!("StreamID {bdf:#x}, through the SMMU"),
            Some(bdf) => format!("StreamID {bdf:#x}, invalid: no DMA"),
        };
        Some(vec![format!("{}{intid}", device.name.value), dma])
    });
    Card {
        title: p.name.value.clone(),
        lines: vec![
            criticality(p.criticality.value).to_owned(),
            payload(p),
            format!("{} RAM", size(p.memory.size.value)),
        ],
        inner: inner.collect(),
        paint: partition(index),
    }
}

fn channel_card(channel: &Channel) -> Card {
    Card {
        title: channel.name.value.clone(),
        lines: vec![carries(channel)],
        inner: Vec::new(),
        paint: CHANNEL,
    }
}

fn core_card(system: &System, built: &Built<'_>, core: usize) -> Card {
    let users = users_of(system, core);
    let dedicated = users
        .iter()
        .any(|p| matches!(system.partitions[*p].cores, Cores::Dedicated { .. }));
    let mut lines = Vec::new();
    if let Some(entry) = built.cores.get(core) {
        let own: u64 = built
            .slots_of(entry)
            .iter()
            .filter(|s| slot_owner(built, s) == "system")
            .map(|s| s.length_ns)
            .sum();
        lines.push(match (dedicated, entry.slot_count) {
            (true, _) => "dedicated".to_owned(),
            (false, 0) => "unused".to_owned(),
            (false, _) => format!("frame {}", time(entry.major_frame_ns)),
        });
        if own > 0 {
            lines.push(format!("EL2 {}", time(own)));
        }
    }
    Card {
        title: format!("core {core}"),
        lines,
        inner: Vec::new(),
        paint: if users.is_empty() { FREE } else { CORE },
    }
}

fn el2_card(system: &System, built: &Built<'_>) -> Card {
    let kept = built.records.memory.iter().filter(|p| p.owner == "el2");
    let devices: Vec<&str> = kept
        .map(|p| p.name.as_str())
        .filter(|n| matches!(*n, "gicd" | "gicr" | "gich" | "uart" | "smmu" | "ecam"))
        .collect();
    let owned = |k: usize| {
        system
            .partitions
            .iter()
            .any(|p| p.devices.iter().any(|d| d.value == k))
    };
    let free = system
        .board
        .devices
        .iter()
        .enumerate()
        .filter(|(k, _)| !owned(*k));
    let free: Vec<&str> = free.map(|(_, d)| d.name.value.as_str()).collect();
    let mut lines = vec![format!("keeps {}", listed(devices))];
    if !free.is_empty() {
        lines.push(format!("devices of nobody, switched off: {}", listed(free)));
    }
    Card {
        title: "EL2".to_owned(),
        lines,
        inner: Vec::new(),
        paint: EL2,
    }
}

/// The place of connection `number` of `count` on an edge of a box.
fn port(area: Area, number: usize, count: usize) -> i64 {
    let (number, count) = (
        i64::try_from(number).unwrap_or(0),
        i64::try_from(count).unwrap_or(1),
    );
    area.x + area.width * (number + 1) / (count + 1)
}

fn channel_lines(canvas: &mut Canvas, system: &System, channels: &[Area], partitions: &[Area]) {
    let mut used = vec![0usize; partitions.len()];
    let mut total = vec![0usize; partitions.len()];
    for p in system.channels.iter().flat_map(parties) {
        total[p] += 1;
    }
    for (channel, area) in system.channels.iter().zip(channels) {
        let parties = parties(channel);
        let mut order = parties.clone();
        order.sort_by_key(|p| partitions[*p].x);
        for (k, p) in parties.iter().enumerate() {
            let own = partitions[*p];
            let place = order.iter().position(|o| o == p).unwrap_or(k);
            let at = port(own, used[*p], total[*p]);
            let there = port(*area, place, parties.len());
            used[*p] += 1;
            let colour = partition(*p).border;
            if k == 0 {
                canvas.curve((at, own.y), (there, area.bottom()), colour, true);
                canvas.label(at, own.y - 14, "writes");
            } else {
                canvas.curve((there, area.bottom()), (at, own.y), colour, true);
                canvas.label(at, own.y - 14, "reads");
            }
        }
    }
}

fn core_lines(canvas: &mut Canvas, system: &System, built: &Built<'_>, cores: &[Area], partitions: &[Area]) {
    for (index, p) in system.partitions.iter().enumerate() {
        let own = partitions[index];
        let list = p.core_list();
        for (vcpu, core) in list.iter().enumerate() {
            let Some(area) = cores.get(core.value) else {
                continue;
            };
            let users = users_of(system, core.value);
            let position = users.iter().position(|u| *u == index).unwrap_or(0);
            let (from, to) = (port(own, vcpu, list.len()), port(*area, position, users.len()));
            canvas.curve((from, own.bottom()), (to, area.y), partition(index).border, false);
            let share: u64 = built.cores.get(core.value).map_or(0, |entry| {
                let slots = built.slots_of(entry).iter();
                slots.map(|s| longest(built, s, &p.name.value)).sum()
            });
            let label = match &p.cores {
                Cores::Dedicated { .. } => format!("vCPU {vcpu}, always"),
                Cores::Sliced { .. } => format!("vCPU {vcpu}, {}", time(share)),
            };
            canvas.label(from, own.bottom() + 18, &label);
        }
    }
}
