// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU virt (GICv3, SMMUv3, PL011) as a board.
