// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU virt as a board: the boot and run-time binaries.
#![no_std]
