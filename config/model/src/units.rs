// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers and units as people write them.
//!
//! Digits may be grouped by underscores; numbers may be hexadecimal (`0x4000_0000`). A size is a number of
//! bytes or carries `B`, `KiB`, `MiB` or `GiB`; a time always carries `ns`, `us`, `ms` or `s`. Implements:
//! BH-CFG-002.

/// Why a quantity is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a whole number.
    Number,
    /// Above 2^64 − 1 in the base unit.
    TooLarge,
    /// No unit where one is needed.
    UnitMissing,
    /// A unit that does not exist here.
    Unit(String),
}

const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const TIMES: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
];

/// A whole number, decimal or hexadecimal.
///
/// # Errors
/// [`QuantityError::Number`] or [`QuantityError::TooLarge`].
pub fn number(text: &str) -> Result<u64, QuantityError> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (text, 10),
    };
    // A leading zero means octal to some readers and decimal to others.
    let ambiguous = radix == 10 && digits.len() > 1 && digits.starts_with('0');
    let grouped_well = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let digits = digits.replace('_', "");
    if ambiguous || !grouped_well || digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(QuantityError::Number);
    }
    u64::from_str_radix(&digits, radix).map_err(|_| QuantityError::TooLarge)
}

/// A size in bytes.
///
/// # Errors
/// See [`QuantityError`].
pub fn bytes(text: &str) -> Result<u64, QuantityError> {
    if text.starts_with("0x") {
        return number(text);
    }
    let (value, unit) = split(text)?;
    if unit.is_empty() {
        Ok(value)
    } else {
        scale(value, unit, SIZES)
    }
}

/// A time in ns.
///
/// # Errors
/// See [`QuantityError`].
pub fn nanoseconds(text: &str) -> Result<u64, QuantityError> {
    let (value, unit) = split(text)?;
    if unit.is_empty() {
        return Err(QuantityError::UnitMissing);
    }
    scale(value, unit, TIMES)
}

fn split(text: &str) -> Result<(u64, &str), QuantityError> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Ok((number(digits)?, unit.trim_start()))
}

fn scale(value: u64, unit: &str, units: &[(&str, u64)]) -> Result<u64, QuantityError> {
    let factor = units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor);
    let factor = factor.ok_or_else(|| QuantityError::Unit(unit.to_owned()))?;
    value.checked_mul(factor).ok_or(QuantityError::TooLarge)
}

/// A size as a person would write it.
pub fn show_bytes(bytes: u64) -> String {
    show(bytes, SIZES)
}

/// A time as a person would write it.
pub fn show_time(ns: u64) -> String {
    show(ns, TIMES)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| value >= *factor && value.is_multiple_of(*factor);
    let (unit, factor) = units
        .iter()
        .rev()
        .find(fits)
        .or(units.first())
        .copied()
        .unwrap_or(("", 1));
    format!("{}{unit}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Verifies: BH-CFG-002
    #[test]
    fn sizes_and_times_have_binary_and_decimal_units() {
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("1_024"), Ok(1024));
        assert_eq!(bytes("0x8000"), Ok(0x8000));
        assert_eq!(bytes("3 KiB"), Ok(3072));
        assert_eq!(nanoseconds("2ms"), Ok(2_000_000));
        assert_eq!(nanoseconds("7µs"), Ok(7_000));
        assert_eq!(number("0x4000_0000"), Ok(0x4000_0000));
        assert_eq!(number("0x410f_d083"), Ok(0x410f_d083));
    }

    // Verifies: BH-CFG-002
    #[test]
    fn what_is_not_exact_is_refused() {
        assert_eq!(bytes("64MB"), Err(QuantityError::Unit("MB".to_owned())));
        assert_eq!(bytes("1.5MiB"), Err(QuantityError::Unit(".5MiB".to_owned())));
        assert_eq!(bytes("-1"), Err(QuantityError::Number));
        assert_eq!(bytes(""), Err(QuantityError::Number));
        assert_eq!(bytes("99999999999GiB"), Err(QuantityError::TooLarge));
        assert_eq!(nanoseconds("5"), Err(QuantityError::UnitMissing));
        assert_eq!(nanoseconds("5MiB"), Err(QuantityError::Unit("MiB".to_owned())));
        for text in ["012", "0x", "_1", "1_", "1__0", "0x_1", "ten", "1e3", "+1"] {
            assert_eq!(number(text), Err(QuantityError::Number), "{text}");
        }
        assert_eq!(number("0x1_0000_0000_0000_0000"), Err(QuantityError::TooLarge));
    }

    #[test]
    fn quantities_are_shown_in_the_largest_whole_unit() {
        assert_eq!(show_bytes(2 << 20), "2MiB");
        assert_eq!(show_bytes(1025), "1025B");
        assert_eq!(show_time(1_500_000), "1500us".replace("us", "µs"));
        assert_eq!(show_time(0), "0ns");
    }
}
