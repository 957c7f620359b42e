// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers and lists as people write them.

pub(crate) use bulkhead_model::units::read_time as time;
use bulkhead_types::tables::Core;

/// `a, b and c`.
pub(crate) fn listed<T: AsRef<str>>(words: Vec<T>) -> String {
    match words.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.as_ref().to_owned(),
        Some((last, rest)) => {
            let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", rest.join(", "), last.as_ref())
        }
    }
}

/// `1 core`, `2 cores`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Numbers as `0, 1 and 3`.
pub(crate) fn numbers<T: ToString>(list: impl IntoIterator<Item = T>) -> String {
    listed(list.into_iter().map(|n| n.to_string()).collect::<Vec<String>>())
}

/// The candidate that is most like `word`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|c| (strsim::damerau_levenshtein(word, c), c));
    let near = scored.filter(|(distance, c)| *distance <= c.chars().count().max(3) / 3);
    near.min_by_key(|(distance, _)| *distance).map(|(_, c)| c)
}

/// Bytes in the largest unit in which they are short.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, factor) in UNITS {
        if bytes >= factor {
            let tenths = (u128::from(bytes) * 10 / u128::from(factor)) % 10;
            return match bytes.is_multiple_of(factor) {
                true => format!("{} {unit}", bytes / factor),
                false => format!("{}.{tenths} {unit}", bytes / factor),
            };
        }
    }
    format!("{bytes} B")
}

/// A core's budget of memory traffic.
pub(crate) fn budget(core: &Core) -> String {
    format!(
        "at most {} of event {:#x} every {}",
        core.budget,
        core.budget_event,
        time(core.budget_period_ns)
    )
}

/// How the DMA of a device with these StreamIDs goes.
pub(crate) fn through(streams: &[u64]) -> String {
    let ids: Vec<String> = streams.iter().map(|id| format!("{id:#x}")).collect();
    format!("through the SMMU as StreamID {}", ids.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(2 << 20), "2 MiB");
        assert_eq!(size((3 << 20) + (1 << 19)), "3.5 MiB");
        assert_eq!(size(40), "40 B");
    }

    #[test]
    fn lists_read_like_prose() {
        assert_eq!(numbers([0, 1, 3]), "0, 1 and 3");
        assert_eq!(listed(Vec::<String>::new()), "none");
        assert_eq!(count(1, "core"), "1 core");
        assert_eq!(count(2, "core"), "2 cores");
    }
}
