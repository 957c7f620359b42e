// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules of the language, by topic. Each rule has a stable number and name and one function that finds
//! its breaches; tests/invalid holds one spec for each.

mod assignment;
mod bandwidth;
pub(crate) mod boards;
pub(crate) mod channels;
pub(crate) mod colours;
pub(crate) mod cores;
pub(crate) mod devices;
mod dma;
pub(crate) mod document;
mod doorbells;
mod dump;
mod errata;
mod flows;
pub(crate) mod hardware;
pub(crate) mod health;
pub(crate) mod include;
pub(crate) mod locks;
pub(crate) mod memory;
pub(crate) mod partitions;
mod parts;
pub(crate) mod payload;
mod pins;
pub mod placement;
pub(crate) mod rights;
pub(crate) mod schedule;
mod sharing;
pub(crate) mod smc;
mod streams;
pub(crate) mod tasks;
mod tolerance;
mod watchdog;

use crate::board::Board;
use crate::diagnostic::{Diagnostic, Rule};
use crate::files::Payloads;
use crate::span::Spanned;
use crate::spec::Spec;
use crate::tree::{listed, nearest};

/// What the rules look at. The board and the payload files are absent when they could not be read.
pub(crate) struct Facts<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) board: Option<&'a Board>,
    pub(crate) payloads: &'a Payloads,
}

/// A function that finds all breaches of a rule.
type Check = fn(&Facts<'_>, &mut Vec<Diagnostic>);

/// The rules on the meaning of a spec, in the order in which they are reported.
const CHECKS: &[&[Check]] = &[
    hardware::CHECKS,
    streams::CHECKS,
    parts::CHECKS,
    errata::CHECKS,
    partitions::CHECKS,
    cores::CHECKS,
    colours::CHECKS,
    memory::CHECKS,
    pins::CHECKS,
    payload::CHECKS,
    rights::CHECKS,
    dma::CHECKS,
    dump::CHECKS,
    devices::CHECKS,
    assignment::CHECKS,
    channels::CHECKS,
    flows::CHECKS,
    doorbells::CHECKS,
    schedule::CHECKS,
    sharing::CHECKS,
    locks::CHECKS,
    bandwidth::CHECKS,
    health::CHECKS,
    tasks::CHECKS,
    tolerance::CHECKS,
    watchdog::CHECKS,
    smc::CHECKS,
];

/// Looks for breaches of every rule on the meaning of a spec.
pub(crate) fn check(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    CHECKS
        .iter()
        .copied()
        .flatten()
        .for_each(|check| check(facts, diagnostics));
}

/// Every rule of which this crate finds the breaches, by number.
pub fn all() -> Vec<&'static Rule> {
    let groups = [
        document::ALL,
        include::ALL,
        boards::ALL,
        hardware::ALL,
        streams::ALL,
        parts::ALL,
        partitions::ALL,
        cores::ALL,
        colours::ALL,
        memory::ALL,
        pins::ALL,
        payload::ALL,
        devices::ALL,
        assignment::ALL,
        channels::ALL,
        schedule::ALL,
        sharing::ALL,
        locks::ALL,
        bandwidth::ALL,
        health::ALL,
        tasks::ALL,
        tolerance::ALL,
        watchdog::ALL,
        flows::ALL,
        doorbells::ALL,
        rights::ALL,
        dma::ALL,
        dump::ALL,
        errata::ALL,
        smc::ALL,
    ];
    let mut rules: Vec<_> = groups.into_iter().flatten().copied().collect();
    rules.sort_by_key(|rule| rule.number);
    rules
}

/// The advice for a name that does not exist.
fn meant<'a>(name: &Spanned<String>, what: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{what}: {}", listed(known)),
    }
}
