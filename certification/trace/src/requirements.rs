// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The requirement files and the rules of their language.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::source::Marker;
use crate::{Id, Trace, TraceError};

/// Words that say nothing that a test could decide.
pub const VAGUE: &[&str] = &[
    "adequate",
    "approximately",
    "appropriate",
    "appropriately",
    "as needed",
    "as far as possible",
    "easily",
    "easy",
    "efficient",
    "efficiently",
    "etc",
    "fast",
    "flexible",
    "gracefully",
    "if necessary",
    "if possible",
    "normally",
    "optimal",
    "properly",
    "quickly",
    "reasonable",
    "robust",
    "should",
    "sufficient",
    "suitable",
    "usually",
    "user-friendly",
    "where possible",
];

/// The file of gaps, in the folder of the requirements.
const GAPS: &str = "gaps.yaml";

/// One requirement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its ID; the area is the name of its file.
    pub id: Id,
    /// One sentence with one "shall".
    pub text: String,
}

/// A requirement that lacks an implementation or a test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The requirement.
    pub id: Id,
    /// Which marker there is not.
    pub lacks: Marker,
    /// Why.
    pub reason: String,
}

impl Requirement {
    /// What is wrong with the sentence.
    pub fn faults(&self) -> Vec<String> {
        let Self { id, text } = self;
        let mut faults = Vec::new();
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric() && c != '-')
            .filter(|w| !w.is_empty())
            .map(str::to_lowercase)
            .collect();
        if words.iter().filter(|w| *w == "shall").count() != 1 {
            faults.push(format!("{id} does not say `shall` once"));
        }
        if !text.ends_with('.') || text.contains(". ") {
            faults.push(format!("{id} is not one sentence"));
        }
        let line = format!(" {} ", words.join(" "));
        for vague in VAGUE.iter().filter(|v| line.contains(&format!(" {v} "))) {
            faults.push(format!("{id} says `{vague}`"));
        }
        faults
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, TraceError> {
    let text = fs::read_to_string(path).map_err(|e| TraceError::Read(path.to_owned(), e))?;
    serde_saphyr::from_str(&text).map_err(|e| TraceError::Yaml(path.to_owned(), e.to_string()))
}

/// Reads all files of a folder.
pub(crate) fn read(folder: &Path, trace: &mut Trace) -> Result<(), TraceError> {
    let entries = fs::read_dir(folder).map_err(|e| TraceError::Read(folder.to_owned(), e))?;
    let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "yaml"));
    paths.sort();
    for path in paths {
        if path.file_name().is_some_and(|n| n == GAPS) {
            trace.gaps = parse(&path)?;
            continue;
        }
        let requirements: Vec<Requirement> = parse(&path)?;
        let area = path.file_stem().map(|s| s.to_string_lossy().to_uppercase());
        if let Some(stray) = requirements.iter().find(|r| Some(r.id.area()) != area.as_deref()) {
            return Err(TraceError::Yaml(path, format!("{} is of another area", stray.id)));
        }
        trace.requirements.extend(requirements);
    }
    Ok(())
}
