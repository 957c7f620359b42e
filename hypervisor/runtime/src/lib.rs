// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The run-time part of EL2: what happens at a trap and at a slot's begin.
#![no_std]
