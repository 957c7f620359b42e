// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The car on the other end of the CAN bus.
#![no_std]
