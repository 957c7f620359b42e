// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What ends all partitions, or all of a core, whoever's the error is: reactions, and the watchdog.

use bulkhead_abi::health::{Error, Level};

use super::Footprint;
use crate::built::Built;
use crate::why::health;

/// What ends or resets others than the one who is to blame.
pub(in crate::diff) fn global(built: &Built<'_>) -> Footprint {
    let mut facts = Footprint::default();
    let (core, system) = (&built.board.health_core, &built.board.health_system);
    for (level, table) in [(Level::Core, core), (Level::System, system)] {
        for (error, action) in health::ending(level, table) {
            facts.essence(
                format!("{} on the {} level", error.word(), level.word()),
                action.word(),
            );
        }
    }
    for (index, partition) in built.partitions.iter().enumerate() {
        let name = built.partition_name(index);
        for (error, action) in health::ending(Level::Partition, &partition.health) {
            let action = action.word();
            let how = if error == Error::Heartbeat {
                format!("{action}: {}", health::heartbeat(partition))
            } else if error == Error::InterruptStorm {
                format!("{action}: {}", health::storm(partition))
            } else {
                action.to_owned()
            };
            facts.essence(format!("{} of {name}", error.word()), how);
        }
    }
    let watchdog = match built.board.watchdog {
        0 => "none".to_owned(),
        count => format!("each of its two stages counts down from {count}"),
    };
    facts.essence("watchdog", watchdog);
    facts
}
