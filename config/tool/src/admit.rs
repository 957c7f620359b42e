// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A spec against every rule, all breaches in one run.

use bulkhead_analysis::Analysis;
use bulkhead_analysis::rules::survey;
use bulkhead_compiler::rules::{Refusal, admit};
use bulkhead_model::system::System;
use bulkhead_model::{LoadError, Paths};

use crate::build;
use crate::failure::Failure;

/// Checks a spec against every rule but, when it breaks no other, those on places. What a breach leaves is judged by
/// the rules on times and places all the same. Implements: BH-CFG-230.
pub(crate) fn load(paths: &Paths, overrides: &[String]) -> Result<(System, Analysis), Failure> {
    let refused = match survey(paths, overrides) {
        Ok(admitted) => return Ok(admitted),
        Err(refused) => refused,
    };
    let mut error = refused.error;
    if let (LoadError::Invalid(found), Some(system)) = (&mut error, &refused.placing)
        && let Some(Err(Refusal::Rule(LoadError::Invalid(more)))) = place(system, paths)?
    {
        found.list.extend(more.list);
        found.sort();
    }
    Err(error.into())
}

/// Looks for a place for everything; nothing when the hypervisor was not built.
pub(crate) fn place(system: &System, paths: &Paths) -> Result<Option<Result<(), Refusal>>, Failure> {
    if !build::hypervisor_path(system, paths).is_file() {
        return Ok(None);
    }
    let hypervisor = build::hypervisor(system, paths)?;
    Ok(Some(admit(system, &hypervisor)))
}
