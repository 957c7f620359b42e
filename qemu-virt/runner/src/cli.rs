// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bulkhead run`: the arguments that concern the run itself, and the run.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bulkhead_model::manifest::Manifest;
use clap::{Args, ValueEnum};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::command::{LaunchOptions, Line, Medium, Start, Timing, arguments, shell_line};
use crate::report::{Report, Verdict};
use crate::session::{Session, SessionOptions};
use crate::view::Show;
use crate::{RunnerError, manifest_of, qemu, terminal};

/// How often signals are looked at.
const TICK: Duration = Duration::from_millis(50);

/// What starts the hypervisor.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootPath {
    /// The emulator puts the image into memory
    #[default]
    Image,
    /// The board's U-Boot, from the medium that --disk names
    UBoot,
}

/// How a system is run on QEMU.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// Runs unattended: ends as soon as the verdict is clear
    #[arg(long)]
    pub headless: bool,
    /// Ends the run at this virtual time at the latest (60s, 500ms, 2min)
    #[arg(long = "for", value_name = "TIME", value_parser = virtual_time)]
    pub bound: Option<Duration>,
    /// Runs at least until this virtual time, also when all expectations are met
    #[arg(long, value_name = "TIME", value_parser = virtual_time, default_value = "0s")]
    pub min: Duration,
    /// Writes the report as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Makes one console interactive and shows no other; Ctrl-] q ends the run
    #[arg(long, value_name = "PARTITION", conflicts_with = "headless")]
    pub console: Option<String>,
    /// Makes virtual time a function of the instructions executed: equal runs are equal
    #[arg(long)]
    pub deterministic: bool,
    /// Prints the QEMU command, for a run by hand with the raw serial line on the terminal, and ends
    #[arg(long)]
    pub print_command: bool,
    /// Adds an argument to QEMU's command line
    #[arg(long = "qemu-arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub qemu_args: Vec<String>,
    /// Listens for a debugger on this TCP port of the loopback interface
    #[arg(long, value_name = "PORT")]
    pub gdb: Option<u16>,
    /// Starts the machine only when the debugger says so
    #[arg(long, requires = "gdb")]
    pub gdb_wait: bool,
    /// What starts the hypervisor
    #[arg(long, value_enum, default_value_t, requires_if("u-boot", "disk"))]
    pub boot: BootPath,
    /// The medium that `flash` wrote; the machine cannot change it
    #[arg(long, value_name = "FILE")]
    pub disk: Option<PathBuf>,
    /// The boot loader [default: the board's, from Debian's package]
    #[arg(long, value_name = "FILE")]
    pub firmware: Option<PathBuf>,
    /// Folder of the unpacked Debian packages
    #[arg(skip)]
    pub guest: PathBuf,
    /// Logs every exception that the emulator takes
    #[arg(long, value_name = "FILE")]
    pub int_log: Option<PathBuf>,
    /// Writes what partitions' own UARTs send into this folder, each into a file of its device's name
    #[arg(long, value_name = "FOLDER")]
    pub uarts: Option<PathBuf>,
    /// Gives up when virtual time stands still for this many seconds of the host's time
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub stall_timeout: u64,
}

/// A time with its unit, as in the spec.
///
/// # Errors
/// What is wrong with it.
pub fn virtual_time(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is no time; write a number and its unit, for example 60s, 500ms or 2min");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "min" => number.checked_mul(60_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

impl RunArgs {
    /// Changes to the spec that these arguments need, as for `--set`: a deterministic board has no entropy.
    pub fn overrides<'a>(&self, partitions: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let fixed = |name: &str| format!("partitions.{name}.seed=fixed");
        let names = partitions.into_iter().filter(|_| self.deterministic);
        names.map(fixed).collect()
    }

    /// What the machine boots from. Implements: BH-FLSH-007.
    fn medium(&self, manifest: &Manifest) -> Result<Option<Medium>, RunnerError> {
        let (BootPath::UBoot, Some(disk)) = (self.boot, &self.disk) else {
            return Ok(None);
        };
        let known = || Some(self.guest.join(manifest.qemu.as_ref()?.firmware.as_ref()?));
        let firmware = self.firmware.clone().or_else(known);
        let firmware = firmware.ok_or_else(|| RunnerError::NoFirmware(manifest.board.clone()))?;
        for path in [&firmware, disk] {
            std::fs::metadata(path).map_err(|source| RunnerError::File {
                path: path.clone(),
                source,
            })?;
        }
        let disk = disk.clone();
        Ok(Some(Medium { firmware, disk }))
    }

    fn launch(&self, manifest: &Manifest) -> Result<LaunchOptions, RunnerError> {
        Ok(LaunchOptions {
            medium: self.medium(manifest)?,
            extra: self.qemu_args.clone(),
            uarts: self.uarts.clone(),
            gdb: self.gdb,
            start: if self.gdb_wait {
                Start::WaitForDebugger
            } else {
                Start::AtOnce
            },
            timing: if self.deterministic {
                Timing::Deterministic
            } else {
                Timing::Host
            },
            int_log: self.int_log.clone(),
            turn_us: None,
        })
    }

    fn show(&self) -> Show {
        self.console.clone().map_or(Show::Tagged, Show::Raw)
    }
}

