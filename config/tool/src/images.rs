// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `images`: everything that runs on the target, built by cargo and put into the images folder.
//!
//! Which packages are built follows from their folders: `bsp/BOARD` and `BOARD/board` hold the boot and run-time
//! parts of EL2 (a binary may be called after its board, `BOARD-boot`), `hypervisor/loader` the loader, `partitions/*`, `tests/partitions/*` and `tests/conformance` the partitions, `tests/chain-loader` a boot loader. A program of
//! `partitions/infotainment` runs in Linux and keeps its bare name.

mod cargo;
mod unchanged;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSymbol};
use serde::Serialize;

pub(crate) use self::cargo::TARGET;
use self::unchanged::Inputs;
use crate::cli::{Format, ImagesArgs};
use crate::failure::Failure;
use crate::{output, place, prove};

/// Written last: the images are a whole.
const COMPLETE: &str = ".complete";
/// Folder of the programs that run in Linux.
const LINUX: &str = "partitions/infotainment";
/// Folder of the loader.
const LOADER: &str = "hypervisor/loader";
/// Folder of boards.
const BSP: &str = "bsp";
/// Folders that are partitions or a boot loader, or whose subfolders are partitions.
const PROGRAMS: [&str; 4] = [
    "partitions",
    "tests/partitions",
    "tests/conformance",
    "tests/chain-loader",
];

/// A binary of the workspace and its place in the images folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Image {
    file: PathBuf,
    package: String,
    binary: String,
}

/// An image for machines.
#[derive(Serialize)]
struct Listed<'i> {
    path: PathBuf,
    package: &'i str,
    binary: &'i str,
    built: bool,
}

/// Prints where the images are or will be.
fn list(images: &[Image], folder: &Path, format: Format) -> Result<(), Failure> {
    let path = |image: &Image| folder.join(&image.file);
    match format {
        Format::Text => images
            .iter()
            .try_for_each(|i| output::line(&path(i).display().to_string())),
        Format::Json => {
            let all = images.iter().map(|image| Listed {
                path: path(image),
                package: &image.package,
                binary: &image.binary,
                built: path(image).is_file(),
            });
            output::json(&all.collect::<Vec<_>>())
        }
    }
}

/// Builds or lists the images.
pub(crate) fn run(args: &ImagesArgs, format: Format) -> Result<(), Failure> {
    let root = place::root()?;
    let (target, folder) = (place::target(&root), place::images(&root));
    let inputs = (args.build && args.board.is_none())
        .then(|| Inputs::of(&root, &target, &folder).ok())
        .flatten();
    // Who asks to see the commands sees them.
    if format == Format::Text && !cargo::verbose() && inputs.as_ref().is_some_and(Inputs::are_built) {
        return Ok(());
    }
    let all = images_of(cargo::binaries(&root)?);
    let images: Vec<Image> = match &args.board {
        Some(board) => all.into_iter().filter(|i| i.file.starts_with(board)).collect(),
        None => all,
    };
    if let Some(board) = args.board.as_ref().filter(|_| images.is_empty()) {
        return Err(
            Failure::wrong(format_args!("no crate of the workspace is board `{board}`"))
                .help("the steps to a new board: bsp/NEW-BOARD.md"),
        );
    }
    if !args.build {
        return list(&images, &folder, format);
    }
    build(&root, &folder, &images, args.board.is_some())?;
    inputs.map_or(Ok(()), |inputs| inputs.keep())?;
    match format {
        Format::Text => Ok(()),
        Format::Json => list(&images, &folder, format),
    }
}

/// Builds the images; `is_part` when they are not all.
fn build(root: &Path, folder: &Path, images: &[Image], is_part: bool) -> Result<(), Failure> {
    let target = place::target(root);
    // One at a time: packages that are built together share the features of what they depend on.
    for package in images.iter().map(|i| i.package.as_str()).collect::<BTreeSet<_>>() {
        cargo::build_image(root, package)?;
    }
    let mut store = Store { folder };
    let built = target.join(TARGET).join(cargo::PROFILE);
    for image in images {
        let path = built.join(&image.binary);
        store.put(
            &image.file,
            &fs::read(&path).map_err(|e| Failure::file(&path, &e))?,
        )?;
    }
    for board in boards(images) {
        let binary = pack(root, folder, &board)?;
        store.put(&Path::new(&board).join("hypervisor.bin"), &binary)?;
    }
    if is_part {
        return Ok(());
    }
    cargo::build_checker(root)?;
    put_checker(&target)?;
    let names: Vec<String> = images.iter().map(|i| format!("{}\n", i.file.display())).collect();
    store.put(Path::new(COMPLETE), names.concat().as_bytes())
}

/// The packages of all images, each once.
pub(crate) fn packages(root: &Path) -> Result<BTreeSet<String>, Failure> {
    Ok(images_of(cargo::binaries(root)?)
        .into_iter()
        .map(|i| i.package)
        .collect())
}

/// The binaries that run on the target.
fn images_of(binaries: Vec<cargo::Binary>) -> Vec<Image> {
    let file = |binary: &cargo::Binary| {
        let (parent, name) = binary.folder.rsplit_once('/')?;
        let elf = format!("{}.elf", binary.name);
        if binary.folder == LINUX {
            Some(PathBuf::from(&binary.name))
        } else if binary.folder == LOADER || [parent, &binary.folder].iter().any(|f| PROGRAMS.contains(f)) {
            Some(PathBuf::from(elf))
        } else {
            let board = match (parent, name) {
                (BSP, board) | (board, "board") => board,
                _ => return None,
            };
            let prefix = format!("{board}-");
            Some(Path::new(board).join(elf.strip_prefix(&prefix).unwrap_or(&elf)))
        }
    };
    let image = |b: cargo::Binary| {
        Some(Image {
            file: file(&b)?,
            package: b.package,
            binary: b.name,
        })
    };
    let mut images: Vec<Image> = binaries.into_iter().filter_map(image).collect();
    images.sort();
    images
}

