// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of an injected fault, from what it struck and what was seen of everybody afterwards.

/// Whose state was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Struck {
    /// A partition's own: the others are isolated from whatever it does then.
    Partition(String),
    /// EL2's or the hardware's, on which isolation stands.
    Below,
}

/// What was seen of a partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Party {
    pub(super) name: String,
    /// EL2 blamed or ended it, or says that its core failed.
    pub(super) told: bool,
    /// What is wrong with it, by means that do not depend on EL2.
    pub(super) harm: Vec<&'static str>,
}

/// What was seen of the machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Virtual time passes.
    pub(super) goes_on: bool,
    pub(super) parties: Vec<Party>,
    /// What EL2 or its report tells that is no partition's: a failed core, an error of a core or of the system, times that
    /// do not add up, statistics that cannot be read.
    pub(super) told: Vec<&'static str>,
    /// Changes of what nobody may write: EL2's image, the blob.
    pub(super) damage: Vec<&'static str>,
}

/// What a fault came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Nothing is seen of it.
    Masked,
    /// It struck a partition, and nobody else has noticed.
    Contained,
    /// It struck below, and EL2 tells of everybody who was harmed.
    Detected,
    /// It struck below, and somebody was harmed of whom nothing is told.
    Silent,
    /// It struck a partition, and somebody else was harmed, told of or not.
    Escaped,
}

pub(super) fn judge(struck: &Struck, seen: &Seen) -> Class {
    let is_hit = |party: &Party| party.told || !party.harm.is_empty();
    match struck {
        Struck::Partition(own) => {
            let below = !seen.goes_on || !seen.told.is_empty() || !seen.damage.is_empty();
            if below || seen.parties.iter().any(|p| p.name != *own && is_hit(p)) {
                Class::Escaped
            } else if seen.parties.iter().any(is_hit) {
                Class::Contained
            } else {
                Class::Masked
            }
        }
        Struck::Below => {
            let untold = |party: &Party| !party.told && !party.harm.is_empty();
            if !seen.goes_on || !seen.damage.is_empty() || seen.parties.iter().any(untold) {
                Class::Silent
            } else if !seen.told.is_empty() || seen.parties.iter().any(|party| party.told) {
                Class::Detected
            } else {
                Class::Masked
            }
        }
    }
}

#[test]
fn a_fault_is_judged_by_whom_it_struck_and_who_was_hit() {
    /// Name, told of, harmed.
    type Row = (&'static str, bool, bool);
    let seen = |rows: &[Row]| Seen {
        goes_on: true,
        parties: ["attacker", "cluster", "beside"]
            .into_iter()
            .map(|name| {
                let row = rows.iter().find(|(hit, ..)| *hit == name);
                let (_, told, harmed) = row.copied().unwrap_or((name, false, false));
                Party {
                    name: name.to_owned(),
                    told,
                    harm: if harmed { vec!["stands still"] } else { Vec::new() },
                }
            })
            .collect(),
        ..Seen::default()
    };
    let attacker = || Struck::Partition("attacker".to_owned());
    let beside = || Struck::Partition("beside".to_owned());
    let rows: [(Struck, &[Row], Class); 16] = [
        (attacker(), &[], Class::Masked),
        (attacker(), &[("attacker", true, false)], Class::Contained),
        // Dead by its own damage, which is nobody else's business.
        (attacker(), &[("attacker", false, true)], Class::Contained),
        (beside(), &[("beside", false, true)], Class::Contained),
        // Somebody else is hit, told of or not, alone or with it.
        (attacker(), &[("cluster", true, false)], Class::Escaped),
        (attacker(), &[("cluster", false, true)], Class::Escaped),
        (attacker(), &[("cluster", true, true)], Class::Escaped),
        (
            attacker(),
            &[("attacker", true, false), ("beside", false, true)],
            Class::Escaped,
        ),
        (beside(), &[("attacker", false, true)], Class::Escaped),
        (Struck::Below, &[], Class::Masked),
        (Struck::Below, &[("cluster", true, false)], Class::Detected),
        (Struck::Below, &[("cluster", true, true)], Class::Detected),
        (
            Struck::Below,
            &[("cluster", true, true), ("attacker", true, false)],
            Class::Detected,
        ),
        (Struck::Below, &[("cluster", false, true)], Class::Silent),
        // One is told of, the other is not.
        (
            Struck::Below,
            &[("attacker", true, false), ("beside", false, true)],
            Class::Silent,
        ),
        (
            Struck::Below,
            &[
                ("attacker", true, true),
                ("cluster", true, true),
                ("beside", false, true),
            ],
            Class::Silent,
        ),
    ];
    for (struck, rows, class) in rows {
        assert_eq!(judge(&struck, &seen(rows)), class, "{struck:?} {rows:?}");
    }
    // What is nobody's: a parked core tells of no memory that has changed.
    let parked = Seen {
        told: vec!["a failed core"],
        ..seen(&[])
    };
    let changed = Seen {
        damage: vec!["blob"],
        ..parked.clone()
    };
    let stands = Seen {
        goes_on: false,
        ..parked.clone()
    };
    for (struck, seen, class) in [
        (Struck::Below, &parked, Class::Detected),
        (Struck::Below, &changed, Class::Silent),
        (Struck::Below, &stands, Class::Silent),
        (attacker(), &parked, Class::Escaped),
        (attacker(), &changed, Class::Escaped),
        (attacker(), &stands, Class::Escaped),
    ] {
        assert_eq!(judge(&struck, seen), class, "{struck:?} {seen:?}");
    }
}
