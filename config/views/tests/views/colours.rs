// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Partitions whose memory lies in pages of colours: their ranges interleave, their pages do not.

use bulkhead_views::draw;
use bulkhead_views::who_can::who_can;

use crate::diff::compared;
use crate::support::Workshop;
use crate::{Sample, reference_text};

fn coloured(cluster: &str) -> Sample {
    let text = reference_text();
    let adas = "    memory: 2MiB\n    payload: { elf: adas }";
    let text = text.replacen(
        adas,
        "    memory: { size: 2MiB, colours: 4, uncoloured: [vehicle] }\n    payload: { elf: adas }",
        1,
    );
    let text = text.replacen(
        "    memory: 2MiB\n    payload: { elf: vehicle }",
        "    memory: { size: 2MiB, colours: 2 }\n    payload: { elf: vehicle }",
        1,
    );
    let text = text.replacen(
        "    memory: 256MiB\n",
        "    memory: { size: 128MiB, colours: 6 }\n",
        1,
    );
    let panel = "    memory: 2MiB\n    payload: { elf: cluster }";
    let text = text.replacen(
        panel,
        &format!("    memory: {{ size: {cluster}, colours: 4 }}\n    payload: {{ elf: cluster }}"),
        1,
    );
    Sample::of(Workshop::new().load(&text.replace(", uncoloured: [vehicle]", "")))
}

// Verifies: BH-EXPL-001, BH-EXPL-006
#[test]
fn pages_of_colours_belong_to_their_partition_alone() {
    let sample = coloured("2MiB");
    let (built, board) = (sample.built(), Some(&sample.system.board));
    for name in ["adas", "vehicle", "infotainment", "cluster"] {
        let ram = who_can(&built, board, &format!("{name}/ram")).unwrap();
        let bytes: u64 = ram.physical.iter().map(|s| s.end - s.start).sum();
        assert_eq!(
            bytes,
            if name == "infotainment" {
                128 << 20
            } else {
                2 << 20
            },
            "{name}"
        );
        assert_eq!(
            (ram.write.as_slice(), ram.read.as_slice()),
            (&[name.to_owned()][..], &[name.to_owned()][..])
        );
        assert!(
            ram.routes.iter().all(|r| r.grant.as_deref() == Some("ram")),
            "{name}"
        );
        let own = who_can(&built, board, &format!("{name}:0x4010_0000")).unwrap();
        assert!(
            own.what.contains(&format!("`ram` of partition `{name}`")),
            "{}",
            own.what
        );
    }
    let drawn = draw::memory(&sample.system, &built);
    assert!(drawn.contains("in pages of their colours"), "{drawn}");
    roxmltree::Document::parse(&drawn).unwrap();
}

// Verifies: BH-EXPL-005
#[test]
fn the_content_of_coloured_payloads_is_compared() {
    let (a, b) = (coloured("2MiB"), coloured("2MiB"));
    assert!(compared(&a, &b).is_empty());
    let mut c = coloured("2MiB");
    let payload = who_can(&c.built(), None, "cluster:0x7f_4000_0000")
        .unwrap()
        .physical[0]
        .start;
    let at = usize::try_from(payload - c.built().records.image.start).unwrap();
    c.image[at] ^= 1;
    let difference = compared(&a, &c);
    assert!(difference.text().contains("adas: unchanged\n"));
    assert!(
        difference
            .text()
            .contains("cluster: changed\n  content of `payload`"),
        "{}",
        difference.text()
    );
}
