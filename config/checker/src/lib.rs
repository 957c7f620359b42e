// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Proves a blob; depends on no crate of the workspace.
