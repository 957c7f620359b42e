// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line as types.

mod boards;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::boards::{BoardAction, BoardArgs, Document, ImagesArgs, SchemaArgs};
use crate::flash::args::FlashArgs;

/// Compiles a system of isolated partitions from one YAML spec, proves that it isolates, and runs it.
#[derive(Parser, Debug)]
#[command(
    name = "bulkhead-tool",
    bin_name = "bulkhead",
    arg_required_else_help = true,
    after_help = "\
Without a SPEC, verbs use the reference system (config/systems/adas-infotainment.yaml).

Exit status: 0 good, 1 the input or the system is wrong, 2 the tool could not do it.

Environment:
  BULKHEAD_ROOT    the source tree with the board files (default: found from here upwards)
  BULKHEAD_IMAGES  built target images (default: target/images of the tree)
  BULKHEAD_GUEST   unpacked Debian arm64 packages (default: bulkhead/guest in the user's cache)

Examples:
  bulkhead check my-system.yaml
  bulkhead build my-system.yaml -o out --set partitions.adas.autostart=false
  bulkhead prove out
  bulkhead run --headless --for 60s --report r.json
  bulkhead run --console infotainment
  bulkhead test --list"
)]
pub(crate) struct Cli {
    /// How results and errors are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Short for --format json
    #[arg(long, global = true)]
    json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Cli {
    /// How results and errors are printed.
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// How results and errors are printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people; drawn and coloured on a terminal
    Text,
    /// For machines: one JSON value
    Json,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Check a spec against every rule; errors point at the YAML line
    #[command(after_help = "\
Examples:
  bulkhead check my-system.yaml
  bulkhead check --json
  bulkhead check --verbose
  bulkhead check --set partitions.cluster.memory=4MiB")]
    Check(CheckArgs),
    /// Compile a spec into a bootable image, with its proof
    #[command(after_help = "\
DIR receives hypervisor.bin, system.blob, certificate.bin, certificate.json, image.bin, manifest.json,
grants.txt, dt/PARTITION.dtb and .dts, report.json, report.html. Nothing is written when anything is wrong.

Examples:
  bulkhead build -o out
  bulkhead build my-system.yaml -o out --set wiring.can1=other-bus")]
    Build(BuildArgs),
    /// Run the independent checker on what was built
    #[command(after_help = "Example:\n  bulkhead prove out")]
    Prove(ProveArgs),
    /// Build a spec and boot it on QEMU, all consoles in one terminal
    #[command(after_help = "\
The exit status is 0 only when every `expect` line was seen and no `never` line was.

Examples:
  bulkhead run
  bulkhead run --headless --for 60s --report r.json
  bulkhead run --console infotainment
  bulkhead run --headless --for 60s --set partitions.adas.autostart=false")]
    Run(Box<RunSpecArgs>),
    /// Write a medium that boots a system on a board, or hand it to the board over a cable
    #[command(after_help = "\
TARGET is a file, a block device (the whole one), or uuu:sd or uuu:emmc for boards that NXP's uuu loads.
A device is shown and asked about, and refused when it is mounted, in use, the system's own, or too small; what was
written is read back and compared. Files of the board's vendor are never shipped: --blob says where they are.

--sign makes the boot image one that U-Boot checks by KEYS/NAME.crt. --trust changes U-Boot's own device tree: from
then on it starts nothing that is not signed by this key, and nothing with a smaller rollback index.

Examples:
  bulkhead flash qemu-virt --to disk.img
  bulkhead flash qemu-virt out --to /dev/sdb
  bulkhead flash qemu-virt --to disk.img --dry-run
  bulkhead flash qemu-virt --to disk.img --sign keys --key release --rollback-index 7")]
    Flash(Box<FlashArgs>),
    /// Say in words what a system is, or answer a question about it
    #[command(after_help = "\
Questions:
  who-can ADDRESS|THING    which partition, EL2 or stream reads, writes, executes it, and by which route;
                           0x5400_0000 is physical, adas:0x4000_0000 an address of partition adas,
                           can0 a device, adas/ram or el2/gicd a thing in memory; of a controller of clocks,
                           resets, power or pins also whose devices depend on it and who calls its firmware
  at CORE TIME             whose the core is at that time of the major frame, and what may interrupt
  why RULE|TASK|VALUE      whether a rule holds and what shows it; why a task (PARTITION/TASK) ends in time;
                           where a value comes from and what it decides

who-can and at also take a folder that `build` wrote instead of a spec.

Examples:
  bulkhead explain
  bulkhead explain my-system.yaml who-can can0
  bulkhead explain out who-can infotainment:0x4000_0000
  bulkhead explain at 1 8500us
  bulkhead explain why cores/claimed-twice
  bulkhead explain why partitions.adas.memory")]
    Explain(ExplainArgs),
    /// Draw partitions, cores, channels, devices and streams as SVG
    #[command(after_help = "\
Examples:
  bulkhead graph my-system.yaml -o system.svg
  bulkhead graph -o - > system.svg")]
    Graph(GraphArgs),
    /// Say what changed between two systems, for EL2 and for each partition; exit 1 when anything did
    #[command(after_help = "\
A and B are specs, or folders that `build` wrote. --set changes B.

Examples:
  bulkhead diff released/ my-system.yaml
  bulkhead diff my-system.yaml my-system.yaml --set partitions.cluster.memory=4MiB")]
    Diff(DiffArgs),
    /// Run the tests of the tree
    #[command(after_help = "\
Examples:
  bulkhead test
  bulkhead test --list
  bulkhead test --suite controls --report tests.json
  bulkhead test --sabotage --only policy-trap-ipa")]
    Test(TestArgs),
    /// Count instructions against native, and hold every path through EL2 against its bound
    #[command(after_help = "\
Exit status 1 when a path or a figure breaches tests/benches/bounds.toml. A bound far above what was measured is a
note: images of another compiler may be shorter.

Examples:
  bulkhead bench
  bulkhead bench --json
  bulkhead bench --table")]
    Bench(BenchArgs),
    /// Run a system and write what EL2 did on each core as a Perfetto trace
    #[command(after_help = "\
The file opens at ui.perfetto.dev: a track for each core with EL2's paths and what ran between them, one for its
slots, one for each partition with injections, locks, faults and starts. Events that the host was too slow to read
are counted and shown as lost.

Examples:
  bulkhead trace -o t.pftrace
  bulkhead trace my-system.yaml --for 500ms --deterministic -o t.pftrace")]
    Trace(TraceArgs),
    /// Run a system until an error ends a partition's life, and write its registers and RAM as an ELF core
    #[command(after_help = "\
EL2 keeps the registers of each vCPU, the error and the time in its statistics area, which no partition reaches, until
the next crash. RAM is in the core as long as the partition stays stopped: with `--set partitions.NAME.restart_limit=0`
its first error leaves it so. Addresses are those that the partition sees without its own translation.

Examples:
  bulkhead crash adas -o core --set partitions.adas.restart_limit=0
  gdb-multiarch -batch -ex 'info threads' -ex bt adas.elf core")]
    Crash(CrashArgs),
    /// Print what a command line needs from outside, one `debian-arm64 PACKAGE` a line
    #[command(after_help = "Example:\n  bulkhead needs run my-system.yaml --headless")]
    Needs(NeedsArgs),
    /// Build the images for the target with cargo; silent when nothing changed
    #[command(after_help = "Example:\n  bulkhead images --build")]
    Images(ImagesArgs),
    /// Draft the description of a new board
    #[command(after_help = "\
The draft is for review: what a device tree does not say is marked in it. The steps after it: bsp/NEW-BOARD.md

Example:
  bulkhead board from-dtb vendor.dtb --name my-board -o config/boards/my-board.yaml")]
    Board(BoardArgs),
    /// List the rules of the language
    #[command(after_help = "Example:\n  bulkhead rules --format json")]
    Rules,
    /// Print the JSON Schema of specs or board files, for completion and hover texts in editors
    #[command(after_help = "\
Examples:
  bulkhead schema
  bulkhead schema --board qemu-virt
  bulkhead schema board
  bulkhead schema --keys")]
    Schema(SchemaArgs),
    /// Pack what an integrator needs to change, prove, run and flash systems without Rust
    #[command(after_help = "Example:\n  bulkhead sdk -o bulkhead-sdk")]
    Sdk(SdkArgs),
}

/// A spec and changes to it.
#[derive(Args, Debug, Default)]
pub(crate) struct SpecArgs {
    /// The spec [default: the board's example, or the reference system]
    pub(crate) spec: Option<PathBuf>,
    /// Take this board instead of the one that the spec names; without a SPEC, the board's example
    /// (config/systems/BOARD.yaml)
    #[arg(long, value_name = "BOARD")]
    pub(crate) board: Option<String>,
    /// Change a value of the spec before it is checked; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) overrides: Vec<String>,
}

impl SpecArgs {
    /// What is changed in the spec: the board first. Implements: BH-BRD-001.
    pub(crate) fn changes(&self) -> Vec<String> {
        let board = self.board.iter().map(|board| format!("board={board}"));
        board.chain(self.overrides.iter().cloned()).collect()
    }
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Show the response time of every task, and what it rests on
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Arguments of `build`.
#[derive(Args, Debug)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Folder that receives the result: a new one, an empty one, or an earlier build
    #[arg(short, long = "output", value_name = "DIR")]
    pub(crate) output: PathBuf,
}

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The spec [default: the reference system], then a question [default: the overview]
    #[arg(value_name = "SPEC|QUESTION")]
    pub(crate) words: Vec<String>,
    /// Change a value of the spec before it is checked; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// Arguments of `graph`.
#[derive(Args, Debug)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// File that receives the drawing; `-` for stdout
    #[arg(short, long = "output", value_name = "FILE.svg")]
    pub(crate) output: PathBuf,
}

