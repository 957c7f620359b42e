// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The QEMU command line of a built system.
//!
//! # References
//! QEMU System Emulation User's Guide, "Invocation" and "'virt' generic virtual platform".

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bulkhead_model::manifest::{Manifest, Qemu};

use crate::RunnerError;

/// The emulator's program name.
pub const PROGRAM: &str = "qemu-system-aarch64";

/// How virtual time passes.
/// Implements: BH-QEMU-009.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// With the host's clock; cores run in parallel.
    #[default]
    Host,
    /// One instruction is one nanosecond is one counter tick; the same in every run.
    ///
    /// The board then has no entropy, so every partition's spec must say `seed: fixed`.
    Deterministic,
}

/// Whether the machine runs at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At once.
    #[default]
    AtOnce,
    /// When a debugger says so.
    WaitForDebugger,
}

/// A boot loader and the medium that it boots from: the machine starts as the board does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// The boot loader.
    pub firmware: PathBuf,
    /// The medium, which the machine cannot change.
    pub disk: PathBuf,
}

/// What a user may change about the machine.
#[derive(Clone, Debug, Default)]
pub struct LaunchOptions {
    /// Further arguments, after all others.
    pub extra: Vec<String>,
    /// TCP port of the debugger stub on the loopback interface.
    pub gdb: Option<u16>,
    /// Whether the machine waits for the debugger.
    pub start: Start,
    /// How virtual time passes.
    pub timing: Timing,
    /// Virtual time in µs after which a busy core lets the next one execute, where timing is deterministic; absent: 20.
    pub turn_us: Option<u32>,
    /// Where the emulator logs every exception ([`crate::int_log`]).
    pub int_log: Option<PathBuf>,
    /// Folder for what partitions' own UARTs send, each in a file of its name; absent: nobody hears them.
    pub uarts: Option<PathBuf>,
    /// What the machine boots from; absent: the built image, put into memory by the emulator.
    pub medium: Option<Medium>,
}

/// Where the serial line and the control connection go.
#[derive(Clone, Copy, Debug)]
pub enum Line<'a> {
    /// Unix sockets that the runner listens on.
    Sockets {
        /// Serial line.
        serial: &'a Path,
        /// Control connection.
        qmp: &'a Path,
    },
    /// The raw multiplex on standard input and output, no control connection: for a person who repeats a run.
    Terminal,
}

/// Makes busy cores take turns often enough.
///
/// Under `-icount` QEMU runs the cores one after the other, each until the next event in virtual time divided by
/// their number: 2 to 50 ms where no device has work to do. A filter on a network that nobody uses is an event
/// every so often, and no core is further behind another than that.
fn metronome(turn_us: Option<u32>) -> [String; 4] {
    let interval = turn_us.unwrap_or(20);
    let filter = format!("filter-buffer,id=metronome,netdev=nobody,interval={interval}");
    ["-netdev", "hubport,id=nobody,hubid=0", "-object", &filter].map(str::to_owned)
}

/// What makes the DMA of a virtio function pass the SMMU. QEMU takes a property's last value, so that nothing before it
/// undoes it. Implements: BH-QEMU-010.
///
/// # References
/// QEMU, `hw/virtio/virtio-pci.c` (`virtio_pci_get_dma_as`); Virtio 1.2, "Reserved Feature Bits",
/// `VIRTIO_F_ACCESS_PLATFORM`.
const AT_THE_SMMU: &str = ",iommu_platform=on,disable-legacy=on";

/// The QEMU part of a manifest.
///
/// # Errors
/// The board is not modelled by QEMU.
pub fn machine(manifest: &Manifest) -> Result<&Qemu, RunnerError> {
    let board = || RunnerError::NotModelled(manifest.board.clone());
    manifest.qemu.as_ref().ok_or_else(board)
}

