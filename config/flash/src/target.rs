// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a boot medium is written to, and whether it may be: facts of the system first, then one decision.
//!
//! A target that is refused is not opened for writing. Implements: BH-FLSH-005.
//!
//! # References
//! proc(5), "/proc/pid/mountinfo", "/proc/swaps"; sysfs(5), "/sys/dev/block"; open(2), "O_EXCL".

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What is known of a target before anything is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As the user named it.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// What a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file that does not exist yet.
    New,
    /// A file, which an earlier medium may be in.
    File {
        /// Whether it is empty or holds a medium of this program.
        ours: bool,
    },
    /// A block device.
    Device(Device),
    /// Anything else.
    Other,
}

/// A block device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Vendor and model, as the device says.
    pub model: String,
    /// Bytes.
    pub size: u64,
    /// Whether its medium can be taken out.
    pub removable: bool,
    /// Whether it is a part of another device.
    pub partition: bool,
    /// Whether the system refuses writing.
    pub read_only: bool,
    /// Where it or a part of it is mounted.
    pub mounts: Vec<String>,
    /// Swap areas, volumes and arrays on it.
    pub users: Vec<String>,
}

/// Why a target is not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A file of somebody else's.
    #[error("{0} is a file that holds no medium of Bulkhead; remove it, or name another one")]
    Foreign(PathBuf),
    /// Neither a file nor a block device.
    #[error("{0} is neither a file nor a block device")]
    Kind(PathBuf),
    /// A device that is not there, instead of which a file would be made.
    #[error("there is no device {0}")]
    Absent(PathBuf),
    /// Not a whole device.
    #[error("{0} is a partition; name the whole device")]
    Partition(PathBuf),
    /// The system runs from it.
    #[error("{device} is the disk that this system runs from: {mount} is on it")]
    System {
        /// The device.
        device: PathBuf,
        /// What of the system is there.
        mount: String,
    },
    /// In use.
    #[error("{device} is mounted at {mounts}; unmount it first")]
    Mounted {
        /// The device.
        device: PathBuf,
        /// Where.
        mounts: String,
    },
    /// In use.
    #[error("{device} is in use by {users}")]
    Used {
        /// The device.
        device: PathBuf,
        /// By what.
        users: String,
    },
    /// Too small.
    #[error("{device} has {size} bytes, the medium needs {needed}")]
    Small {
        /// The device.
        device: PathBuf,
        /// Its bytes.
        size: u64,
        /// Bytes of the medium.
        needed: u64,
    },
    /// Write-protected.
    #[error("{0} is write-protected")]
    ReadOnly(PathBuf),
}

/// Where devices are named: a new file there is a device that was taken out, or a slip of the pen.
const DEVICES: &str = "/dev";
/// Folders without which a system does not run.
const SYSTEM: [&str; 8] = ["/", "/boot", "/boot/efi", "/efi", "/usr", "/var", "/home", "/nix"];

impl Target {
    /// Whether a medium of `needed` bytes may be written to it.
    ///
    /// # Errors
    /// The most serious reason against it.
    pub fn check(&self, needed: u64) -> Result<(), Refusal> {
        let device = match &self.kind {
            Kind::New if self.path.starts_with(DEVICES) => return Err(Refusal::Absent(self.path.clone())),
            Kind::New | Kind::File { ours: true } => return Ok(()),
            Kind::File { ours: false } => return Err(Refusal::Foreign(self.path.clone())),
            Kind::Other => return Err(Refusal::Kind(self.path.clone())),
            Kind::Device(device) => device,
        };
        let path = || self.path.clone();
        let of_system = |m: &&String| SYSTEM.contains(&m.as_str());
        if let Some(mount) = device.mounts.iter().find(of_system) {
            return Err(Refusal::System {
                device: path(),
                mount: mount.clone(),
            });
        }
        if !device.mounts.is_empty() {
            return Err(Refusal::Mounted {
                device: path(),
                mounts: device.mounts.join(", "),
            });
        }
        if !device.users.is_empty() {
            return Err(Refusal::Used {
                device: path(),
                users: device.users.join(", "),
            });
        }
        if device.partition {
            return Err(Refusal::Partition(path()));
        }
        if device.read_only {
            return Err(Refusal::ReadOnly(path()));
        }
        if device.size < needed {
            return Err(Refusal::Small {
                device: path(),
                size: device.size,
                needed,
            });
        }
        Ok(())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            Kind::New => write!(f, "{path} (a new file)"),
            Kind::File { .. } => write!(f, "{path} (a file)"),
            Kind::Other => write!(f, "{path}"),
            Kind::Device(device) => {
                let model = if device.model.is_empty() {
                    "no model"
                } else {
                    &device.model
                };
                let mib = device.size >> 20;
                let kind = if device.removable {
                    "removable"
                } else {
                    "not removable"
                };
                write!(f, "{path} ({model}, {mib} MiB, {kind})")
            }
        }
    }
}

