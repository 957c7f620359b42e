// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The UART drivers of `bulkhead-devices` as EL2 uses them, the same for every board that has one.

use bulkhead_devices::block::RegisterBlock;
use bulkhead_devices::cadence_uart::CadenceUart;
use bulkhead_devices::imx_uart::ImxUart;
use bulkhead_devices::pl011::Pl011;
use bulkhead_devices::uart8250::Uart8250;

use crate::Uart;

/// Readings for which a byte on its way may keep a PL011 busy.
const BUSY_POLLS: u32 = 1_000_000;

impl<R: RegisterBlock> Uart for Pl011<R> {
    fn enable(&mut self) {
        // A UART that stays busy is used as it is.
        let _ = Pl011::enable(self, BUSY_POLLS);
    }

    fn try_put(&mut self, byte: u8) -> bool {
        self.try_write(byte)
    }

    fn get(&mut self) -> Option<u8> {
        self.read()
    }
}

impl<R: RegisterBlock> Uart for ImxUart<R> {
    fn enable(&mut self) {
        ImxUart::enable(self);
    }

    fn try_put(&mut self, byte: u8) -> bool {
        self.try_write(byte)
    }

    fn get(&mut self) -> Option<u8> {
        self.read()
    }
}

impl<R: RegisterBlock> Uart for Uart8250<R> {
    fn enable(&mut self) {
        Uart8250::enable(self);
    }

    fn try_put(&mut self, byte: u8) -> bool {
        self.try_write(byte)
    }

    fn get(&mut self) -> Option<u8> {
        self.read()
    }
}

impl<R: RegisterBlock> Uart for CadenceUart<R> {
    fn enable(&mut self) {
        CadenceUart::enable(self);
    }

    fn try_put(&mut self, byte: u8) -> bool {
        self.try_write(byte)
    }

    fn get(&mut self) -> Option<u8> {
        self.read()
    }
}
