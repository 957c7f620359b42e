// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signatures: made by U-Boot's own `mkimage`, since they must be what U-Boot checks. Implements: BH-FLSH-008.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use bulkhead_flash::script::{Form, Place, trusted_command};
use bulkhead_flash::trust;

use super::args::FlashArgs;
use crate::failure::Failure;

const MKIMAGE: &str = "mkimage";

/// Signs a boot image; with `--trust`, the boot loader's device tree gets the public key, and a boot command that
/// starts nothing else.
pub(super) fn sign(
    image: &[u8],
    keys: &Path,
    args: &FlashArgs,
    place: Place<'_>,
) -> Result<Vec<u8>, Failure> {
    if args.form != Form::Fit {
        return Err(Failure::wrong("only a FIT can be signed: leave --as out"));
    }
    let secret = keys.join(format!("{}.key", args.key));
    fs::metadata(&secret).map_err(|e| {
        Failure::file(&secret, &e).help("a key is a pair of files NAME.key and NAME.crt; --key names it")
    })?;
    let folder = tempfile::tempdir().map_err(Failure::unable)?;
    let fit = folder.path().join("bulkhead.itb");
    fs::write(&fit, image).map_err(|e| Failure::file(&fit, &e))?;
    let mut words: Vec<&OsStr> = vec!["-F".as_ref(), "-k".as_ref(), keys.as_os_str()];
    let tree = folder.path().join("control.dtb");
    if let Some(path) = &args.trust {
        let medium = place.boot.medium.as_ref().ok_or_else(|| {
            let board = place.board;
            Failure::wrong(format_args!(
                "the board file of `{board}` has no `boot.medium`, which a boot command needs"
            ))
        })?;
        let old = fs::read(path).map_err(|e| Failure::file(path, &e))?;
        let command = trusted_command(place, medium, args.rollback_index);
        let new = trust::with_command(&old, &command)
            .map_err(|error| Failure::wrong(format_args!("{}: {error}", path.display())))?;
        fs::write(&tree, new).map_err(|e| Failure::file(&tree, &e))?;
        words.extend::<[&OsStr; 3]>(["-K".as_ref(), tree.as_os_str(), "-r".as_ref()]);
    }
    words.push(fit.as_os_str());
    let said = Command::new(MKIMAGE)
        .args(&words)
        .output()
        .map_err(|e| Failure::file(Path::new(MKIMAGE), &e).help("install u-boot-tools"))?;
    if !said.status.success() {
        let words = String::from_utf8_lossy(&said.stderr);
        return Err(Failure::unable(format_args!(
            "{MKIMAGE} ended with {}: {}",
            said.status,
            words.trim()
        )));
    }
    if let Some(path) = &args.trust {
        let new = fs::read(&tree).map_err(|e| Failure::file(&tree, &e))?;
        fs::write(path, new).map_err(|e| Failure::file(path, &e))?;
    }
    fs::read(&fit).map_err(|e| Failure::file(&fit, &e))
}
