// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who works around which erratum.

use bulkhead_model::errata::of_board;
use bulkhead_model::system::System;
use maud::{Markup, html};

use crate::words::numbers;

/// The errata of the board's cores.
pub(super) fn table(system: &System) -> Markup {
    html! {
        table {
            tr { th { "erratum" } th { "cores" } th { "effect" } th { "remedy" } th { "means" } }
            @for (erratum, cores) in of_board(&system.board) {
                tr {
                    td { code { (erratum.name) } }
                    td { (numbers(cores.into_iter())) }
                    td { (erratum.effect) }
                    td { (erratum.remedy.name()) }
                    td { (erratum.means) }
                }
            }
        }
        p class="note" { "What the firmware works around is nothing that EL2 can see: ask the firmware's vendor." }
    }
}
