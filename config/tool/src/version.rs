// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--version`: versions of the tool and of the formats that it writes.

use std::env;

/// Tool, git commit (as the calling script says it), spec language, blob format, guest-visible layouts.
pub(crate) fn text() -> String {
    let git = env::var("BULKHEAD_GIT").unwrap_or_else(|_| "unknown".to_owned());
    format!(
        "{} (git {git})\nspec language 1\nblob {}.{}, layout {:016x}\nstatistics {}, metrics {}, sampling port {}",
        env!("CARGO_PKG_VERSION"),
        bulkhead_types::blob::MAJOR,
        bulkhead_types::blob::MINOR,
        bulkhead_types::tables::LAYOUT_HASH,
        bulkhead_abi::stats::VERSION,
        bulkhead_abi::window::METRICS_VERSION,
        bulkhead_abi::sampling::VERSION,
    )
}
