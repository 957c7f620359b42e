// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Arguments of the partition.

use bulkhead_partition::arguments::pairs;

/// What happens to the CRC of brake requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crc {
    /// It is right.
    Sound,
    /// It is damaged in every frame.
    Broken,
}

/// What the partition was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// `crc=broken`.
    pub crc: Crc,
    /// `hold=500ms@brake`: time in ms that the main task is kept busy once, in mid-brake.
    pub hold_ms: Option<u64>,
    /// `fault=50us@brake`: time in us after an activation in mid-brake at which it reaches beside its memory,
    /// in its first life.
    pub fault_us: Option<u64>,
}

impl Arguments {
    /// Reads the arguments, or returns the word that is not known.
    ///
    /// # Errors
    /// The unknown word.
    pub fn parse(text: &str) -> Result<Self, &str> {
        let mut arguments = Self {
            crc: Crc::Sound,
            hold_ms: None,
            fault_us: None,
        };
        for word in pairs(text) {
            match word? {
                ("crc", "broken") => arguments.crc = Crc::Broken,
                ("hold", value) => {
                    let ms = value.strip_suffix("ms@brake").and_then(|ms| ms.parse().ok());
                    arguments.hold_ms = Some(ms.ok_or(value)?);
                }
                ("fault", value) => {
                    let us = value.strip_suffix("us@brake").and_then(|us| us.parse().ok());
                    arguments.fault_us = Some(us.ok_or(value)?);
                }
                (key, _) => return Err(key),
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_read_and_unknown_ones_named() {
        assert_eq!(
            Arguments::parse(""),
            Ok(Arguments {
                crc: Crc::Sound,
                hold_ms: None,
                fault_us: None
            })
        );
        let both = Arguments {
            crc: Crc::Broken,
            hold_ms: Some(500),
            fault_us: Some(50),
        };
        let words = "crc=broken hold=500ms@brake fault=50us@brake";
        assert_eq!(Arguments::parse(words), Ok(both));
        for (text, word) in [
            ("odd", "odd"),
            ("crc=fine", "crc"),
            ("hold=5s", "5s"),
            ("fault=5ms@brake", "5ms@brake"),
            ("seed=1", "seed"),
        ] {
            assert_eq!(Arguments::parse(text), Err(word));
        }
    }
}
