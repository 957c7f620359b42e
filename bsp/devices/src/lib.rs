// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device drivers for EL2 and for partitions: PL011, i.MX and Cadence UART, CTU CAN FD, M_CAN, Xilinx CAN and CAN FD.
//!
//! A driver is given a [`block::RegisterBlock`] and knows no address. Every wait has a bound.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod block;
pub mod cadence_uart;
pub mod can;
pub mod ctucanfd;
pub mod imx_uart;
pub mod m_can;
pub mod pl011;
pub mod uart8250;
pub mod xilinx_can;
pub mod xilinx_canfd;
