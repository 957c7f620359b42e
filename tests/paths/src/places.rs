// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which source function an instruction comes from, as the debug information says.

use std::collections::BTreeMap;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian};
use object::{Object, ObjectSection};

use crate::Error;

/// A source function on the way to an instruction, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path of the function, closures counted to the function around them.
    pub function: String,
    /// Line in the function's file; 0 when that is not known.
    pub line: u32,
    /// File.
    pub file: String,
}

/// The source functions of instructions, the innermost first.
#[derive(Clone, Debug, Default)]
pub struct Places(pub BTreeMap<u64, Vec<Place>>);

/// A function's path without closures, generic arguments of a type, and the brackets around it.
fn plain(name: &str) -> String {
    let demangled = format!("{:#}", rustc_demangle::demangle(name));
    let mut path = demangled.as_str();
    while let Some((outer, last)) = path.rsplit_once("::") {
        if !last.starts_with("{closure") && !last.starts_with("{{closure") {
            break;
        }
        path = outer;
    }
    path.to_owned()
}

impl Places {
    /// Reads the debug information of an ELF file for some addresses.
    ///
    /// # Errors
    /// [`Error::File`]: it is no ELF file, or its debug information is damaged.
    pub fn read(bytes: &[u8], addresses: impl Iterator<Item = u64>) -> Result<Self, Error> {
        let wrong = |e: &dyn ToString| Error::File(e.to_string());
        let file = object::File::parse(bytes).map_err(|e| wrong(&e))?;
        let dwarf = Dwarf::load(|id| {
            let section = file.section_by_name(id.name());
            let data = section.map_or(Ok(&[][..]), |s| s.data())?;
            Ok::<_, object::Error>(EndianSlice::new(data, LittleEndian))
        });
        let context = Context::from_dwarf(dwarf.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        let mut places = BTreeMap::new();
        for address in addresses {
            let mut frames = context
                .find_frames(address)
                .skip_all_loads()
                .map_err(|e| wrong(&e))?;
            let mut chain = Vec::new();
            while let Some(frame) = frames.next().map_err(|e| wrong(&e))? {
                let name = frame
                    .function
                    .as_ref()
                    .map(|f| f.name.to_string_lossy().into_owned());
                let location = frame.location;
                chain.push(Place {
                    function: name.map(|n| plain(&n)).unwrap_or_default(),
                    line: location.as_ref().and_then(|l| l.line).unwrap_or(0),
                    file: location.and_then(|l| l.file).unwrap_or_default().to_owned(),
                });
            }
            places.insert(address, chain);
        }
        Ok(Self(places))
    }

    /// The functions around one instruction that are also around all others, entered at the same places, the innermost
    /// first.
    pub fn common(&self, first: u64, others: impl Iterator<Item = u64>) -> Vec<String> {
        let chain = |at| self.of(at).iter().rev();
        let mut common = chain(first).len();
        for other in others {
            let (mine, theirs) = (chain(first), chain(other));
            // Frames are the same when they and the places of the calls around them are.
            let mut calls = None;
            let same = mine.zip(theirs).take_while(|(a, b)| {
                let same = a.function == b.function && calls.is_none_or(|same| same);
                calls = Some((&a.file, a.line) == (&b.file, b.line));
                same
            });
            common = common.min(same.count());
        }
        chain(first)
            .take(common)
            .map(|p| p.function.clone())
            .rev()
            .collect()
    }

    /// The source functions of an instruction, the innermost first.
    pub fn of(&self, address: u64) -> &[Place] {
        self.0.get(&address).map_or(&[], Vec::as_slice)
    }
}
