// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Text with the functions in it, and constants.

use std::collections::BTreeMap;

use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use crate::Error;

/// A symbol of text: from its address to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Demangled name without hash.
    pub name: String,
    /// First address.
    pub start: u64,
    /// Address behind its last.
    pub end: u64,
}

/// A linked program.
#[derive(Clone, Debug, Default)]
pub struct Program {
    words: BTreeMap<u64, u32>,
    functions: Vec<Function>,
    addresses: BTreeMap<String, u64>,
    data: Vec<(u64, Vec<u8>)>,
}

impl Program {
    /// A program of instruction words, with symbols (address and name) of functions.
    pub fn new(words: BTreeMap<u64, u32>, mut symbols: Vec<(u64, String)>) -> Self {
        symbols.sort();
        let end = words.keys().next_back().map_or(0, |last| last + 4);
        let addresses = symbols.iter().map(|(a, n)| (n.clone(), *a)).collect();
        symbols.dedup_by_key(|(address, _)| *address);
        let ends = symbols.iter().skip(1).map(|s| s.0).chain([end]);
        let functions = symbols
            .iter()
            .zip(ends)
            .map(|((start, name), end)| Function {
                name: name.clone(),
                start: *start,
                end,
            })
            .collect();
        Self {
            words,
            functions,
            addresses,
            data: Vec::new(),
        }
    }

    /// Reads an ELF file.
    ///
    /// # Errors
    /// [`Error::File`]: it is no ELF file.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |e: &dyn ToString| Error::File(e.to_string());
        let file = object::File::parse(bytes).map_err(|e| wrong(&e))?;
        let (mut words, mut data) = (BTreeMap::new(), Vec::new());
        for section in file.sections() {
            let bytes = match section.kind() {
                SectionKind::Text | SectionKind::ReadOnlyData => section.data().map_err(|e| wrong(&e))?,
                _ => continue,
            };
            if section.kind() == SectionKind::Text {
                let (chunks, _) = bytes.as_chunks::<4>();
                let addresses = (section.address()..).step_by(4);
                words.extend(addresses.zip(chunks.iter().map(|c| u32::from_le_bytes(*c))));
            }
            data.push((section.address(), bytes.to_vec()));
        }
        let (mut symbols, mut places) = (Vec::new(), Vec::new());
        let mut marks: Vec<(u64, bool)> = Vec::new();
        for symbol in file.symbols() {
            let name = symbol.name().map_err(|e| wrong(&e))?;
            let plain = || format!("{:#}", rustc_demangle::demangle(name));
            if symbol.kind() == SymbolKind::Data {
                places.push((plain(), symbol.address()));
            } else if words.contains_key(&symbol.address()) {
                match name.as_bytes() {
                    // Mapping symbols (Arm IHI 0056, "Mapping symbols"): from here on code, or data.
                    [b'$', kind, ..] => marks.push((symbol.address(), *kind == b'd')),
                    [] | [b'.', ..] => {}
                    _ if symbol.kind() == SymbolKind::Section || symbol.kind() == SymbolKind::File => {}
                    _ => symbols.push((symbol.address(), plain())),
                }
            }
        }
        marks.sort_unstable();
        words.retain(|address, _| {
            let after = marks.partition_point(|(at, _)| at <= address);
            let mark = after.checked_sub(1).and_then(|m| marks.get(m));
            !mark.is_some_and(|(_, is_data)| *is_data)
        });
        let mut all = Self::new(words, symbols);
        all.data = data;
        all.addresses.extend(places);
        Ok(all)
    }

    /// A little-endian constant of `width` bytes, at most 8.
    pub fn constant(&self, at: u64, width: u64) -> Option<u64> {
        let bytes = self.data.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(at.checked_sub(*start)?).ok()?;
            bytes.get(offset..offset + usize::try_from(width).ok()?)
        })?;
        let bytes = bytes.iter().rev();
        Some(bytes.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// All BR instructions, with their functions.
    pub(crate) fn branches(&self) -> impl Iterator<Item = (u64, &Function)> {
        let is_branch = |(_, word): &(&u64, &u32)| **word & 0xffff_fc1f == 0xd61f_0000;
        let all = self.words.iter().filter(is_branch);
        all.filter_map(|(at, _)| Some((*at, self.function(*at)?)))
    }

    /// Address of a symbol.
    ///
    /// # Errors
    /// There is none.
    pub fn symbol(&self, name: &str) -> Result<u64, Error> {
        let found = self.addresses.get(name).copied();
        found.ok_or_else(|| Error::NoSymbol(name.to_owned()))
    }

    /// All functions by address.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function that an address lies in.
    pub fn function(&self, address: u64) -> Option<&Function> {
        let after = self.functions.partition_point(|f| f.start <= address);
        let last = self.functions.get(after.checked_sub(1)?);
        last.filter(|f| address < f.end)
    }

    /// Its name.
    pub fn name(&self, address: u64) -> String {
        let function = self.function(address);
        function.map_or_else(|| format!("{address:#x}"), |f| f.name.clone())
    }

    pub(crate) fn word(&self, address: u64) -> Result<u32, Error> {
        self.words.get(&address).copied().ok_or_else(|| Error::NoCode {
            address,
            function: self.name(address),
        })
    }
}
