// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2 needs to know of a board at compile time.
#![no_std]
