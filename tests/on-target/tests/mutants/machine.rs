// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One boot of a mutated system: an emulator whose RAM is a file that the test reads and writes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bulkhead_abi::stats::{CORE_STATS_SIZE, VCPU_STATS_OFFSET, VcpuStats, partition_state};
use bulkhead_model::manifest::Manifest;
use tempfile::TempDir;
use zerocopy::FromBytes;

/// First physical address of RAM.
pub(crate) const RAM: u64 = 0x4000_0000;
/// IPA of the mailbox, from the begin of the partition's RAM.
const MAILBOX: u64 = 0x10_0000;
/// A boot that shows nothing for so long (host time) is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// From look to look.
const LOOK: Duration = Duration::from_millis(2);

/// A command of the mailbox (`tests/partitions/prober/README.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) operation: u64,
    pub(crate) address: u64,
    pub(crate) value: u64,
    pub(crate) state: u64,
}

/// How the partition ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It did all commands.
    Done,
    /// EL2 stopped it; `ESR_EL2` and the IPA of the trap.
    Stopped(u64, u64),
}

/// A running emulator; dropping it ends it.
pub(crate) struct Machine {
    qemu: Child,
    ram: File,
    /// Physical address of the prober's RAM.
    prober: u64,
    /// Physical address of its vCPU's statistics.
    stats: u64,
    _folder: TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Machine {
    /// Starts the image; `prober` is the physical address of its RAM, `core` that of its vCPU.
    pub(crate) fn start(image: &[u8], manifest: &Manifest, prober: u64, core: u64) -> Self {
        let shared = Path::new("/dev/shm");
        let folder = if shared.is_dir() {
            tempfile::tempdir_in(shared)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.expect("a temporary folder");
        let machine = manifest.qemu.as_ref().expect("the board is modelled");
        let (image_path, ram_path) = (folder.path().join("image"), folder.path().join("ram"));
        fs::write(&image_path, image).expect("image");
        let ram = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&ram_path)
            .expect("RAM");
        ram.set_len(machine.memory).expect("RAM");
        let program = std::env::var_os("BULKHEAD_QEMU").filter(|p| !p.is_empty());
        let mut command = Command::new(program.unwrap_or_else(|| "qemu-system-aarch64".into()));
        let backend = format!("memory-backend-file,id=ram,size={},share=on", machine.memory);
        command
            .args(["-M", &format!("{},memory-backend=ram", machine.machine)])
            .args(machine.cpu.iter().flat_map(|cpu| ["-cpu", cpu]))
            .args([
                "-smp",
                &machine.cores.to_string(),
                "-m",
                &format!("{}M", machine.memory >> 20),
            ])
            .args(["-object", &format!("{backend},mem-path={}", ram_path.display())])
            .args([
                "-nic",
                "none",
                "-display",
                "none",
                "-monitor",
                "none",
                "-no-reboot",
            ])
            .args(["-serial", "null", "-kernel"])
            .arg(&image_path);
        for bus in &machine.can_buses {
            command.args(["-object", &format!("can-bus,id={bus}")]);
        }
        for device in &machine.devices {
            command.args(["-device", device]);
        }
        let qemu = command.stdin(Stdio::null()).spawn().expect("the emulator starts");
        let size = |bytes: usize| u64::try_from(bytes).expect("fits");
        let stats = manifest.stats + core * size(CORE_STATS_SIZE) + size(VCPU_STATS_OFFSET);
        Self {
            qemu,
            ram,
            prober,
            stats,
            _folder: folder,
        }
    }

    /// Reads the 64-bit word at a physical address of RAM.
    pub(crate) fn read(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        self.ram.read_exact_at(&mut bytes, address - RAM).expect("RAM");
        u64::from_le_bytes(bytes)
    }

    /// Writes the 64-bit word at a physical address of RAM.
    pub(crate) fn write(&self, address: u64, value: u64) {
        self.ram
            .write_all_at(&value.to_le_bytes(), address - RAM)
            .expect("RAM");
    }

    fn mailbox(&self, offset: u64) -> u64 {
        self.prober + MAILBOX + offset
    }

    /// Waits until the partition is ready.
    pub(crate) fn ready(&mut self) -> Result<(), String> {
        self.until(
            |machine| match (machine.read(machine.mailbox(0)), machine.stopped()) {
                (1, _) => Some(Ok(())),
                (_, Some((esr, ipa))) => Some(Err(format!("it did not begin: ESR {esr:#x}, IPA {ipa:#x}"))),
                (_, None) => None,
            },
        )?
    }

    /// Has the commands done; what became of them, and how it ended.
    pub(crate) fn run(&mut self, registers: u64, commands: &[Order]) -> Result<(Vec<Order>, End), String> {
        for (command, at) in commands.iter().zip((64u64..).step_by(32)) {
            let words = [command.operation, command.address, command.value, command.state];
            for (word, offset) in words.into_iter().zip((0u64..).step_by(8)) {
                self.write(self.mailbox(at + offset), word);
            }
        }
        self.write(self.mailbox(8), u64::try_from(commands.len()).expect("fits"));
        self.write(self.mailbox(16), registers);
        self.write(self.mailbox(0), 2);
        let end = self.until(
            |machine| match (machine.read(machine.mailbox(0)), machine.stopped()) {
                (3, _) => Some(End::Done),
                (_, Some((esr, ipa))) => Some(End::Stopped(esr, ipa)),
                (_, None) => None,
            },
        )?;
        let word = |at: u64| self.read(self.mailbox(at));
        let read = |(_, at): (&Order, u64)| Order {
            operation: word(at),
            address: word(at + 8),
            value: word(at + 16),
            state: word(at + 24),
        };
        Ok((
            commands.iter().zip((64u64..).step_by(32)).map(read).collect(),
            end,
        ))
    }

    /// The trap for which EL2 stopped the partition.
    fn stopped(&self) -> Option<(u64, u64)> {
        let mut bytes = vec![0; size_of::<VcpuStats>()];
        self.ram.read_exact_at(&mut bytes, self.stats - RAM).expect("RAM");
        let stats = VcpuStats::read_from_bytes(&bytes).expect("statistics");
        (stats.partition_state == partition_state::FAILED).then_some((stats.fault_syndrome, stats.fault_ipa))
    }

    fn until<T>(&mut self, look: impl Fn(&Self) -> Option<T>) -> Result<T, String> {
        let begin = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            if let Some(status) = self.qemu.try_wait().expect("the emulator's state") {
                return Err(format!("the emulator ended: {status}"));
            }
            if begin.elapsed() > PATIENCE {
                return Err("nothing happened".to_owned());
            }
            std::thread::sleep(LOOK);
        }
    }
}
