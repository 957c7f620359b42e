// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The system that is mutated and booted: a prober with a bus master beside a partition that never starts.

use std::fs;

use bulkhead_model::manifest::Manifest;
use bulkhead_mutants::blob::Blob;
use bulkhead_mutants::files::Files;
use bulkhead_mutants::image::{Image, Range};
use bulkhead_mutants::mutate::Base;
use bulkhead_mutants::predict::View;
use bulkhead_mutants::stream::Entry;
use bulkhead_mutants::text::{Grant, Text};
use bulkhead_on_target::System;

/// Input addresses of RAM.
const RAM_IPA: u64 = 0x4000_0000;
/// What the prober's program and mailbox lie in.
const PROGRAM: u64 = 0x20_0000;

/// The system and where things lie in it.
pub(crate) struct Scene {
    pub(crate) base: Base,
    pub(crate) files: Files,
    pub(crate) view: View,
    pub(crate) manifest: Manifest,
    /// `image.bin`, and where the blob lies in it.
    pub(crate) image: Vec<u8>,
    pub(crate) blob_at: usize,
    /// Index of the prober.
    pub(crate) prober: usize,
    /// Its core.
    pub(crate) core: u64,
    /// Physical address of its RAM, and of the other partition's.
    pub(crate) ram: u64,
    pub(crate) victim_ram: u64,
    /// Bytes of RAM of the machine.
    pub(crate) memory: u64,
    /// Physical ranges in which nothing may be written.
    pub(crate) occupied: Vec<Range>,
    /// Input ranges that the prober cannot do without.
    pub(crate) needed: Vec<Range>,
    /// Input ranges that EL2 emulates.
    pub(crate) emulated: Vec<Range>,
    /// Registers of its bus master.
    pub(crate) registers: u64,
    /// Its StreamID and stream table entry.
    pub(crate) stream: u64,
    pub(crate) sound: Entry,
    /// End of header and sections in the blob.
    pub(crate) sections_end: usize,
}

fn sized(start: u64, size: u64) -> Range {
    Range {
        start,
        end: start + size,
    }
}

impl Scene {
    /// Builds the system.
    pub(crate) fn build() -> Self {
        let system = System::build("tests/mutants/systems/prober.yaml", &[]);
        let read = |name: &str| fs::read(system.folder().join(name)).expect(name);
        let files = Files {
            hypervisor: read("hypervisor.bin").into(),
            blob: read("system.blob"),
            text: read("grants.txt"),
        };
        let manifest: Manifest = serde_json::from_slice(&read("manifest.json")).expect("manifest");
        let base = Base::new(files.clone()).expect("the system is read");
        let view = View::of(&files).expect("the system is read");
        let text = Text::read(&files.text).expect("text form");
        let hypervisor = Image::read(&files.hypervisor).expect("image");
        let index = |name: &str| {
            let found = view
                .blob
                .partitions
                .iter()
                .position(|p| p.name.as_deref() == Some(name));
            found.expect("partition")
        };
        let granted = |partition: &str, name: &str| -> Grant {
            let root = format!("partition:{partition}");
            text.grants
                .iter()
                .find(|g| g.root == root && g.name == name)
                .expect(name)
                .clone()
        };
        let input = |grant: &Grant| sized(grant.input, grant.range.size());
        let names = ["loader", "load-list", "payload", "ram"];
        let mut needed: Vec<Range> = names.iter().map(|name| input(&granted("prober", name))).collect();
        let registers = granted("prober", "edu0");
        needed.push(sized(registers.input, 4096));
        // The loader resets both cores of the CAN controller.
        needed.push(sized(granted("prober", "can0").input, 0x8000));
        let prober = index("prober");
        let partition = &view.blob.partitions[prober];
        let ram = granted("prober", "ram");
        assert_eq!(ram.input, RAM_IPA);
        let blob: &Blob = &view.blob;
        let mut occupied = vec![
            Range {
                start: hypervisor.all.start,
                end: blob.base + blob.certificate + 4096,
            },
            sized(blob.live_base, blob.live_size),
            sized(blob.board.queues, 8192),
            sized(ram.range.start, PROGRAM),
        ];
        for name in ["prober", "victim"] {
            occupied.push(granted(name, "load-list").range);
            occupied.push(granted(name, "payload").range);
        }
        let vcpu = blob
            .vcpus
            .iter()
            .find(|v| usize::try_from(v.partition) == Ok(prober))
            .expect("vCPU");
        let bus_master = |s: &&bulkhead_mutants::reach::Stream| s.owner == Some(prober);
        let stream = view.reach.streams.iter().find(bus_master).expect("stream");
        let sections_end = blob
            .places
            .iter()
            .map(|(offset, length)| offset + length)
            .max()
            .expect("sections");
        Self {
            prober,
            core: vcpu.core.into(),
            ram: ram.range.start,
            victim_ram: granted("victim", "ram").range.start,
            memory: manifest.qemu.as_ref().expect("the board is modelled").memory,
            occupied,
            needed,
            emulated: vec![
                sized(partition.gicd, 0x1_0000),
                sized(partition.gicr, 0x2_0000 * u64::from(partition.vcpus.1)),
            ],
            registers: registers.input,
            stream: stream.id,
            sound: stream.entry,
            sections_end: usize::try_from(sections_end).expect("fits"),
            image: read("image.bin"),
            blob_at: usize::try_from(blob.base - hypervisor.all.start).expect("fits"),
            base,
            files,
            view,
            manifest,
        }
    }

    /// The image with another blob and certificate.
    pub(crate) fn image_of(&self, blob: &[u8], certificate: &[u8]) -> Vec<u8> {
        let mut image = self.image.clone();
        let end = self.blob_at + blob.len();
        assert!(
            image[self.blob_at..end] == self.files.blob,
            "the blob lies where its header says"
        );
        image[self.blob_at..end].copy_from_slice(blob);
        image[end..end + certificate.len()].copy_from_slice(certificate);
        image
    }
}
