// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boot images read back.

use bulkhead_flash::fit::{Fit, Part, total_size};
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};
use sha2::{Digest, Sha256};

fn parts() -> Vec<Part<'static>> {
    let part = |name, address, bytes| Part { name, address, bytes };
    vec![
        part("hypervisor", 0x4020_0000, b"hypervisor's bytes".as_slice()),
        part("system", 0x4030_0000, b"blob"),
        part("payload-adas", 0x1_4031_0000, b""),
    ]
}

fn fit(key: Option<&'static str>) -> Fit<'static> {
    Fit {
        system: "test",
        compatible: "acme,board",
        parts: parts(),
        rollback_index: 7,
        key,
    }
}

fn value(node: &impl Node, name: &str) -> Vec<u8> {
    let property = node.property(name).unwrap_or_else(|| panic!("no {name}"));
    property.value().to_vec()
}

/// Verifies: BH-FLSH-002.
#[test]
fn each_part_is_hashed_by_itself() {
    let bytes = fit(None).build().unwrap();
    let tree = Fdt::new(&bytes).unwrap();
    for (index, part) in parts().iter().enumerate() {
        let node = tree.find_node(&format!("/images/{}", part.name)).unwrap();
        assert_eq!(value(&node, "data"), part.bytes);
        assert_eq!(value(&node, "load"), part.address.to_be_bytes());
        assert_eq!(node.property("entry").is_some(), index == 0);
        let hash = tree.find_node(&format!("/images/{}/hash", part.name));
        let hash = hash.unwrap_or_else(|| panic!("{} is not hashed", part.name));
        assert_eq!(value(&hash, "algo"), b"sha256\0");
        assert_eq!(value(&hash, "value"), Sha256::digest(part.bytes).to_vec());
    }
    let configuration = tree.find_node("/configurations/bulkhead").unwrap();
    assert_eq!(value(&configuration, "kernel"), b"hypervisor\0");
    assert_eq!(value(&configuration, "loadables"), b"system\0payload-adas\0");
    assert_eq!(value(&configuration, "rollback-index"), 7u32.to_be_bytes());
    assert_eq!(value(&configuration, "compatible"), b"acme,board\0");
    assert!(tree.find_node("/configurations/bulkhead/signature").is_none());
}

/// Verifies: BH-FLSH-002, BH-FLSH-008.
#[test]
fn a_signature_covers_all_parts() {
    let bytes = fit(Some("release")).build().unwrap();
    let tree = Fdt::new(&bytes).unwrap();
    let signature = tree.find_node("/configurations/bulkhead/signature").unwrap();
    assert_eq!(value(&signature, "sign-images"), b"kernel\0loadables\0");
    assert_eq!(value(&signature, "key-name-hint"), b"release\0");
}

/// Verifies: BH-FLSH-004.
#[test]
fn equal_parts_give_equal_images() {
    let bytes = fit(None).build().unwrap();
    assert_eq!(bytes, fit(None).build().unwrap());
    assert_eq!(total_size(&bytes), Some(bytes.len() as u64));
    assert_eq!(total_size(b"no image"), None);
}
