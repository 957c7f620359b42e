// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What runs inside the infotainment Linux.
#![no_std]
