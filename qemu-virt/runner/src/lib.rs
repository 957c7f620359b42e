// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a system on QEMU: consoles, report.