/// The boards that have parts of EL2.
fn boards(images: &[Image]) -> Vec<String> {
    let folders = images
        .iter()
        .filter_map(|i| i.file.parent().and_then(Path::to_str));
    let mut boards: Vec<String> = folders.filter(|f| !f.is_empty()).map(str::to_owned).collect();
    boards.dedup();
    boards
}

/// Makes a board's `hypervisor.bin`.
fn pack(root: &Path, folder: &Path, board: &str) -> Result<Vec<u8>, Failure> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).map_err(|e| Failure::file(&path, &e))
    };
    let boot = read(&format!("{board}/boot.elf"))?;
    let runtime = read(&format!("{board}/runtime.elf"))?;
    let loader = read("loader.elf")?;
    let id = bulkhead_model::load_board(&place::board(root, board))?.id;
    let blob_base = symbol(&runtime, "__blob_base")
        .ok_or_else(|| Failure::unable(format_args!("{board}/runtime.elf has no symbol __blob_base")))?;
    bulkhead_compiler::pack::pack(&boot, &runtime, &loader, id.value, blob_base).map_err(Failure::unable)
}

fn symbol(elf: &[u8], name: &str) -> Option<u64> {
    Some(object::File::parse(elf).ok()?.symbol_by_name(name)?.address())
}

/// The images folder; writes only what differs, and takes the mark of completeness away before.
struct Store<'a> {
    folder: &'a Path,
}

impl Store<'_> {
    fn put(&mut self, file: &Path, content: &[u8]) -> Result<(), Failure> {
        let path = self.folder.join(file);
        if fs::read(&path).is_ok_and(|old| old == content) {
            return Ok(());
        }
        let complete = self.folder.join(COMPLETE);
        match fs::remove_file(&complete) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::file(&complete, &error));
            }
            Ok(()) | Err(_) => {}
        }
        let parent = path.parent().unwrap_or(self.folder);
        fs::create_dir_all(parent).map_err(|e| Failure::file(parent, &e))?;
        // A reader sees the old file or the new one, never half of it.
        let whole = path.with_file_name(format!(".{}.new", file.file_name().unwrap_or_default().display()));
        fs::write(&whole, content).map_err(|e| Failure::file(&whole, &e))?;
        fs::rename(&whole, &path).map_err(|e| Failure::file(&path, &e))
    }
}

/// The checker must lie beside this program; cargo has put it there unless the tool is elsewhere.
fn put_checker(target: &Path) -> Result<(), Failure> {
    let built = target.join("release").join(prove::CHECKER);
    let wanted = env::current_exe()
        .map_err(Failure::unable)?
        .with_file_name(prove::CHECKER);
    let new = fs::read(&built).map_err(|e| Failure::file(&built, &e))?;
    if fs::read(&wanted).is_ok_and(|old| old == new) {
        return Ok(());
    }
    fs::copy(&built, &wanted)
        .map(|_| ())
        .map_err(|e| Failure::file(&wanted, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(folder: &str, name: &str) -> cargo::Binary {
        cargo::Binary {
            folder: folder.to_owned(),
            package: format!("bulkhead-{name}"),
            name: name.to_owned(),
        }
    }

    #[test]
    fn folders_decide_what_is_an_image() {
        let images = images_of(vec![
            binary("config/tool", "bulkhead-tool"),
            binary("qemu-virt/board", "runtime"),
            binary("qemu-virt/board", "boot"),
            binary("qemu-virt-32/board", "qemu-virt-32-boot"),
            binary("bsp/zeus", "zeus-boot"),
            binary("bsp/zeus", "zeus-runtime"),
            binary("hypervisor/loader", "loader"),
            binary("partitions/adas", "adas"),
            binary("partitions/infotainment", "vehicle-state"),
            binary("tests/conformance", "conformance"),
            binary("tests/on-target", "on-target"),
            binary("tests/partitions/forger", "forger"),
        ]);
        let files: Vec<&str> = images.iter().filter_map(|i| i.file.to_str()).collect();
        let wanted = [
            "adas.elf",
            "conformance.elf",
            "forger.elf",
            "loader.elf",
            "qemu-virt/boot.elf",
            "qemu-virt/runtime.elf",
            "qemu-virt-32/boot.elf",
            "vehicle-state",
            "zeus/boot.elf",
            "zeus/runtime.elf",
        ];
        assert_eq!(files, wanted);
        assert_eq!(boards(&images), ["qemu-virt", "qemu-virt-32", "zeus"]);
    }

    #[test]
    fn a_change_takes_the_mark_of_completeness_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store {
            folder: folder.path(),
        };
        let complete = folder.path().join(COMPLETE);
        store.put(Path::new("board/a.elf"), b"one").unwrap();
        store.put(Path::new(COMPLETE), b"").unwrap();
        store.put(Path::new("board/a.elf"), b"one").unwrap();
        assert!(complete.exists(), "nothing changed");
        store.put(Path::new("board/a.elf"), b"two").unwrap();
        assert!(!complete.exists());
        assert_eq!(fs::read(folder.path().join("board/a.elf")).unwrap(), b"two");
    }
}