/// Arguments of `diff`.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// A spec or a build folder
    #[arg(value_name = "A")]
    pub(crate) before: PathBuf,
    /// A spec or a build folder
    #[arg(value_name = "B")]
    pub(crate) after: PathBuf,
    /// Change a value of B, a spec, before it is checked; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// Arguments of `run`.
#[derive(Args, Debug)]
pub(crate) struct RunSpecArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Folder that receives what is built [default: one that is removed after the run]
    #[arg(short, long = "output", value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: bulkhead_runner::cli::RunArgs,
}

/// Arguments of `test`.
#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// List the tests and end
    #[arg(long)]
    pub(crate) list: bool,
    /// Break copies of the sources in small ways (tests/sabotage) and require that tests notice; --only NAME
    /// chooses breakages
    #[arg(long, conflicts_with = "suite")]
    pub(crate) sabotage: bool,
    /// Run also the tests that take many minutes
    #[arg(long)]
    pub(crate) long: bool,
    /// Run one test; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) only: Vec<String>,
    /// Run one suite; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) suite: Vec<String>,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Print the README's table instead
    #[arg(long)]
    pub(crate) table: bool,
}

/// Arguments of `trace`.
#[derive(Args, Debug)]
pub(crate) struct TraceArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// File that receives the trace
    #[arg(short, long = "output", value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Virtual time to trace, from the epoch
    #[arg(long = "for", value_name = "TIME", value_parser = bulkhead_runner::cli::virtual_time, default_value = "2s")]
    pub(crate) time: std::time::Duration,
    /// Make virtual time a function of the instructions executed
    #[arg(long)]
    pub(crate) deterministic: bool,
}

/// Arguments of `crash`.
#[derive(Args, Debug)]
pub(crate) struct CrashArgs {
    /// The partition, or `el2` for the hypervisor itself
    #[arg(value_name = "PARTITION")]
    pub(crate) partition: String,
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// A debugger may connect to this port
    #[arg(long, value_name = "PORT")]
    pub(crate) gdb: Option<u16>,
    /// File that receives the core
    #[arg(short, long = "output", value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Virtual time to wait for a crash, from the epoch
    #[arg(long = "for", value_name = "TIME", value_parser = bulkhead_runner::cli::virtual_time, default_value = "60s")]
    pub(crate) time: std::time::Duration,
}

/// Arguments of `sdk`.
#[derive(Args, Debug)]
pub(crate) struct SdkArgs {
    /// A new folder
    #[arg(short, long = "output", value_name = "DIR")]
    pub(crate) output: PathBuf,
}

/// Arguments of `prove`.
#[derive(Args, Debug)]
pub(crate) struct ProveArgs {
    /// Folder that `build` wrote
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

/// Arguments of `needs`.
#[derive(Args, Debug)]
pub(crate) struct NeedsArgs {
    /// A command line without the program's name
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "VERB [ARGUMENT]..."
    )]
    pub(crate) line: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
