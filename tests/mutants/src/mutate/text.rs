// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mutations of the text form.

use crate::descriptor::{Kind, W, X};
use crate::rng::Rng;
use crate::text::Grant;

/// Kinds of records that a blob determines, by where they stand in the text.
const BEFORE_COLOURS: [&str; 16] = [
    "image",
    "blob",
    "certificate",
    "live",
    "stream-table",
    "core",
    "partition",
    "vcpu",
    "slot",
    "health",
    "monitor",
    "watch",
    "start",
    "smc",
    "watchdog",
    "root",
];

fn lines(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).lines().map(str::to_owned).collect()
}

fn bytes(lines: &[String]) -> Vec<u8> {
    let mut text = lines.join("\n");
    text.push('\n');
    text.into_bytes()
}

/// A type and its number.
pub(super) fn kind(number: u64) -> (Kind, usize) {
    match number {
        0 => (Kind::WriteBack, 0),
        1 => (Kind::NonCacheable, 1),
        _ => (Kind::Device, 2),
    }
}

/// Changes one line.
pub(super) fn line(text: &mut Vec<u8>, rng: &mut Rng) -> String {
    let mut all = lines(text);
    let count = u64::try_from(all.len()).unwrap_or(0);
    let at = crate::bytes::index(rng.below(count));
    let Some(old) = all.get(at).cloned() else {
        return String::new();
    };
    let what = match rng.below(8) {
        0 => {
            all.remove(at);
            "removed".to_owned()
        }
        1 => {
            all.insert(at, old.clone());
            "doubled".to_owned()
        }
        2 => {
            let other = crate::bytes::index(rng.below(count));
            all.swap(at, other);
            format!("swapped with line {}", other + 1)
        }
        _ => {
            let new = field(&all, &old, rng);
            let what = format!("becomes `{new}`");
            if let Some(line) = all.get_mut(at) {
                *line = new;
            }
            what
        }
    };
    *text = bytes(&all);
    format!("line {} `{old}` {what}", at + 1)
}

/// The line with one field changed: another line's, or another digit, letter or right.
fn field(all: &[String], old: &str, rng: &mut Rng) -> String {
    let mut fields: Vec<&str> = old.split(' ').filter(|f| !f.is_empty()).collect();
    let at = crate::bytes::index(rng.below(u64::try_from(fields.len()).unwrap_or(0)));
    if rng.below(2) == 0 {
        let kind = fields.first().copied().unwrap_or("");
        let same: Vec<&String> = all.iter().filter(|l| l.split(' ').next() == Some(kind)).collect();
        let other = rng
            .pick(&same)
            .and_then(|l| l.split(' ').filter(|f| !f.is_empty()).nth(at));
        if let (Some(place), Some(other)) = (fields.get_mut(at), other) {
            *place = other;
        }
        return fields.join(" ");
    }
    let letters = b"0123456789abcdef-rwx:gZ ";
    let letter = rng.pick(letters).copied().map_or('0', char::from);
    let place = crate::bytes::index(rng.below(u64::try_from(old.len()).unwrap_or(0)));
    old.char_indices()
        .map(|(i, c)| if i == place { letter } else { c })
        .collect()
}

/// The text with every record that the blob determines replaced by `records`, in the order of the grammar.
pub(super) fn retold(text: &[u8], records: &[String]) -> Vec<u8> {
    let all = lines(text);
    let kind = |line: &String| line.split(' ').next().unwrap_or("").to_owned();
    let of = |kinds: &[&str]| -> Vec<String> {
        all.iter()
            .filter(|l| kinds.contains(&kind(l).as_str()))
            .cloned()
            .collect()
    };
    let (before, after): (Vec<String>, Vec<String>) = records
        .iter()
        .cloned()
        .partition(|r| BEFORE_COLOURS.contains(&kind(r).as_str()));
    let (words, after): (Vec<String>, Vec<String>) = after.into_iter().partition(|r| kind(r) == "word");
    let mut out = vec!["bulkhead-grants 1".to_owned()];
    out.extend(of(&["system", "board"]));
    out.extend(before);
    out.extend(of(&["colours", "colour"]));
    out.extend(words);
    out.extend(of(&["shared", "grant", "coloured"]));
    out.extend(after);
    out.extend(of(&["controller", "memory", "coloured-memory"]));
    bytes(&out)
}

