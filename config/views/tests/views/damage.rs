// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Damaged build folders are refused or shown as they are, and nothing panics.

use bulkhead_views::diff::{Side, diff};
use bulkhead_views::who_can::who_can;
use bulkhead_views::{Built, BuiltError, at};

use crate::Sample;

// Verifies: BH-EXPL-001
#[test]
fn no_damage_makes_a_view_panic() {
    let sample = Sample::reference();
    let intact = sample.built();
    let intact = Side::of(&intact, &sample.stated).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut refused, mut shown) = (0, 0);
    for round in 0..600 {
        let mut blob = sample.compiled.blob.clone();
        // Half of the damage goes to the header and the section tables.
        let early = usize::try_from(sample.compiled.plan.layout.stage2).unwrap();
        let end = if round % 2 == 0 { 248 } else { early.max(4096) };
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..end);
            blob[at] = random.u8(..);
        }
        if round % 50 == 0 {
            blob.truncate(random.usize(0..blob.len()));
        }
        match Built::decode(&blob, &sample.compiled.text, &sample.image) {
            Err(_) => refused += 1,
            Ok(built) => {
                shown += 1;
                let _ = who_can(&built, Some(&sample.system.board), "adas:0x4000_0000");
                let _ = at::at(&built, "1", "9ms");
                if round % 100 == 1
                    && let Ok(damaged) = Side::of(&built, &sample.stated)
                {
                    let _ = diff(&intact, &damaged).text();
                }
            }
        }
    }
    assert!(refused > 50 && shown > 50, "{refused} refused, {shown} shown");
}

// Verifies: BH-EXPL-001
#[test]
fn damage_is_named() {
    let sample = Sample::reference();
    let (blob, text) = (&sample.compiled.blob, &sample.compiled.text);
    let decode = |blob: &[u8], text: &str| Built::decode(blob, text, &sample.image).map(|_| ());
    assert_eq!(decode(&blob[..100], text), Err(BuiltError::NotABlob));
    let mut other = blob.clone();
    other[8] = 9;
    assert_eq!(decode(&other, text), Err(BuiltError::Version(9, 0)));
    assert_eq!(decode(blob, "bulkhead-grants 2\n"), Err(BuiltError::Line(1)));
    let renamed = text.replace("partition 0 adas", "partition 0 adaz");
    assert!(matches!(
        decode(blob, &renamed),
        Err(BuiltError::Contradiction(_))
    ));
}
