// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decisions of EL2 as pure code: trap decoding, vGIC, PSCI, slots, emulated UART.
#![no_std]
