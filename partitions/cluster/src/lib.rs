// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Instrument cluster.
#![no_std]
