// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the files are that a spec names, and what their headers say.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};

use crate::board::Region;
use crate::span::{Sources, Spanned};
use crate::spec::{InitrdSpec, PayloadSpec, Spec};
use crate::system::{FileRef, Initrd, Linux, Origin, Payload};

/// Folders that names in a spec are looked up in.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The spec.
    pub spec: PathBuf,
    /// Board files.
    pub boards: PathBuf,
    /// Built images: `elf: NAME` is `NAME.elf` here.
    pub images: PathBuf,
    /// Unpacked Debian packages: `debian:PACKAGE` is a file below `PACKAGE` here.
    pub guest: PathBuf,
}

/// The payload of each partition; absent when one of its files is not there.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    pub(crate) list: Vec<Option<Payload>>,
    /// The device tree of each partition that has its own.
    pub(crate) trees: Vec<Option<FileRef>>,
    pub(crate) missing: Vec<Missing>,
}

/// A file that is not there.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) name: Spanned<String>,
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
    pub(crate) help: String,
}

/// Where a name without any mark of a path is looked up.
#[derive(Clone, Copy)]
enum Place {
    /// `NAME.elf` in the images folder.
    Elf,
    /// `NAME` in the images folder.
    Program,
    /// Below an unpacked package, at the first of these that is there; else relative to the spec.
    Package(&'static [&'static str]),
    /// Relative to the spec.
    File,
}

const KERNEL: Place = Place::Package(&["boot/vmlinuz-*"]);
const BUSYBOX: Place = Place::Package(&["bin/busybox", "usr/bin/busybox"]);

/// Looks every file of the spec up.
pub(crate) fn locate(spec: &Spec, paths: &Paths, sources: &Sources) -> Payloads {
    let mut payloads = Payloads::default();
    let places = Places { paths, sources };
    for partition in &spec.partitions {
        let payload = partition
            .payload
            .as_ref()
            .and_then(|p| payloads.payload(p, places));
        payloads.list.push(payload);
        let tree = partition.device_tree.as_ref();
        let tree = tree.and_then(|name| payloads.find(name, Place::Program, places));
        payloads.trees.push(tree);
    }
    payloads
}

/// What names are looked up in.
#[derive(Clone, Copy)]
struct Places<'p> {
    paths: &'p Paths,
    /// For files relative to the one that names them.
    sources: &'p Sources,
}

impl Payloads {
    fn payload(&mut self, payload: &PayloadSpec, places: Places<'_>) -> Option<Payload> {
        match payload {
            PayloadSpec::Elf(name) => self.find(name, Place::Elf, places).map(Payload::Elf),
            PayloadSpec::Raw(name) => self.find(name, Place::File, places).map(Payload::Raw),
            PayloadSpec::Linux {
                kernel,
                initrd,
                command_line,
            } => {
                let kernel = kernel.as_ref().and_then(|n| self.find(n, KERNEL, places));
                let initrd = match initrd {
                    None => Some(None),
                    Some(disk) => self.initrd(disk, places).map(Some),
                };
                let linux = Linux {
                    kernel: kernel?,
                    initrd: initrd?,
                    command_line: command_line.clone()?,
                };
                Some(Payload::Linux(linux))
            }
        }
    }

    fn initrd(&mut self, disk: &InitrdSpec, places: Places<'_>) -> Option<Initrd> {
        match disk {
            InitrdSpec::File(name) => self.find(name, Place::File, places).map(Initrd::File),
            InitrdSpec::Build { busybox, programs } => {
                let busybox = busybox.as_ref().and_then(|n| self.find(n, BUSYBOX, places));
                let programs: Vec<Option<FileRef>> = programs
                    .iter()
                    .map(|n| self.find(n, Place::Program, places))
                    .collect();
                let programs = programs.into_iter().collect::<Option<_>>()?;
                Some(Initrd::Build {
                    busybox: busybox?,
                    programs,
                })
            }
        }
    }

    fn find(&mut self, name: &Spanned<String>, place: Place, places: Places<'_>) -> Option<FileRef> {
        let (origin, candidate) = candidate(name, place, places);
        let help = match &origin {
            Origin::Image => {
                "build the target images (`bulkhead-tool images --build`), or write a path like ./file.elf"
            }
            Origin::Debian(_) => "`./bulkhead build` fetches it; or write the path of a file of your own",
            Origin::File => "paths are relative to the file that names them",
        };
        let opened = candidate.and_then(|path| match fs::metadata(&path) {
            Ok(data) if data.is_file() => Ok(path),
            Ok(_) => Err((path, "it is not a file".to_owned())),
            Err(error) => Err((path, reason(&error))),
        });
        match opened {
            Ok(path) => Some(FileRef {
                name: name.clone(),
                path,
                origin,
            }),
            Err((path, reason)) => {
                self.missing.push(Missing {
                    name: name.clone(),
                    path,
                    reason,
                    help: help.to_owned(),
                });
                None
            }
        }
    }
}

/// Short words for an error of the file system.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
        _ => error.to_string(),
    }
}

type Candidate = Result<PathBuf, (PathBuf, String)>;

