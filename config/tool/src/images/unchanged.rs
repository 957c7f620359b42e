// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether the images are those of the tree as it is. Cargo decides that for each package, which takes seconds where nothing
//! is to be done; so what went into the last build and what came out of it is kept as a list.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use crate::failure::Failure;
use crate::prove;

/// The list, in cargo's output folder.
const LIST: &str = ".bulkhead-images";
/// Beginnings of the names of variables that cargo, the compiler or a build script of the tree obeys.
const VARIABLES: [&str; 3] = ["CARGO", "RUST", "DEFMT_"];
/// What cargo reads beside folders of packages.
const SETTINGS: [&str; 5] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo",
    "rust-toolchain",
    "rust-toolchain.toml",
];

/// What goes into a build of all images, as it was when this was made.
pub(super) struct Inputs {
    list: String,
    /// What such a build makes.
    outputs: Vec<PathBuf>,
    /// File of what the last build was made of, and made.
    kept: PathBuf,
}

impl Inputs {
    /// Looks at the tree, the compiler and the environment.
    ///
    /// # Errors
    /// A file vanishes while it is looked at, or there is no compiler.
    pub(super) fn of(root: &Path, target: &Path, images: &Path) -> io::Result<Self> {
        let tool = env::current_exe()?;
        let mut list = format!("{} {}\n", root.display(), images.display());
        for print in [["--version", "--verbose"], ["--print", "sysroot"]] {
            let compiler = Command::new("rustc").args(print).current_dir(root).output()?;
            list.push_str(&String::from_utf8_lossy(&compiler.stdout));
        }
        let obeyed = |name: &[u8]| VARIABLES.iter().any(|start| name.starts_with(start.as_bytes()));
        let mut variables: Vec<_> = env::vars_os()
            .filter(|(name, _)| obeyed(name.as_bytes()))
            .map(|(name, value)| format!("{}={}\n", name.display(), value.display()))
            .collect();
        variables.sort();
        list.extend(variables);
        // It packs the images.
        add(&mut list, &tool)?;
        for path in entries(root)? {
            let is_setting = path
                .file_name()
                .is_some_and(|name| SETTINGS.iter().any(|s| name == *s));
            if path != target && (is_setting || has_package(&path, 2)) {
                add(&mut list, &path)?;
            }
        }
        Ok(Self {
            list,
            outputs: vec![images.to_owned(), tool.with_file_name(prove::CHECKER)],
            kept: target.join(LIST),
        })
    }

    /// Whether the last build was of these, and all that it made is still there as it was made.
    /// Implements: BH-RUN-007.
    pub(super) fn are_built(&self) -> bool {
        let kept = fs::read_to_string(&self.kept);
        kept.is_ok_and(|kept| self.with_outputs().is_ok_and(|list| list == kept))
    }

    /// Keeps that all images have been built of these.
    ///
    /// # Errors
    /// The list cannot be made or written.
    pub(super) fn keep(&self) -> Result<(), Failure> {
        let list = self.with_outputs();
        let written = list.and_then(|list| fs::write(&self.kept, list));
        written.map_err(|e| Failure::file(&self.kept, &e))
    }

    fn with_outputs(&self) -> io::Result<String> {
        let mut list = format!("{}built:\n", self.list);
        for path in &self.outputs {
            add(&mut list, path)?;
        }
        Ok(list)
    }
}

/// What lies in a folder, in a fixed order.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Whether a package lies in a folder, or at most `depth - 1` folders below.
fn has_package(path: &Path, depth: usize) -> bool {
    let below = || entries(path).is_ok_and(|all| all.iter().any(|path| has_package(path, depth - 1)));
    depth > 0 && path.is_dir() && (path.join("Cargo.toml").is_file() || below())
}

/// Adds a file, or all files in a folder, to a list: path, bytes, and when it was written, in s and ns.
fn add(list: &mut String, path: &Path) -> io::Result<()> {
    let about = fs::symlink_metadata(path)?;
    if about.is_dir() {
        return entries(path)?.iter().try_for_each(|path| add(list, path));
    }
    let name = path.as_os_str().as_bytes().escape_ascii();
    let (s, ns) = (about.mtime(), about.mtime_nsec());
    // A string takes all that is written.
    let _ = writeln!(list, "{name} {} {s}.{ns:09}", about.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Verifies: BH-RUN-007.
    #[test]
    fn every_change_of_a_source_or_an_image_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let (source, image) = (place("tree/part/a/lib.rs"), place("tree/target/images/a.elf"));
        let (new, other) = (place("tree/part/a/new.rs"), place("tree/out/image.bin"));
        for path in [&source, &image, &place("tree/part/a/Cargo.toml")] {
            fs::write(path, "one").unwrap();
        }
        let inputs = || {
            let target = place("tree/target");
            let mut inputs = Inputs::of(&place("tree"), &target, &target.join("images")).unwrap();
            inputs.outputs.truncate(1);
            inputs
        };
        let age = |path: &Path| {
            let file = fs::File::options().append(true).open(path).unwrap();
            let then = file.metadata().unwrap().modified().unwrap();
            file.set_modified(then - Duration::from_secs(3600)).unwrap();
        };
        let changes: [(&str, &dyn Fn()); 5] = [
            ("a source that is older than before", &|| age(&source)),
            ("another source", &|| fs::write(&new, "").unwrap()),
            ("one source less", &|| fs::remove_file(&new).unwrap()),
            ("an image that was written again", &|| age(&image)),
            ("an image that is gone", &|| fs::remove_file(&image).unwrap()),
        ];
        assert!(!inputs().are_built(), "nothing was built");
        for (what, change) in changes {
            inputs().keep().unwrap();
            fs::write(&other, what).unwrap();
            assert!(inputs().are_built(), "before {what}");
            change();
            assert!(!inputs().are_built(), "{what}");
        }
    }

    /// Verifies: BH-RUN-007.
    #[test]
    fn a_change_during_a_build_is_seen_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (root, target) = (folder.path(), folder.path().join("target"));
        fs::create_dir_all(target.join("images")).unwrap();
        let inputs = || {
            let mut inputs = Inputs::of(root, &target, &target.join("images")).unwrap();
            inputs.outputs.truncate(1);
            inputs
        };
        let before = inputs();
        fs::write(root.join("Cargo.toml"), "").unwrap();
        before.keep().unwrap();
        assert!(!inputs().are_built());
    }
}