fn rights(rights: u8) -> String {
    let letter = |bit: u8, c: char| if rights & bit == 0 { '-' } else { c };
    ['r', letter(W, 'w'), letter(X, 'x')].iter().collect()
}

/// A record `what` of a grant.
fn record(what: &str, grant: &Grant) -> String {
    let kind = match grant.kind {
        Kind::WriteBack => "normal-wb",
        Kind::NonCacheable => "normal-nc",
        Kind::Device | Kind::Other(_) => "device-ngnre",
    };
    format!(
        "{what} {} {} {:#x}-{:#x} {} {kind} {:#x}",
        grant.root,
        grant.name,
        grant.range.start,
        grant.range.end,
        rights(grant.rights),
        grant.input
    )
}

fn fields(line: &str) -> Vec<&str> {
    line.split(' ').filter(|f| !f.is_empty()).collect()
}

/// First number of a field.
fn number(field: Option<&&str>) -> u64 {
    let first = field.and_then(|f| f.split('-').next());
    first.and_then(crate::text::hex).unwrap_or(u64::MAX)
}

/// The text in which `new`, a page, was taken out of the coloured grant `old`; `rest` is left of that.
pub(super) fn moved(text: &[u8], old: &Grant, rest: &[Grant], new: &Grant) -> Vec<u8> {
    let mut all = lines(text);
    let was = record("coloured", old);
    if let Some(at) = all.iter().position(|line| fields(line).join(" ") == was) {
        all.splice(at..=at, rest.iter().map(|grant| record("coloured", grant)));
    }
    let own = |line: &String| fields(line).starts_with(&["grant", &new.root]);
    let above = |line: &String| own(line) && number(fields(line).get(6)) > new.input;
    let last = |all: &[String]| all.iter().rposition(own).map(|at| at + 1);
    let at = all.iter().position(above).or_else(|| last(&all));
    all.insert(at.unwrap_or(0), record("grant", new));
    let above = |line: &String| {
        let fields = fields(line);
        fields.first() == Some(&"memory") && number(fields.get(1)) > new.range.start
    };
    let at = all.iter().position(above).unwrap_or(all.len());
    let place = format!("{:#x}-{:#x}", new.range.start, new.range.end);
    all.insert(at, format!("memory {place} {} moved", new.root));
    bytes(&all)
}

/// A partition claims other colours.
pub(super) fn claim(text: &mut Vec<u8>, rng: &mut Rng) -> String {
    let mut all = lines(text);
    let of = |kind: &str| -> Vec<(usize, Vec<String>)> {
        let found = all.iter().enumerate();
        let found =
            found.map(|(i, line)| (i, fields(line).into_iter().map(str::to_owned).collect::<Vec<_>>()));
        found
            .filter(|(_, f)| f.first().is_some_and(|f| f == kind))
            .collect()
    };
    let (claims, colours) = (of("colour"), of("colours"));
    let count = colours.first().and_then(|(_, f)| crate::text::decimal(f.get(1)?));
    let how = rng.below(4);
    // One in any colour reaches nothing else when it claims all: that is wrong by the claim alone.
    let free = |(_, f): &&(usize, Vec<String>)| how != 1 || f.get(2).is_some_and(|set| set == "any");
    let free: Vec<_> = claims.iter().filter(free).collect();
    let (Some(count), Some((at, old)), Some((_, other))) = (count, rng.pick(&free), rng.pick(&claims)) else {
        return String::new();
    };
    let set = match how {
        0 => "any".to_owned(),
        1 => format!("0-{}", count - 1),
        2 => rng.below(count).to_string(),
        _ => other[2].clone(),
    };
    let what = format!("{} has colours {set}, not {}", old[1], old[2]);
    if let Some(line) = all.get_mut(*at) {
        *line = format!("colour {} {set}", old[1]);
    }
    *text = bytes(&all);
    what
}

