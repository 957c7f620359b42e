// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `graph`: a drawing of partitions, cores, channels, devices and streams. Implements: BH-EXPL-006.

use std::fs;
use std::path::Path;

use bulkhead_views::draw;

use crate::built::Bytes;
use crate::cli::GraphArgs;
use crate::failure::Failure;
use crate::{output, place};

/// Draws a system.
pub(crate) fn run(args: &GraphArgs) -> Result<(), Failure> {
    let paths = place::paths(&args.spec)?;
    let system = bulkhead_model::load(&paths, &args.spec.changes())?;
    let bytes = Bytes::compile(&system, &paths)?;
    let drawing = draw::graph(&system, &bytes.decode()?);
    if args.output == Path::new("-") {
        return output::line(&drawing);
    }
    fs::write(&args.output, drawing + "\n").map_err(|error| Failure::file(&args.output, &error))
}
