// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the typed model to blob, device trees and image.
