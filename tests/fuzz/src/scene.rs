// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The folder with what the targets start from: a built system, the payloads that specs name.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};
use std::{env, fs};

/// Environment variable that names the folder where [`enter`] does not.
pub const VARIABLE: &str = "BULKHEAD_FUZZ_SCENE";

static ENTERED: OnceLock<PathBuf> = OnceLock::new();

/// Names the folder; the first one stays.
pub fn enter(folder: &Path) {
    ENTERED.get_or_init(|| folder.to_owned());
}

/// The folder.
pub(crate) fn folder() -> &'static Path {
    ENTERED.get_or_init(|| {
        let named = env::var_os(VARIABLE);
        PathBuf::from(named.expect("BULKHEAD_FUZZ_SCENE names the folder that the lane wrote"))
    })
}

/// The source tree.
pub(crate) fn tree() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A built system.
pub(crate) struct Built {
    pub(crate) hypervisor: Vec<u8>,
    pub(crate) blob: Vec<u8>,
    pub(crate) grants: String,
}

/// The system of the folder.
pub(crate) static BUILT: LazyLock<Built> = LazyLock::new(|| {
    let read = |name: &str| fs::read(folder().join(name)).expect("a file of the scene");
    Built {
        hypervisor: read("hypervisor.bin"),
        blob: read("system.blob"),
        grants: String::from_utf8(read("grants.txt")).expect("text"),
    }
});
