// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The edge to the processor: system registers, vectors, world switch, barriers.
#![no_std]
