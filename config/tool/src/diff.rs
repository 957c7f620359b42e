// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `diff`: what changed between two systems, and for whom. Implements: BH-EXPL-005, BH-EXPL-009.

use bulkhead_views::diff::{self, Side};

use crate::built::Bytes;
use crate::cli::{DiffArgs, Format};
use crate::failure::Failure;
use crate::output;

/// Compares; a difference ends with status 1.
pub(crate) fn run(args: &DiffArgs, format: Format) -> Result<(), Failure> {
    let before = Bytes::of(&args.before, &[])?;
    let after = Bytes::of(&args.after, &args.overrides)?;
    let (built_before, built_after) = (before.decode()?, after.decode()?);
    let before = Side::of(&built_before, &before.stated)?;
    let after = Side::of(&built_after, &after.stated)?;
    let difference = diff::diff(&before, &after);
    match format {
        Format::Json => output::json(&difference)?,
        Format::Text => output::line(difference.text().trim_end())?,
    }
    if difference.is_empty() {
        Ok(())
    } else {
        Err(Failure::Told(1))
    }
}
