// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The judgement.

use crate::blob::Blob;
use crate::files::Files;
use crate::image::Image;
use crate::reach::Reach;
use crate::rules;
use crate::text::Text;

/// What a system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It does what its text grants, and that isolates.
    Harmless,
    /// It has not the form of this version; nothing beyond the grants is reached through that.
    IllFormed,
    /// Its effect differs from the grants, or the grants do not isolate.
    Harmful,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Effects that are not granted or do not isolate.
    pub harmful: Vec<String>,
    /// Breaches of form.
    pub form: Vec<String>,
}

impl Found {
    /// Adds an effect unless `good`.
    pub fn effect(&mut self, good: bool, text: impl FnOnce() -> String) {
        if !good {
            self.harmful.push(text());
        }
    }

    /// Adds a breach of form unless `good`.
    pub fn form(&mut self, good: bool, text: impl FnOnce() -> String) {
        if !good {
            self.form.push(text());
        }
    }

    /// What it amounts to.
    pub fn verdict(&self) -> Verdict {
        match (self.harmful.is_empty(), self.form.is_empty()) {
            (false, _) => Verdict::Harmful,
            (true, false) => Verdict::IllFormed,
            (true, true) => Verdict::Harmless,
        }
    }
}

/// Everything that is known of a system whose places are sound.
pub struct Case<'a> {
    /// The hypervisor image.
    pub image: Image,
    /// The blob's tables.
    pub blob: Blob,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The text form.
    pub text: Text,
    /// What is reached.
    pub reach: Reach,
}

/// Judges a system.
pub fn judge(files: &Files) -> Found {
    let mut found = Found::default();
    found.form(files.is_sealed(), || "the early digest is wrong".to_owned());
    let case = match open(files, &mut found) {
        Ok(case) => case,
        Err(why) => {
            found.form.push(why);
            return found;
        }
    };
    rules::places::pages(&case, &mut found);
    rules::records::check(&case, &mut found);
    rules::words::check(&case, &mut found);
    rules::cores::check(&case, &mut found);
    rules::devices::check(&case, &mut found);
    rules::firmware::check(&case, &mut found);
    rules::streams::check(&case, &mut found);
    rules::controllers::check(&case, &mut found);
    rules::grants::check(&case, &mut found);
    rules::el2::check(&case, &mut found);
    rules::sharing::check(&case, &mut found);
    rules::placed::check(&case, &mut found);
    rules::colours::check(&case, &mut found);
    found
}

/// Reads and walks everything.
///
/// # Errors
/// What makes the rest meaningless.
pub fn open<'a>(files: &'a Files, found: &mut Found) -> Result<Case<'a>, String> {
    let image = Image::read(&files.hypervisor).ok_or("hypervisor.bin: not of this version")?;
    let blob = Blob::read(&files.blob)?;
    let text = Text::read(&files.text)?;
    rules::places::header(&image, &blob, files, &text)?;
    let reach = Reach::of(&blob, &files.blob, u32::try_from(text.address_bits).unwrap_or(0));
    found.form.extend(reach.wrong.iter().cloned());
    Ok(Case {
        image,
        blob,
        bytes: &files.blob,
        text,
        reach,
    })
}