/// The text with a grant replaced, and its party's rights in a `shared` record of the same range.
pub(super) fn regrant(text: &[u8], old: &Grant, new: &Grant) -> Vec<u8> {
    let place = |g: &Grant| format!("{:#x}-{:#x}", g.range.start, g.range.end);
    let mut all = lines(text);
    for line in &mut all {
        let fields: Vec<&str> = line.split(' ').filter(|f| !f.is_empty()).collect();
        let here = fields.get(1) == Some(&old.root.as_str()) && fields.get(2) == Some(&old.name.as_str());
        if fields.first() == Some(&"grant") && here && fields.get(3) == Some(&place(old).as_str()) {
            *line = record("grant", new);
        } else if fields.first() == Some(&"shared") && fields.get(2) == Some(&place(old).as_str()) {
            let party = if old.root.starts_with("el2:") {
                "el2"
            } else {
                old.root.as_str()
            };
            let before = format!("{party}={}", rights(old.rights));
            *line = line.replace(&before, &format!("{party}={}", rights(new.rights)));
        }
    }
    bytes(&all)
}

/// Says the same in other words: comments, spaces, names that are for people.
pub(super) fn reword(text: &mut Vec<u8>, rng: &mut Rng) -> String {
    let mut all = lines(text);
    let at = 1 + crate::bytes::index(rng.below(u64::try_from(all.len()).unwrap_or(1) - 1));
    let what = match rng.below(4) {
        0 => {
            all.insert(at, "# a comment".to_owned());
            "a comment"
        }
        1 => {
            all.retain(|line| !line.starts_with('#'));
            "no comments"
        }
        2 => {
            if let Some(line) = all.get_mut(at).filter(|line| !line.starts_with('#')) {
                *line = line
                    .split(' ')
                    .filter(|f| !f.is_empty())
                    .collect::<Vec<_>>()
                    .join("   ");
            }
            "wider columns"
        }
        _ => {
            for line in &mut all {
                let fields: Vec<&str> = line.split(' ').filter(|f| !f.is_empty()).collect();
                let root = fields.get(1).copied().unwrap_or("");
                let people = fields.first() == Some(&"grant") && root.starts_with("el2:");
                if people && rng.below(4) == 0 {
                    let renamed: Vec<&str> = fields
                        .iter()
                        .enumerate()
                        .map(|(i, f)| if i == 2 { "anything" } else { f })
                        .collect();
                    *line = renamed.join(" ");
                } else if fields.first() == Some(&"system") {
                    *line = "system another-name".to_owned();
                }
            }
            "other names for people"
        }
    };
    *text = bytes(&all);
    format!("text: {what} near line {}", at + 1)
}

/// Splits a grant into two that say the same.
pub(super) fn split(text: &mut Vec<u8>, rng: &mut Rng) -> String {
    let mut all = lines(text);
    let long = |line: &String| {
        let fields: Vec<String> = line
            .split(' ')
            .filter(|f| !f.is_empty())
            .map(str::to_owned)
            .collect();
        let root = fields.get(1).is_some_and(|r| r.starts_with("el2:"));
        let (start, end) = fields.get(3)?.split_once('-')?;
        let (start, end) = (crate::text::hex(start)?, crate::text::hex(end)?);
        let input = crate::text::hex(fields.get(6)?)?;
        (fields.first().is_some_and(|f| f == "grant") && root && end - start > 4096)
            .then_some((fields, start, end, input))
    };
    let places: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, l)| long(l).is_some())
        .map(|(i, _)| i)
        .collect();
    let Some(at) = rng.pick(&places).copied() else {
        return String::new();
    };
    let Some((fields, start, end, input)) = all.get(at).and_then(long) else {
        return String::new();
    };
    let middle = start + 4096 * (1 + rng.below((end - start) / 4096 - 1));
    let say = |from: u64, to: u64| {
        format!(
            "grant {} {} {from:#x}-{to:#x} {} {} {:#x}",
            fields[1],
            fields[2],
            fields[4],
            fields[5],
            input + (from - start)
        )
    };
    all.splice(at..=at, [say(start, middle), say(middle, end)]);
    *text = bytes(&all);
    format!("grant of line {} in two", at + 1)
}
