// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The specs of tests/invalid and what they say of themselves.

use std::fs;
use std::path::Path;

/// What the comment of an invalid spec says: the rule, the place, the source of the place, overrides.
pub(crate) struct Case {
    pub(crate) file: String,
    pub(crate) rule: String,
    pub(crate) place: String,
    pub(crate) source: String,
    pub(crate) overrides: Vec<String>,
    /// The valid spec that it was made from.
    pub(crate) sibling: String,
    pub(crate) body: String,
}

/// All of tests/invalid.
pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/invalid");
    let files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut cases = Vec::new();
    for path in files.filter(|p| p.extension().is_some_and(|e| e == "yaml")) {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if file.starts_with("valid.") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let comments: Vec<&str> = text.lines().map_while(|l| l.strip_prefix("# ")).collect();
        let words: Vec<&str> = comments.first().unwrap_or(&"").split(' ').collect();
        let (rule, place, source) = match words.as_slice() {
            [rule, place] => (rule, place, file.as_str()),
            [rule, place, "in", source] => (rule, place, *source),
            _ => panic!("{file}: the first line must be `# RULE LINE:COLUMN [in FILE]`"),
        };
        cases.push(Case {
            rule: (*rule).to_owned(),
            place: (*place).to_owned(),
            source: source.to_owned(),
            overrides: comments
                .iter()
                .filter_map(|c| c.strip_prefix("--set "))
                .map(str::to_owned)
                .collect(),
            sibling: comments
                .iter()
                .find_map(|c| c.strip_prefix("from "))
                .unwrap_or("valid.yaml")
                .to_owned(),
            body: text.lines().skip(comments.len()).collect::<Vec<_>>().join("\n"),
            file,
        });
    }
    cases
}

impl Case {
    /// Whether `found` is one breach, of this case's rule at its place; otherwise what is wrong.
    pub(crate) fn judge(&self, found: &[bulkhead_model::Record]) -> Option<String> {
        let found: Vec<String> = found
            .iter()
            .map(|r| {
                let place = &r.primary;
                format!("{} {}:{} in {}", r.rule, place.line, place.column, place.file)
            })
            .collect();
        let wanted = format!("{} {} in ", self.rule, self.place);
        let as_wanted = |f: &String| f.starts_with(&wanted) && f.ends_with(&self.source);
        (found.len() != 1 || !found.iter().all(as_wanted))
            .then(|| format!("{}: wanted {wanted}{}, found {found:?}", self.file, self.source))
    }
}