/// All arguments of [`PROGRAM`]. Implements: BH-QEMU-001.
///
/// # Errors
/// The board is not modelled by QEMU.
pub fn arguments(
    dir: &Path,
    manifest: &Manifest,
    options: &LaunchOptions,
    line: Line<'_>,
) -> Result<Vec<OsString>, RunnerError> {
    let qemu = machine(manifest)?;
    let with = |value: &str, further: &Option<String>| match (options.timing, further) {
        (Timing::Deterministic, Some(further)) => format!("{value},{further}"),
        (Timing::Deterministic, None) | (Timing::Host, _) => value.to_owned(),
    };
    let mut all: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| all.extend(words.iter().map(OsString::from));
    // Properties of the machine may name a bus.
    for bus in &qemu.can_buses {
        add(&["-object", &format!("can-bus,id={bus}")]);
    }
    add(&["-M", &with(&qemu.machine, &qemu.deterministic_machine)]);
    if let Some(cpu) = &qemu.cpu {
        add(&["-cpu", &with(cpu, &qemu.deterministic_cpu)]);
    }
    add(&["-smp", &qemu.cores.to_string(), "-m", &memory(qemu.memory)]);
    add(&[
        "-nic",
        "none",
        "-display",
        "none",
        "-monitor",
        "none",
        "-no-reboot",
    ]);
    for device in &qemu.devices {
        let further = if device.starts_with("virtio") {
            AT_THE_SMMU
        } else {
            ""
        };
        add(&["-device", &format!("{device}{further}")]);
    }
    if options.timing == Timing::Deterministic {
        add(&["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm"]);
        add(&metronome(options.turn_us).each_ref().map(String::as_str));
    }
    for number in 0..qemu.serial {
        add(&["-serial", &own_line(qemu, number, options)]);
    }
    match line {
        Line::Sockets { serial, qmp } => {
            // A machine that switches itself off stands still, so that its memory can be read.
            add(&["-no-shutdown"]);
            add(&["-chardev", &socket("serial", serial), "-serial", "chardev:serial"]);
            add(&[
                "-chardev",
                &socket("control", qmp),
                "-mon",
                "chardev=control,mode=control",
            ]);
        }
        Line::Terminal => add(&["-serial", "stdio"]),
    }
    let last = qemu.serials.last().map_or(0, |own| own.line);
    for number in qemu.serial + 1..=last {
        add(&["-serial", &own_line(qemu, number, options)]);
    }
    if let Some(port) = options.gdb {
        add(&["-gdb", &format!("tcp:127.0.0.1:{port}")]);
    }
    if options.start == Start::WaitForDebugger {
        add(&["-S"]);
    }
    if let Some(log) = &options.int_log {
        add(&["-d", "int", "-D"]);
        all.push(log.into());
    }
    if let Some(tree) = &qemu.device_tree {
        all.push("-dtb".into());
        all.push(dir.join(tree).into());
    }
    match &options.medium {
        None => all.extend(["-kernel".into(), dir.join(&manifest.image).into()]),
        Some(medium) => all.extend(from_medium(manifest, medium)?),
    }
    all.extend(options.extra.iter().map(OsString::from));
    Ok(all)
}

/// Where a serial line goes that is not the board's UART: to a file, if it is a partition's, or nowhere.
/// Implements: BH-QEMU-011.
fn own_line(qemu: &Qemu, number: u32, options: &LaunchOptions) -> String {
    let own = qemu.serials.iter().find(|own| own.line == number);
    match own.zip(options.uarts.as_ref()) {
        Some((own, folder)) => format!("file:{}", folder.join(&own.device).display()),
        None => "null".to_owned(),
    }
}

/// The boot loader instead of an image, and the medium. Implements: BH-FLSH-007.
fn from_medium(manifest: &Manifest, medium: &Medium) -> Result<[OsString; 6], RunnerError> {
    const DRIVE: &str = "medium";
    let device = machine(manifest)?.disk.as_ref();
    let device = device.ok_or_else(|| RunnerError::NoMedium(manifest.board.clone()))?;
    // QEMU reads a doubled comma as a comma.
    let disk = medium.disk.to_string_lossy().replace(',', ",,");
    Ok([
        "-bios".into(),
        medium.firmware.clone().into(),
        "-drive".into(),
        format!("if=none,id={DRIVE},format=raw,readonly=on,file={disk}").into(),
        "-device".into(),
        device.replace("{drive}", DRIVE).into(),
    ])
}

/// A size as `-m` reads it.
fn memory(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes.is_multiple_of(MIB) {
        format!("{}M", bytes / MIB)
    } else {
        format!("{}k", bytes / 1024)
    }
}

/// A character device that connects to a socket; QEMU reads a doubled comma as a comma.
fn socket(id: &str, path: &Path) -> String {
    let path = path.to_string_lossy().replace(',', ",,");
    format!("socket,id={id},path={path},server=off")
}

