// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that EL2 drives: GICv3, SMMUv3, PCIe configuration.
#![no_std]
