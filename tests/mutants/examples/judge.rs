// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Judges a build folder.
use bulkhead_mutants::{files::Files, judge::judge};
fn main() {
    for dir in std::env::args().skip(1) {
        let read = |n: &str| std::fs::read(format!("{dir}/{n}")).unwrap_or_default();
        let files = Files {
            hypervisor: read("hypervisor.bin").into(),
            blob: read("system.blob"),
            text: read("grants.txt"),
        };
        let t = std::time::Instant::now();
        let found = judge(&files);
        println!("{dir}: {:?} {:?}\n{found:#?}", found.verdict(), t.elapsed());
    }
}
