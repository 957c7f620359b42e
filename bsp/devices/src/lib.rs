// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device drivers for EL2 and for partitions: PL011, CTU CAN FD.
#![no_std]