fn candidate(name: &Spanned<String>, place: Place, places: Places<'_>) -> (Origin, Candidate) {
    let Places { paths, sources } = places;
    let beside = || {
        (
            Origin::File,
            Ok(beside(sources.file(name.span).unwrap_or(&paths.spec), name)),
        )
    };
    let is_path = name.contains('/') || name.contains('.');
    match (place, name.strip_prefix("debian:")) {
        (Place::Package(patterns), Some(package)) => {
            let folder = paths.guest.join(package);
            let good = !package.contains('/') && !package.starts_with('.') && !package.is_empty();
            let found = good
                .then(|| patterns.iter().find_map(|p| expand(&folder, p)))
                .flatten();
            let missing = || (folder.clone(), format!("it holds no {}", patterns.join(" or ")));
            (Origin::Debian(package.to_owned()), found.ok_or_else(missing))
        }
        (Place::Elf, None) if !is_path => (
            Origin::Image,
            Ok(paths.images.join(format!("{}.elf", name.value))),
        ),
        (Place::Program, None) if !is_path => (Origin::Image, Ok(paths.images.join(&name.value))),
        (Place::Elf | Place::Program | Place::Package(_) | Place::File, _) => beside(),
    }
}

/// A path relative to the file that names it.
pub(crate) fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

/// The path itself, or for a last part that ends in `*` the greatest name with that begin.
fn expand(folder: &Path, pattern: &str) -> Option<PathBuf> {
    let path = folder.join(pattern);
    let Some(prefix) = path.file_name()?.to_str()?.strip_suffix('*').map(str::to_owned) else {
        return path.is_file().then_some(path);
    };
    let names = fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(|e| Some(e.ok()?.path()));
    let fits = |p: &PathBuf| {
        p.file_name()
            .and_then(|n| n.to_str())
            .is_some_and(|n| n.starts_with(&prefix))
    };
    names.filter(fits).max()
}

/// What the header of an arm64 `Image` says.
///
/// # References
/// Linux, Documentation/arch/arm64/booting.rst, "Call the kernel image".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    /// Bytes from a 2 MiB boundary to where the image is placed.
    pub text_offset: u64,
    /// Bytes that it occupies, including zeroed data that is not in the file.
    pub image_size: u64,
}

/// Reads the header of an arm64 `Image`.
///
/// # Errors
/// What the file is instead.
pub fn image_header(path: &Path) -> Result<ImageHeader, String> {
    let mut head = Vec::new();
    let read = fs::File::open(path).and_then(|f| f.take(64).read_to_end(&mut head));
    read.map_err(|e| reason(&e))?;
    let word = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
    if head.get(56..60) != Some(b"ARM\x64") {
        return Err(match head.as_slice() {
            [0x1f, 0x8b, ..] => "it is compressed (gzip)".to_owned(),
            [b'M', b'Z', _, _, b'z', b'i', b'm', b'g', ..] => "it is compressed (EFI zboot)".to_owned(),
            [0x7f, b'E', b'L', b'F', ..] => "it is an ELF file".to_owned(),
            [] => "it is empty".to_owned(),
            _ => "the magic number ARM\\x64 at byte 56 is missing".to_owned(),
        });
    }
    let length = fs::metadata(path).map_err(|e| reason(&e))?.len();
    let (text_offset, image_size) = (word(8).unwrap_or(0), word(16).unwrap_or(0));
    // Kernels before 3.17 leave the size 0.
    Ok(ImageHeader {
        text_offset,
        image_size: image_size.max(length),
    })
}

/// What an AArch64 ELF loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Physical addresses.
    pub(crate) region: Region,
    /// Whether it may be written.
    pub(crate) writable: bool,
    /// Whether it may be executed.
    pub(crate) executable: bool,
}

/// The segments that an AArch64 ELF loads.
///
/// # Errors
/// Why it is not one.
pub(crate) fn elf_segments(path: &Path) -> Result<Vec<Segment>, String> {
    let data = fs::read(path).map_err(|e| reason(&e))?;
    let data = data.as_slice();
    let header =
        elf::FileHeader64::<Endianness>::parse(data).map_err(|_| "it is not a 64-bit ELF file".to_owned())?;
    let endian = header
        .endian()
        .map_err(|_| "its byte order is unknown".to_owned())?;
    let machine = header.e_machine(endian);
    if machine != elf::EM_AARCH64 || endian != Endianness::Little {
        let name = match machine {
            elf::EM_X86_64 => "x86-64".to_owned(),
            elf::EM_RISCV => "RISC-V".to_owned(),
            elf::EM_AARCH64 => "big-endian AArch64".to_owned(),
            other => format!("machine number {other}"),
        };
        return Err(format!("it is for {name}"));
    }
    let headers = header
        .program_headers(endian, data)
        .map_err(|_| "its program headers are damaged".to_owned())?;
    let loaded = headers
        .iter()
        .filter(|h| h.p_type(endian) == elf::PT_LOAD && h.p_memsz(endian) > 0);
    Ok(loaded
        .map(|h| Segment {
            region: Region {
                base: h.p_paddr(endian),
                size: h.p_memsz(endian),
            },
            writable: h.p_flags(endian).contains(elf::PF_W),
            executable: h.p_flags(endian).contains(elf::PF_X),
        })
        .collect())
}

/// The Debian packages that a spec names, each once.
pub(crate) fn debian_packages(spec: &Spec) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    for payload in spec.partitions.iter().filter_map(|p| p.payload.as_ref()) {
        let PayloadSpec::Linux { kernel, initrd, .. } = payload else {
            continue;
        };
        let busybox = match initrd {
            Some(InitrdSpec::Build { busybox, .. }) => busybox.as_ref(),
            Some(InitrdSpec::File(_)) | None => None,
        };
        for package in kernel
            .iter()
            .chain(busybox)
            .filter_map(|n| n.strip_prefix("debian:"))
        {
            if !packages.iter().any(|p| p == package) {
                packages.push(package.to_owned());
            }
        }
    }
    packages
}
