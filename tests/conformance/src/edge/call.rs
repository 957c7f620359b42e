// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls by HVC, with all general registers before and after.

unsafe extern "C" {
    fn conformance_call(arguments: *const [u64; 31], results: *mut [u64; 31]);
}

/// Calls with x0 to x30 as given; gives x0 to x30 as they are afterwards.
pub(crate) fn with_registers(arguments: &[u64; 31]) -> [u64; 31] {
    let mut results = [0; 31];
    // SAFETY: 1. Both pointers are valid for 31 words. 2. The function keeps all registers that its caller may
    // rely on, whatever the call does to them. 3. The calls of PSCI and SMCCC that the suite makes write no
    // memory of it.
    unsafe { conformance_call(arguments, &raw mut results) };
    results
}

/// Calls with four arguments; gives `x0`.
pub(crate) fn hvc(arguments: [u64; 4]) -> u64 {
    let mut registers = [0; 31];
    for (register, argument) in registers.iter_mut().zip(arguments) {
        *register = argument;
    }
    let [x0, ..] = with_registers(&registers);
    x0
}
