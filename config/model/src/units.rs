// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers and units as people write them.
//!
//! Digits may be grouped by underscores; numbers may be hexadecimal (`0x4000_0000`). A size is a number of
//! bytes or carries `B`, `KiB`, `MiB` or `GiB`; a time always carries `ns`, `us`, `ms` or `s`, a frequency `Hz`,
//! `kHz`, `MHz` or `GHz`. Times and frequencies may have decimals (`2.5ms`) as long as they are whole nanoseconds
//! or hertz. Implements: BH-CFG-002, BH-CFG-220.

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
    /// More decimals than the base unit has.
    Fraction,
}

/// A kind of quantity.
#[derive(Debug)]
pub struct Quantity {
    /// What it looks like, for people.
    pub wanted: &'static str,
    /// Reads it.
    pub read: fn(&str) -> Result<u64, QuantityError>,
    units: &'static [(&'static str, u64)],
}

/// Whole numbers.
pub static NUMBER: Quantity = Quantity {
    wanted: "a whole number like 3, 100_000 or 0x4000_0000",
    read: number,
    units: &[],
};
/// Sizes in bytes.
pub static SIZE: Quantity = Quantity {
    wanted: "a size like 64MiB, 32KiB or 4096",
    read: bytes,
    units: SIZES,
};
/// Times in ns.
pub static TIME: Quantity = Quantity {
    wanted: "a time like 10ms, 250us or 1s",
    read: nanoseconds,
    units: TIMES,
};
/// Frequencies in Hz.
pub static FREQUENCY: Quantity = Quantity {
    wanted: "a frequency like 500kHz, 80MHz or 33_333_333Hz",
    read: hertz,
    units: FREQUENCIES,
};

impl Quantity {
    /// What was probably meant by a quantity with a unit that does not exist.
    pub fn meant(&self, text: &str) -> Option<String> {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || "_. ".contains(c));
        let number = text.strip_suffix(unit)?.trim_end();
        let alike = |name: &str| {
            let (name, unit) = (name.to_lowercase(), unit.to_lowercase());
            name.chars().next() == unit.chars().next() && (is_within(&name, &unit) || is_within(&unit, &name))
        };
        let (name, _) = self.units.iter().find(|(name, _)| alike(name))?;
        let meant = format!("{number}{name}");
        (self.read)(&meant).is_ok().then_some(meant)
    }
}

/// Whether the characters of `part` stand in `whole` in their order.
fn is_within(part: &str, whole: &str) -> bool {
    let mut rest = whole.chars();
    part.chars().all(|wanted| rest.any(|c| c == wanted))
}

const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const TIMES: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
];
const FREQUENCIES: &[(&str, u64)] = &[
    ("Hz", 1),
    ("kHz", 1_000),
    ("MHz", 1_000_000),
    ("GHz", 1_000_000_000),
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
    decimal(text, TIMES)
}

/// A frequency in Hz.
///
/// # Errors
/// See [`QuantityError`].
pub fn hertz(text: &str) -> Result<u64, QuantityError> {
    decimal(text, FREQUENCIES)
}

