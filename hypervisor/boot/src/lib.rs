// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The boot part of EL2: verify, check the board, start the cores.
#![no_std]
