// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the emulator.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// A release of QEMU, such as `10.0.3`; a later one compares as greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Release(pub u32, pub u32, pub u32);

impl Release {
    /// Reads `MAJOR.MINOR` or `MAJOR.MINOR.MICRO`, nothing else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|n| n.parse().ok()).collect();
        match *numbers? {
            [major, minor] => Some(Self(major, minor, 0)),
            [major, minor, micro] => Some(Self(major, minor, micro)),
            _ => None,
        }
    }

    /// Finds it in what `qemu-system-aarch64 --version` prints.
    #[must_use]
    pub fn of_banner(banner: &str) -> Option<Self> {
        let rest = banner.strip_prefix("QEMU emulator version ")?;
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit());
        Self::read(rest.get(..end.unwrap_or(rest.len()))?)
    }
}

impl Display for Release {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::Release;

    #[test]
    fn releases_compare_as_numbers() {
        let mut texts = ["10.0.13", "9.2", "10.1", "10.0.3"];
        texts.sort_by_key(|t| Release::read(t));
        assert_eq!(texts, ["9.2", "10.0.3", "10.0.13", "10.1"]);
    }

    #[test]
    fn what_is_no_release_is_none() {
        for text in ["", "10", "10.0.3.1", "10.0.x", "10..3", "v10.0"] {
            assert_eq!(Release::read(text), None, "{text}");
        }
    }

    #[test]
    fn banners_are_understood() {
        let debian = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright";
        assert_eq!(Release::of_banner(debian), Some(Release(10, 0, 2)));
        assert_eq!(
            Release::of_banner("QEMU emulator version 9.2"),
            Some(Release(9, 2, 0))
        );
        assert_eq!(Release::of_banner("GNU gdb 13.1"), None);
    }
}