/// The command as a line for a POSIX shell.
pub fn shell_line(program: &Path, arguments: &[OsString]) -> String {
    let words = std::iter::once(program.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
    words
        .map(|word| quoted(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word that a POSIX shell reads as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./,=:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::manifest::SerialLine;

    use super::*;
    use crate::fixture::manifest;

    fn line(options: &LaunchOptions) -> String {
        let all = arguments(Path::new("/b"), &manifest(), options, Line::Terminal).expect("arguments");
        shell_line(Path::new(PROGRAM), &all)
    }

    /// Verifies: BH-QEMU-001.
    #[test]
    fn the_manifest_decides_the_machine() {
        let line = line(&LaunchOptions::default());
        assert_eq!(
            line,
            "qemu-system-aarch64 -object can-bus,id=bus -M virt,virtualization=on,gic-version=3 -cpu cortex-a72 \
             -smp 2 -m 128M -nic none -display none -monitor none -no-reboot \
             -device ctucan_pci,addr=1,canbus0=bus,canbus1=bus -serial stdio -kernel /b/image.bin"
        );
    }

    /// Verifies: BH-QEMU-010.
    #[test]
    fn the_dma_of_virtio_functions_passes_the_smmu() {
        let mut manifest = manifest();
        let device = "virtio-rng-pci,addr=2,iommu_platform=off,disable-legacy=off";
        let qemu = manifest.qemu.as_mut().expect("QEMU");
        qemu.devices.push(device.to_owned());
        let options = LaunchOptions::default();
        let all = arguments(Path::new("/b"), &manifest, &options, Line::Terminal).expect("arguments");
        let line = shell_line(Path::new(PROGRAM), &all);
        let expected = format!("-device {device},iommu_platform=on,disable-legacy=on ");
        assert!(line.contains(&expected), "{line}");
    }

    /// Verifies: BH-QEMU-001.
    #[test]
    fn options_are_added_and_extra_arguments_come_last() {
        let options = LaunchOptions {
            extra: vec!["-name".into(), "it's".into()],
            gdb: Some(1234),
            start: Start::WaitForDebugger,
            timing: Timing::Deterministic,
            int_log: Some("/b/int.log".into()),
            ..LaunchOptions::default()
        };
        let line = line(&options);
        assert!(line.contains("-M virt,virtualization=on,gic-version=3,dtb-randomness=off "));
        assert!(line.contains("-cpu cortex-a72,cntfrq=1000000000 "));
        assert!(line.contains("-icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm"));
        assert!(line.contains("-object filter-buffer,id=metronome,netdev=nobody,interval=20"));
        assert!(line.contains("-gdb tcp:127.0.0.1:1234 -S -d int -D /b/int.log"));
        assert!(line.ends_with(r"-name 'it'\''s'"));
    }

    /// Verifies: BH-QEMU-001.
    #[test]
    fn turns_are_as_long_as_is_asked() {
        let options = LaunchOptions {
            timing: Timing::Deterministic,
            turn_us: Some(1000),
            ..LaunchOptions::default()
        };
        let line = line(&options);
        assert!(line.contains("-object filter-buffer,id=metronome,netdev=nobody,interval=1000 "));
    }

    /// Verifies: BH-FLSH-007.
    #[test]
    fn a_medium_takes_the_place_of_the_image() {
        let options = LaunchOptions {
            medium: Some(Medium {
                firmware: "/u-boot.bin".into(),
                disk: "/a,b.img".into(),
            }),
            ..LaunchOptions::default()
        };
        let line = line(&options);
        assert!(!line.contains("-kernel") && !line.contains("image.bin"), "{line}");
        assert!(line.ends_with(
            "-bios /u-boot.bin -drive if=none,id=medium,format=raw,readonly=on,file=/a,,b.img -device disk,drive=medium"
        ), "{line}");
    }

    /// The lines of partitions' own UARTs are there, in their places, and only those. Verifies: BH-QEMU-011.
    #[test]
    fn the_uarts_of_partitions_have_their_lines() {
        let mut manifest = manifest();
        let qemu = manifest.qemu.as_mut().expect("QEMU");
        qemu.serial = 1;
        let own = |line, device: &str| SerialLine {
            line,
            device: device.to_owned(),
        };
        qemu.serials = vec![own(0, "first"), own(3, "last")];
        let lines = |options: &LaunchOptions| {
            let all = arguments(Path::new("/b"), &manifest, options, Line::Terminal).expect("arguments");
            shell_line(Path::new(PROGRAM), &all)
        };
        let silent = lines(&LaunchOptions::default());
        let expected = "-serial null -serial stdio -serial null -serial null -kernel";
        assert!(silent.contains(expected), "{silent}");
        let kept = lines(&LaunchOptions {
            uarts: Some("/u".into()),
            ..LaunchOptions::default()
        });
        let expected = "-serial file:/u/first -serial stdio -serial null -serial file:/u/last -kernel";
        assert!(kept.contains(expected), "{kept}");
    }

    #[test]
    fn commas_in_socket_paths_are_doubled() {
        assert_eq!(
            socket("s", Path::new("/a,b")),
            "socket,id=s,path=/a,,b,server=off"
        );
    }
}
