// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What boot refuses, and in which words.

#![allow(clippy::expect_used, reason = "helpers of tests may fail the test")]

mod common;
mod evidence;
mod predictors;
mod verify;
