// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The EL1 loader that every partition runs before its own code.
#![no_std]
