// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The compiler's stages one by one, with a change to what one hands on to the next.

use bulkhead_compiler::access::Grant;
use bulkhead_compiler::blob::{Tables, emit};
use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_compiler::devices::Assigned;
use bulkhead_compiler::grant_list::{self, Sources};
use bulkhead_compiler::grants::render;
use bulkhead_compiler::plan::Plan;
use bulkhead_compiler::sections::{self, Sections};
use bulkhead_model::system::System;
use bulkhead_mutants::files::Files;

use crate::systems::{
    self,
    support::{Workshop, hypervisor_bin},
};

/// What the stages hand on.
pub(crate) struct Stages {
    pub(crate) plan: Plan,
    pub(crate) devices: Vec<Assigned>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) sections: Sections,
}

/// Compiled once; each corruption changes a copy.
pub(crate) struct Line {
    system: System,
    hypervisor: Vec<u8>,
    pub(crate) compiled: Compiled,
}

impl Line {
    pub(crate) fn new() -> Self {
        let (workshop, hypervisor) = (Workshop::new(), hypervisor_bin());
        let system = systems::masters(&workshop);
        let compiled = compile(&system, &hypervisor).unwrap();
        Self {
            system,
            hypervisor,
            compiled,
        }
    }

    fn sources<'a>(&'a self, stages: &'a Stages) -> Sources<'a> {
        Sources {
            system: &self.system,
            info: &self.compiled.info,
            plan: &stages.plan,
            devices: &stages.devices,
            watchdog: None,
            areas: &self.compiled.areas,
        }
    }

    pub(crate) fn stages(&self) -> Stages {
        let Compiled {
            plan,
            devices,
            grants,
            sections,
            ..
        } = self.compiled.clone();
        Stages {
            plan,
            devices,
            grants,
            sections,
        }
    }

    /// The last stages: tables, blob and text from what was handed on; `tables` may be changed in between.
    pub(crate) fn finish(&self, stages: &Stages, change: impl FnOnce(&mut Tables)) -> Files {
        let Stages {
            plan,
            devices,
            grants,
            sections,
        } = stages;
        let mut tables = Tables::build(&self.system, plan, grants, devices).unwrap();
        change(&mut tables);
        let blob = emit(&self.system, &self.compiled.info, plan, tables, sections);
        let text = render(self.sources(stages), grants, sections);
        let mut files = Files {
            hypervisor: self.hypervisor.as_slice().into(),
            blob,
            text: text.into_bytes(),
        };
        files.seal();
        files
    }

    /// Everything after the plan.
    pub(crate) fn replan(&self, change: impl FnOnce(&mut Plan)) -> Files {
        let mut stages = self.stages();
        change(&mut stages.plan);
        stages.grants = grant_list::all(self.sources(&stages));
        stages.sections = sections::derive(&self.system, &stages.plan, &stages.devices, None);
        self.finish(&stages, |_| {})
    }

    /// Everything after the grants.
    pub(crate) fn regrant(&self, change: impl FnOnce(&mut Vec<Grant>)) -> Files {
        let mut stages = self.stages();
        change(&mut stages.grants);
        self.finish(&stages, |_| {})
    }

    /// Everything after the sections.
    pub(crate) fn resect(&self, change: impl FnOnce(&mut Sections)) -> Files {
        let mut stages = self.stages();
        change(&mut stages.sections);
        self.finish(&stages, |_| {})
    }
}
