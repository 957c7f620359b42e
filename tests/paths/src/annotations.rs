// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `loops.toml`: how often loops go around, and what no path of a reason executes.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A bound on the loops of a function, inlined or not.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LoopBound {
    /// Beginning of the function's path.
    pub function: String,
    /// Which of the loops of an assembly function, in the order of their addresses; otherwise all.
    pub nth: Option<usize>,
    /// Instructions that such a loop has at most; otherwise any number.
    pub most: Option<u64>,
    /// What it iterates.
    pub over: String,
    /// How often the way back is taken before the loop is left, of loops in each other the outermost first.
    pub bound: Vec<Bound>,
    /// Why it is never more.
    pub reason: String,
    /// What the bound takes for granted that no code ensures.
    pub assumes: Option<String>,
}

/// A number, or the name of a count of the system.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Bound {
    /// A number.
    Number(u64),
    /// One of [`Annotations::counts`].
    Count(String),
}

/// A function that a path executes only so often, however many calls of it lie in loops.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Rare {
    /// Its path.
    pub function: String,
    /// How often at most.
    pub times: u64,
    /// Why.
    pub reason: String,
}

/// What no path of some reasons executes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// Reasons of paths, without `_switch`, `_start` or `_sleep`, or `all`.
    pub reasons: Vec<String>,
    /// Paths of functions.
    pub never: Vec<String>,
    /// Why.
    pub reason: String,
}

/// The file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Annotations {
    /// Version of the format: 1.
    pub loops: u32,
    /// How many there are of what systems have different numbers of.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// Functions that are executed rarely.
    #[serde(default)]
    pub rare: Vec<Rare>,
    /// Bounds.
    #[serde(rename = "loop", default)]
    pub bounds: Vec<LoopBound>,
    /// What is excluded.
    #[serde(default)]
    pub excluded: Vec<Excluded>,
}

/// A loop, as annotations see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The functions of its header's first instruction, the innermost first, the symbol last.
    pub functions: Vec<String>,
    /// Its number in its symbol, in the order of the headers' addresses.
    pub nth: usize,
    /// Instructions.
    pub length: u64,
}

impl Annotations {
    /// Parses the text of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let all: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        let plain = |words: &str| words.trim().is_empty();
        if all.loops != 1 {
            return Err(format!("version {} is not known", all.loops));
        }
        let named = all.bounds.iter().flat_map(|b| &b.bound);
        if let Some(Bound::Count(unknown)) = named.into_iter().find(|b| all.number(b).is_none()) {
            return Err(format!("no count {unknown}"));
        }
        match all
            .bounds
            .iter()
            .find(|b| plain(&b.over) || plain(&b.reason) || b.bound.is_empty())
        {
            Some(bad) => Err(format!(
                "{}: what it iterates, a bound and a reason are needed",
                bad.function
            )),
            None => Ok(all),
        }
    }

    /// What a bound says.
    pub fn number(&self, bound: &Bound) -> Option<u64> {
        match bound {
            Bound::Number(number) => Some(*number),
            Bound::Count(name) => self.counts.get(name).copied(),
        }
    }

    /// The number of the annotation of a loop: that of the innermost function that has one; of several the longest
    /// name, then the most special.
    pub fn of(&self, seen: &Seen) -> Option<usize> {
        seen.functions.iter().find_map(|function| {
            let fits = |b: &LoopBound| {
                function.starts_with(&b.function)
                    && b.nth.is_none_or(|nth| nth == seen.nth)
                    && b.most.is_none_or(|most| seen.length <= most)
            };
            let fitting = self.bounds.iter().enumerate().filter(|(_, b)| fits(b));
            let best = fitting.max_by_key(|(_, b)| (b.function.len(), b.nth.is_some(), b.most.is_some()));
            best.map(|(k, _)| k)
        })
    }
}
