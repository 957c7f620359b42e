// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seeded mutations of a system that is right.
//!
//! A mutation changes one thing, as a wrong compiler, a wrong edit or a flipped bit would, or writes the same
//! system differently. Whether it is harmful is not known here: [`crate::judge`] says it.

mod colours;
mod rewrite;
mod sections;
mod tables;
mod text;

use crate::blob::Blob;
use crate::bytes::put;
use crate::files::Files;
use crate::judge::{Found, open};
use crate::reach::Reach;
use crate::rng::Rng;
use crate::rules::records::expected;
use crate::walk::Seen;

/// What is mutated, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// One bit anywhere in the blob.
    AnyBit,
    /// One bit of a descriptor that is not zero.
    DescriptorBit,
    /// An attribute field of a leaf.
    Attributes,
    /// The address in a leaf or in a table descriptor.
    Redirect,
    /// Descriptors swapped, moved or duplicated.
    MoveDescriptors,
    /// One bit of the header or of a section.
    SectionBit,
    /// A field of the header or of a section gets another value.
    Field,
    /// Entries of a section swapped or duplicated.
    MoveEntries,
    /// A control word.
    Word,
    /// A stream table entry.
    Stream,
    /// [`Class::Field`], [`Class::MoveEntries`], [`Class::Word`] or [`Class::Stream`], and the text tells the same.
    Told,
    /// A grant in tables and text alike: rights, type, or another place.
    Granted,
    /// A line of the text.
    Line,
    /// The same system written differently.
    Rewrite,
    /// Pages, tables, roots and claims of page colours, where a system has some.
    Colour,
}

/// All classes; what decides isolation most stands more than once.
const DRAW: [Class; 20] = [
    Class::AnyBit,
    Class::DescriptorBit,
    Class::DescriptorBit,
    Class::Attributes,
    Class::Attributes,
    Class::Redirect,
    Class::Redirect,
    Class::MoveDescriptors,
    Class::SectionBit,
    Class::Field,
    Class::MoveEntries,
    Class::Word,
    Class::Stream,
    Class::Stream,
    Class::Told,
    Class::Told,
    Class::Granted,
    Class::Line,
    Class::Line,
    Class::Rewrite,
];

/// A system that is right, and what mutations need to know of it.
pub struct Base {
    /// Its files.
    pub files: Files,
    blob: Blob,
    reach: Reach,
    /// Whether a partition has page colours.
    coloured: bool,
    /// Every descriptor that is not zero.
    seen: Vec<Seen>,
}

/// A mutated system.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Its files.
    pub files: Files,
    /// What was mutated.
    pub class: Class,
    /// What was done.
    pub text: String,
}

impl Base {
    /// Takes a system.
    ///
    /// # Errors
    /// It cannot even be decoded.
    pub fn new(files: Files) -> Result<Self, String> {
        let case = open(&files, &mut Found::default())?;
        let bits = u32::try_from(case.text.address_bits).unwrap_or(0);
        let (reach, seen) = Reach::with(&case.blob, &files.blob, bits, Some(Vec::new()));
        let (blob, coloured) = (case.blob.clone(), case.text.colours.is_some());
        Ok(Self {
            files,
            blob,
            reach,
            coloured,
            seen,
        })
    }

    /// The mutation of number `seed`.
    pub fn mutate(&self, seed: u64) -> Mutant {
        let mut rng = Rng::new(seed);
        let colour = self.coloured && rng.below(4) == 0;
        let class = rng
            .pick(&DRAW)
            .copied()
            .filter(|_| !colour)
            .unwrap_or(Class::Colour);
        let mut files = self.files.clone();
        let text = self.apply(class, &mut files, &mut rng);
        files.seal();
        Mutant { files, class, text }
    }

    fn apply(&self, class: Class, files: &mut Files, rng: &mut Rng) -> String {
        match class {
            Class::AnyBit => {
                let bit = rng.below(8 * u64::try_from(files.blob.len()).unwrap_or(0));
                flip(&mut files.blob, bit)
            }
            Class::DescriptorBit => self.descriptor_bit(&mut files.blob, rng),
            Class::Attributes => self.attributes(&mut files.blob, rng),
            Class::Redirect => self.redirect(&mut files.blob, rng),
            Class::MoveDescriptors => self.move_descriptors(&mut files.blob, rng),
            Class::SectionBit => self.section_bit(&mut files.blob, rng),
            Class::Field => self.field(&mut files.blob, rng),
            Class::MoveEntries => self.move_entries(&mut files.blob, rng),
            Class::Word => self.word(&mut files.blob, rng),
            Class::Stream => self.stream(&mut files.blob, rng),
            Class::Told => {
                let untold = [Class::Field, Class::MoveEntries, Class::Word, Class::Stream];
                let class = rng.pick(&untold).copied().unwrap_or(Class::Field);
                let text = self.apply(class, files, rng);
                tell(files);
                format!("{text}, told")
            }
            Class::Granted => self.granted(files, rng),
            Class::Line => text::line(&mut files.text, rng),
            Class::Rewrite => self.rewrite(files, rng),
            Class::Colour => self.colour(files, rng),
        }
    }
}

/// Flips bit `bit` of `bytes`.
fn flip(bytes: &mut [u8], bit: u64) -> String {
    let at = bit / 8;
    if let Some(byte) = bytes.get(crate::bytes::index(at)).copied() {
        put(bytes, at, &[byte ^ (1 << (bit % 8))]);
    }
    format!("bit {} of byte {at:#x}", bit % 8)
}

/// Makes the text say what the blob says, as a compiler would that is wrong in one place only.
fn tell(files: &mut Files) {
    let records = match open(files, &mut Found::default()) {
        Ok(case) => expected(&case),
        // What cannot be decoded cannot be told.
        Err(_) => return,
    };
    files.text = text::retold(&files.text, &records);
}