/// Where a system keeps what is known about its devices.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `/sys`.
    pub sys: PathBuf,
    /// `/proc`.
    pub proc: PathBuf,
}

impl Default for Sources {
    fn default() -> Self {
        Sources {
            sys: "/sys".into(),
            proc: "/proc".into(),
        }
    }
}

/// First line of a file of the system, nothing when it is not there.
fn word(path: &Path) -> String {
    fs::read_to_string(path).map_or_else(|_| String::new(), |text| text.trim().to_owned())
}

/// Names in a folder, none when it is not there.
fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut all: Vec<String> = entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    all.sort();
    all
}

impl Sources {
    /// Looks at a target; opens nothing but a regular file, for reading.
    ///
    /// # Errors
    /// The target's folder or the target cannot be read.
    pub fn look(&self, path: &Path) -> io::Result<Target> {
        let of = |kind| Target {
            path: path.to_owned(),
            kind,
        };
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
                fs::metadata(parent.unwrap_or(Path::new(".")))?;
                return Ok(of(Kind::New));
            }
            Err(error) => return Err(error),
        };
        let kind = meta.file_type();
        if kind.is_file() {
            let ours = meta.len() == 0 || crate::disk::is_ours(fs::File::open(path)?);
            return Ok(of(Kind::File { ours }));
        }
        if !kind.is_block_device() {
            return Ok(of(Kind::Other));
        }
        let number = meta.rdev();
        let (major, minor) = (libc::major(number), libc::minor(number));
        Ok(of(Kind::Device(self.device(&format!("{major}:{minor}")))))
    }

    /// What the system knows of a block device, by its number.
    pub fn device(&self, number: &str) -> Device {
        let folder = self.sys.join("dev/block").join(number);
        // The device, its partitions, and what is stacked on any of them.
        let mut numbers = vec![number.to_owned()];
        let mut users = Vec::new();
        let mut folders = vec![folder.clone()];
        let parts = names(&folder).into_iter().map(|n| folder.join(n));
        folders.extend(parts.filter(|p| p.join("partition").is_file()));
        for part in &folders {
            let own = word(&part.join("dev"));
            if !own.is_empty() && !numbers.contains(&own) {
                numbers.push(own);
            }
            users.extend(names(&part.join("holders")));
        }
        let swaps = fs::read_to_string(self.proc.join("swaps")).unwrap_or_default();
        for line in swaps.lines().skip(1) {
            let area = line.split_whitespace().next().unwrap_or_default();
            let rdev = fs::metadata(area).map(|m| m.rdev()).unwrap_or_default();
            let of = format!("{}:{}", libc::major(rdev), libc::minor(rdev));
            if rdev != 0 && numbers.contains(&of) {
                users.push(format!("swap on {area}"));
            }
        }
        let sectors: u64 = word(&folder.join("size")).parse().unwrap_or(0);
        let model = [
            word(&folder.join("device/vendor")),
            word(&folder.join("device/model")),
        ]
        .join(" ");
        let backing = word(&folder.join("loop/backing_file"));
        Device {
            model: if model.trim().is_empty() {
                backing
            } else {
                model.trim().to_owned()
            },
            size: sectors.saturating_mul(512),
            removable: word(&folder.join("removable")) == "1",
            partition: folder.join("partition").is_file(),
            read_only: word(&folder.join("ro")) == "1",
            mounts: self.mounts(&numbers),
            users,
        }
    }

    /// Where devices of these numbers are mounted.
    fn mounts(&self, numbers: &[String]) -> Vec<String> {
        let table = fs::read_to_string(self.proc.join("self/mountinfo")).unwrap_or_default();
        let mount = |line: &str| {
            let mut fields = line.split_whitespace().skip(2);
            let number = fields.next()?;
            let place = fields.nth(1)?;
            numbers.iter().any(|n| n == number).then(|| place.to_owned())
        };
        let mut all: Vec<String> = table.lines().filter_map(mount).collect();
        all.dedup();
        all
    }
}
