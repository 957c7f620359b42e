// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls by HVC and SMC, with all general registers before and after.

unsafe extern "C" {
    fn conformance_hvc(arguments: *const [u64; 31], results: *mut [u64; 31]);
    fn conformance_smc(arguments: *const [u64; 31], results: *mut [u64; 31]);
}

/// Calls by HVC with x0 to x30 as given; gives x0 to x30 as they are afterwards.
pub(crate) fn with_registers(arguments: &[u64; 31]) -> [u64; 31] {
    let mut results = [0; 31];
    // SAFETY: 1. Both pointers are valid for 31 words. 2. The function keeps all registers that its caller may
    // rely on, whatever the call does to them. 3. The calls of PSCI and SMCCC that the suite makes write no
    // memory of it.
    unsafe { conformance_hvc(arguments, &raw mut results) };
    results
}

/// The same by SMC, where EL2 traps it.
pub(crate) fn smc_with_registers(arguments: &[u64; 31]) -> [u64; 31] {
    let mut results = [0; 31];
    // SAFETY: as with HVC: the calls that the program makes are queries, or nobody knows them.
    unsafe { conformance_smc(arguments, &raw mut results) };
    results
}

/// Calls by HVC with four arguments; gives `x0`.
pub(crate) fn hvc(arguments: [u64; 4]) -> u64 {
    let mut registers = [0; 31];
    for (register, argument) in registers.iter_mut().zip(arguments) {
        *register = argument;
    }
    let [x0, ..] = with_registers(&registers);
    x0
}
