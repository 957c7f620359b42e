// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requirement IDs.

use std::fmt;

use serde::Deserialize;

/// What every ID begins with.
const PREFIX: &str = "BH-";

/// The ID of a requirement: prefix, an area of capital letters, a hyphen, three digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(String);

impl Id {
    /// The area, for example `GIC`.
    pub fn area(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }

    /// The ID at the begin of `text`, when there is one, and what follows it.
    pub fn at_begin(text: &str) -> Option<(Self, &str)> {
        let rest = text.strip_prefix(PREFIX)?;
        let area = rest.bytes().take_while(u8::is_ascii_uppercase).count();
        let digits = rest.get(area..)?.strip_prefix('-')?;
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        if area == 0 || count == 0 {
            return None;
        }
        let length = PREFIX.len() + area + 1 + count;
        Some((Self(text.get(..length)?.to_owned()), text.get(length..)?))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match Self::at_begin(&text) {
            Some((id, "")) if text.len() == PREFIX.len() + id.area().len() + 4 => Ok(id),
            _ => Err(format!("`{text}` is no requirement ID")),
        }
    }
}

/// All IDs in a text.
pub(crate) fn all(text: &str) -> impl Iterator<Item = Id> {
    let places = text.match_indices(PREFIX);
    places.filter_map(|(place, _)| Some(Id::at_begin(text.get(place..)?)?.0))
}
