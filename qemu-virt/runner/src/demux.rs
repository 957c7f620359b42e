// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The serial line taken apart: each console's bytes to its transcript, the judge and the view.

use std::io;
use std::path::Path;

use bulkhead_model::manifest::Manifest;
use bulkhead_policy::mux::Decoder;

use crate::RunnerError;
use crate::console::{self, Console};
use crate::judge::{Judge, Speaker};
use crate::view::{Show, View};

/// All consoles behind one serial line.
#[derive(Debug)]
pub(crate) struct Demux {
    decoder: Decoder,
    consoles: Vec<Console>,
    partitions: usize,
    stray_bytes: u64,
    view: View<io::Stdout>,
}

impl Demux {
    /// At the begin of the line.
    pub(crate) fn new(manifest: &Manifest, images: &Path, show: Show) -> Result<Self, RunnerError> {
        let consoles = console::all(manifest, images)?;
        let names: Vec<&str> = consoles.iter().map(|console| console.name.as_str()).collect();
        Ok(Self {
            decoder: Decoder::new(),
            partitions: manifest.partitions.len(),
            stray_bytes: 0,
            view: View::stdout(show, &names),
            consoles,
        })
    }

    /// Partitions' consoles by partition index, then EL2's.
    pub(crate) fn consoles(&self) -> &[Console] {
        &self.consoles
    }

    /// Index of the console of that name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.consoles.iter().position(|console| console.name == name)
    }

    /// Bytes on channels that nobody owns.
    pub(crate) fn stray_bytes(&self) -> u64 {
        self.stray_bytes
    }

    /// Takes bytes of the line; those of one channel that follow each other are handled together.
    pub(crate) fn receive(&mut self, bytes: &[u8], judge: &mut Judge) -> io::Result<()> {
        let mut current = None;
        let mut run = Vec::new();
        for &byte in bytes {
            let Some((channel, byte)) = self.decoder.push(byte) else {
                continue;
            };
            let owner = self
                .consoles
                .iter()
                .position(|console| console.channel == channel);
            let Some(owner) = owner else {
                self.stray_bytes += 1;
                continue;
            };
            if let Some(before) = current.replace(owner).filter(|&before| before != owner) {
                self.console(before, &std::mem::take(&mut run), judge)?;
            }
            run.push(byte);
        }
        match current {
            Some(last) => self.console(last, &run, judge),
            None => Ok(()),
        }
    }

    /// Takes bytes of one console.
    pub(crate) fn console(&mut self, index: usize, bytes: &[u8], judge: &mut Judge) -> io::Result<()> {
        let speaker = match index.checked_sub(self.partitions) {
            None => Speaker::Partition(index),
            Some(0) => Speaker::HypervisorText,
            Some(_) => Speaker::HypervisorLog,
        };
        let Some(console) = self.consoles.get_mut(index) else {
            return Ok(());
        };
        let text = console.receive(bytes);
        console.lines(&text, |line| judge.line(speaker, line));
        self.view.text(index, &text)
    }

    /// Shows parts of lines after a pause.
    pub(crate) fn idle(&mut self) -> io::Result<()> {
        self.view.idle()
    }

    /// Shows all that is left.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.view.finish()
    }
}