/// Runs the system that was built in `dir`; ELFs are relative to `images`.
///
/// Exit code 0 on `pass`, 1 on `fail`, 2 when the run could not be done.
pub fn run(args: &RunArgs, dir: &Path, images: &Path) -> ExitCode {
    let done = if args.print_command {
        print_command(args, dir)
    } else {
        run_to_end(args, dir, images)
    };
    match done {
        Ok(Verdict::Pass) => ExitCode::SUCCESS,
        Ok(Verdict::Fail) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn print_command(args: &RunArgs, dir: &Path) -> Result<Verdict, RunnerError> {
    let manifest = manifest_of(dir)?;
    let arguments = arguments(dir, &manifest, &args.launch(&manifest)?, Line::Terminal)?;
    println!("{}", shell_line(&qemu::program_of(&manifest)?, &arguments));
    Ok(Verdict::Pass)
}

fn run_to_end(args: &RunArgs, dir: &Path, images: &Path) -> Result<Verdict, RunnerError> {
    let signalled = signals().map_err(RunnerError::Start)?;
    let mut session = Session::start(
        dir,
        SessionOptions {
            launch: args.launch(&manifest_of(dir)?)?,
            images: images.to_owned(),
            show: args.show(),
            stall: Some(Duration::from_secs(args.stall_timeout)),
        },
    )?;
    let mut raw = None;
    if let Some(name) = &args.console {
        session.direct_input_to(name)?;
        if io::stdin().is_terminal() {
            eprintln!("console of `{name}`: Ctrl-] q ends the run, Ctrl-] Ctrl-] sends Ctrl-]");
        }
        raw = terminal::RawTerminal::enter().map_err(RunnerError::Start)?;
        terminal::read_keys(session.events.clone());
    }
    let why = loop {
        session.step(TICK)?;
        if signalled.load(Ordering::Relaxed) {
            break "interrupted".to_owned();
        }
        if let Some(why) = end(args, &session) {
            break why;
        }
    };
    let report = session.finish(&why)?;
    drop(raw);
    if let Some(path) = &args.report {
        write(&report, path)?;
    }
    summary(args, &report);
    Ok(report.verdict)
}

/// A flag that the signals set by which a user or a system ends a program.
///
/// # Errors
/// A signal cannot be handled.
pub fn signals() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    Ok(flag)
}

/// Why the run ends now, if it does. Implements: BH-QEMU-005.
fn end(args: &RunArgs, session: &Session) -> Option<String> {
    let judge = &session.judge;
    if let Some(why) = session.over() {
        return Some(why);
    }
    if let Some(words) = &judge.refusal {
        return Some(words.clone());
    }
    if session.quit {
        return Some("ended by the user".to_owned());
    }
    if !args.headless && args.bound.is_none() {
        return None;
    }
    if judge.forbidden().is_some() {
        return Some("a forbidden line was seen".to_owned());
    }
    let now = u128::from(session.now_ns());
    let met = judge.satisfied() && judge.blob_hash.is_some();
    if met && now >= args.min.as_nanos() && !(judge.expect.is_empty() && args.bound.is_some()) {
        return Some("all expectations are met".to_owned());
    }
    if let Some(why) = judge.impossible(&session.manifest, &session.counts.snapshot) {
        return Some(why);
    }
    args.bound
        .filter(|bound| now >= bound.as_nanos())
        .map(|bound| format!("{bound:?} of virtual time are over"))
}

fn write(report: &Report, path: &Path) -> Result<(), RunnerError> {
    let file = |source: io::Error| RunnerError::File {
        path: path.to_owned(),
        source,
    };
    let mut text = serde_json::to_string_pretty(report).map_err(|error| file(error.into()))?;
    text.push('\n');
    std::fs::write(path, text).map_err(file)
}

/// The verdict in a few lines, on standard error.
fn summary(args: &RunArgs, report: &Report) {
    let seconds = Duration::from_nanos(report.virtual_ns).as_secs_f64();
    eprintln!("{} after {seconds:.3} s of virtual time", report.ended);
    for line in &report.expect {
        let mark = if line.matched { "seen    " } else { "not seen" };
        eprintln!("  {mark}  {}: {}", line.partition, line.text);
    }
    for reason in &report.reasons {
        eprintln!("  {reason}");
    }
    let refused = report.reasons.iter().any(|reason| reason.contains("entropy"));
    if args.deterministic && refused {
        eprintln!(
            "  a deterministic board has no entropy: --set partitions.NAME.seed=fixed for each partition"
        );
    }
    let verdict = match report.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
    };
    eprintln!("verdict: {verdict}");
}