/// A quantity with a decimal unit; decimals count as far as they are whole base units.
fn decimal(text: &str, units: &[(&str, u64)]) -> Result<u64, QuantityError> {
    let (whole, unit) = split(text)?;
    let Some(fraction) = unit.strip_prefix('.') else {
        return match unit {
            "" => Err(QuantityError::UnitMissing),
            unit => scale(whole, unit, units),
        };
    };
    let end = fraction
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(fraction.len());
    let (digits, unit) = fraction.split_at(end);
    let unit = unit.trim_start();
    if digits.is_empty() {
        return Err(QuantityError::Number);
    }
    if unit.is_empty() {
        return Err(QuantityError::UnitMissing);
    }
    let whole = scale(whole, unit, units)?;
    let mut factor = scale(1, unit, units)?;
    let mut part = 0_u64;
    for digit in digits.chars() {
        if !factor.is_multiple_of(10) {
            return Err(QuantityError::Fraction);
        }
        factor /= 10;
        part += factor * u64::from(digit.to_digit(10).unwrap_or(0));
    }
    whole.checked_add(part).ok_or(QuantityError::TooLarge)
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

/// A time as a person would write it, exactly.
pub fn show_time(ns: u64) -> String {
    show_decimal(ns, TIMES)
}

/// A frequency as a person would write it, exactly.
pub fn show_frequency(hz: u64) -> String {
    show_decimal(hz, FREQUENCIES)
}

fn show_decimal(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| value >= *factor;
    let largest = units.iter().rev().find(fits).or(units.first()).copied();
    let (unit, factor) = largest.unwrap_or(("", 1));
    let (whole, rest) = (value / factor, value % factor);
    if rest == 0 {
        return format!("{whole}{unit}");
    }
    // The digits of a factor, less its first.
    let width = usize::try_from(factor.ilog10()).unwrap_or(0);
    let decimals = format!("{rest:0width$}");
    format!("{whole}.{}{unit}", decimals.trim_end_matches('0'))
}

/// A time, exactly, in the largest unit that is not longer than it: `8.242016 ms`. Implements: BH-EXPL-011
pub fn read_time(ns: u64) -> String {
    const UNITS: [(&str, u64, usize); 3] = [("s", 1_000_000_000, 9), ("ms", 1_000_000, 6), ("µs", 1_000, 3)];
    let Some((unit, factor, digits)) = UNITS.into_iter().find(|(_, factor, _)| ns >= *factor) else {
        return format!("{ns} ns");
    };
    let rest = format!("{:0digits$}", ns % factor);
    let decimals = rest.trim_end_matches('0');
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{}{point}{decimals} {unit}", ns / factor)
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
        assert_eq!(show_time(1_500_000), "1.5ms");
        assert_eq!(show_time(8_242_016), "8.242016ms");
        assert_eq!(show_time(1_000_000_001), "1.000000001s");
        assert_eq!(show_time(999), "999ns");
        assert_eq!(show_time(0), "0ns");
        assert_eq!(show_frequency(12_500_000), "12.5MHz");
        assert_eq!(show_frequency(80_000_000), "80MHz");
        assert_eq!(show_frequency(33_333_333), "33.333333MHz");
    }

    // Verifies: BH-CFG-220
    #[test]
    fn what_is_shown_can_be_written() {
        for value in [
            0,
            1,
            999,
            1_000,
            1_001,
            8_242_016,
            1_500_000,
            10_000_000_000,
            u64::MAX,
        ] {
            assert_eq!(nanoseconds(&show_time(value)), Ok(value));
            assert_eq!(hertz(&show_frequency(value)), Ok(value));
        }
    }

    // Verifies: BH-CFG-220
    #[test]
    fn frequencies_carry_a_unit_and_are_whole_hertz() {
        assert_eq!(hertz("500kHz"), Ok(500_000));
        assert_eq!(hertz("33_333_333Hz"), Ok(33_333_333));
        assert_eq!(hertz("12.5 MHz"), Ok(12_500_000));
        assert_eq!(hertz("1GHz"), Ok(1_000_000_000));
        assert_eq!(hertz("80000000"), Err(QuantityError::UnitMissing));
        assert_eq!(hertz("80.5"), Err(QuantityError::UnitMissing));
        assert_eq!(hertz("1.kHz"), Err(QuantityError::Number));
        assert_eq!(hertz("1.0001kHz"), Err(QuantityError::Fraction));
        assert_eq!(hertz("0.5Hz"), Err(QuantityError::Fraction));
        assert_eq!(hertz("80ms"), Err(QuantityError::Unit("ms".to_owned())));
        assert_eq!(nanoseconds("0.5ns"), Err(QuantityError::Fraction));
        assert_eq!(
            nanoseconds("18446744073709551615.9us"),
            Err(QuantityError::TooLarge)
        );
    }

    // Verifies: BH-CFG-220
    #[test]
    fn a_wrong_unit_has_a_suggestion() {
        let meant = |quantity: &Quantity, text: &str| quantity.meant(text).unwrap_or_default();
        assert_eq!(meant(&FREQUENCY, "80mhz"), "80MHz");
        assert_eq!(meant(&FREQUENCY, "12.5 Mhz"), "12.5MHz");
        assert_eq!(meant(&SIZE, "64MB"), "64MiB");
        assert_eq!(meant(&TIME, "5msec"), "5ms");
        assert_eq!(meant(&TIME, "5min"), "");
        assert_eq!(meant(&NUMBER, "5ms"), "");
    }

    // Verifies: BH-EXPL-011
    #[test]
    fn times_read_exactly_in_the_largest_unit() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (2_500_000, "2.5 ms"),
            (8_242_016, "8.242016 ms"),
            (10_000_000, "10 ms"),
            (1_000_000_001, "1.000000001 s"),
        ] {
            assert_eq!(read_time(ns), text);
        }
    }
}
