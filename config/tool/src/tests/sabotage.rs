// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `test --sabotage`: each small breakage of the sources must be noticed by the test that it names.
//!
//! `tests/sabotage/README.md` defines the patches. They are applied one at a time to a copy of the tree, so
//! that nobody ever sees the broken sources.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use super::{Outcome, outcome};
use crate::failure::Failure;

/// Folder of the patches, relative to the tree.
const FOLDER: &str = "tests/sabotage";
/// Lines of a test's output that are worth showing.
const TAIL: usize = 20;

/// The package whose tests run the images of the copy.
const ON_TARGET: &str = "bulkhead-on-target";
/// Settings of the caller's that name nothing in the tree.
const OUTSIDE: [&str; 4] = [
    "BULKHEAD_CACHE",
    "BULKHEAD_GUEST",
    "BULKHEAD_QEMU",
    "BULKHEAD_QEMU_LATER",
];

/// A patch that breaks something.
pub(super) struct Sabotage {
    /// Its file without the extension.
    pub(super) name: String,
    /// What it breaks.
    pub(super) breaks: String,
    /// The test that must fail: arguments of `cargo test`.
    test: Vec<String>,
    patch: PathBuf,
}

/// The patches of the given names, or all, by name.
pub(super) fn chosen(root: &Path, names: &[String]) -> Result<Vec<Sabotage>, Failure> {
    let folder = root.join(FOLDER);
    let unreadable = |e| Failure::file(&folder, &e);
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension() == Some(OsStr::new("patch")) {
            let text = fs::read_to_string(&path).map_err(|e| Failure::file(&path, &e))?;
            all.push(parse(&path, &text).map_err(Failure::wrong)?);
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(name) = names.iter().find(|n| all.iter().all(|s| s.name != **n)) {
        let message = format!("there is no sabotage `{name}`");
        return Err(Failure::wrong(message).help("bulkhead test --sabotage --list"));
    }
    all.retain(|s| names.is_empty() || names.contains(&s.name));
    Ok(all)
}

/// Reads the comment that a patch begins with.
fn parse(path: &Path, text: &str) -> Result<Sabotage, String> {
    let of = |key: &str| {
        let mut lines = text.lines().take_while(|line| line.starts_with('#'));
        let value = lines.find_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(": "));
        value.ok_or_else(|| format!("{}: there is no line `# {key}: ...`", path.display()))
    };
    let test = of("test")?
        .strip_prefix("cargo test ")
        .ok_or_else(|| format!("{}: the test is not a `cargo test`", path.display()))?;
    Ok(Sabotage {
        name: path.file_stem().unwrap_or_default().display().to_string(),
        breaks: of("breaks")?.to_owned(),
        test: test.split_whitespace().map(str::to_owned).collect(),
        patch: path.to_owned(),
    })
}

/// Applies each patch and runs its test.
pub(super) fn run(root: &Path, patches: &[Sabotage]) -> Result<Vec<Outcome>, Failure> {
    let folder = tempfile::tempdir().map_err(Failure::unable)?;
    let copy = Copy {
        tree: folder.path().join("tree"),
        target: folder.path().join("target"),
    };
    copy.fill(root)?;
    eprintln!("sabotage: building, and running the tests on unbroken sources");
    let mut sound = BTreeMap::new();
    for patch in patches {
        sound
            .entry(&patch.test)
            .or_insert_with(|| copy.passes(&patch.test));
    }
    let mut outcomes = Vec::new();
    for patch in patches {
        let start = Instant::now();
        let result = match sound.get(&patch.test) {
            Some(Err(reason)) => Err(reason.clone()),
            Some(Ok(())) | None => copy.sabotage(patch)?,
        };
        let outcome = outcome(
            patch.name.clone(),
            "sabotage",
            start,
            result.map_err(super::Trouble::from),
        );
        eprintln!(
            "sabotage {}: {} ({} ms)",
            patch.name, outcome.result, outcome.duration_ms
        );
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// A copy of the tree and the folder of what cargo makes of it.
struct Copy {
    tree: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies all files that git does not ignore.
    fn fill(&self, root: &Path) -> Result<(), Failure> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = git.current_dir(root).output().map_err(Failure::unable)?;
        if !listed.status.success() {
            let why = String::from_utf8_lossy(&listed.stderr).into_owned();
            return Err(Failure::unable(format_args!("git does not list the tree: {why}")));
        }
        let files = listed.stdout.split(|byte| *byte == 0).filter(|f| !f.is_empty());
        for file in files.map(OsStr::from_bytes) {
            let (from, to) = (root.join(file), self.tree.join(file));
            // Git also lists what was deleted and not committed.
            if !from.is_file() {
                continue;
            }
            let parent = to.parent().unwrap_or(&self.tree);
            fs::create_dir_all(parent).map_err(|e| Failure::file(parent, &e))?;
            fs::copy(&from, &to).map_err(|e| Failure::file(&from, &e))?;
        }
        Ok(())
    }

    /// Whether the test notices the patch. What makes all further results doubtful is a failure.
    fn sabotage(&self, patch: &Sabotage) -> Result<Result<(), String>, Failure> {
        if let Err(why) = self.apply(patch, &[]) {
            return Ok(Err(format!("the patch does not apply:\n{why}")));
        }
        let noticed = self.fails(&patch.test);
        self.apply(patch, &["--reverse"]).map_err(|why| {
            Failure::unable(format_args!("patch {} cannot be taken back: {why}", patch.name))
        })?;
        Ok(noticed)
    }

    fn apply(&self, patch: &Sabotage, options: &[&str]) -> Result<(), String> {
        let mut git = Command::new("git");
        // A repository around the copy would make git skip files in silence.
        git.env(
            "GIT_CEILING_DIRECTORIES",
            self.tree.parent().unwrap_or(&self.tree),
        )
        .args(["apply", "--whitespace=nowarn"])
        .args(options)
        .arg(&patch.patch);
        let applied = git.current_dir(&self.tree).output().map_err(|e| e.to_string())?;
        if applied.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&applied.stderr).into_owned())
        }
    }

    /// Builds the copy's images for a test that runs them. They lie beside a copy of this tool, where such a test
    /// looks for both; what the patch breaks in the tool itself is not seen by it.
    fn images(&self, test: &[String]) -> Result<(), String> {
        if !test.iter().any(|argument| argument == ON_TARGET) {
            return Ok(());
        }
        let tool = self.target.join("release/bulkhead-tool");
        let place = |tool: &Path| {
            fs::create_dir_all(tool.parent().unwrap_or(tool))?;
            fs::copy(std::env::current_exe()?, tool)
        };
        place(&tool).map_err(|e| format!("{}: {e}", tool.display()))?;
        let mut command = Command::new(&tool);
        command
            .args(["images", "--build"])
            .env("BULKHEAD_ROOT", &self.tree)
            .env("BULKHEAD_IMAGES", self.target.join("images"))
            .env("CARGO_TARGET_DIR", &self.target)
            .current_dir(&self.tree)
            .stdin(Stdio::null());
        let built = command.output().map_err(|e| e.to_string())?;
        if built.status.success() {
            Ok(())
        } else {
            Err(format!("the images are not built:\n{}", tail(&built)))
        }
    }

    fn passes(&self, test: &[String]) -> Result<(), String> {
        self.images(test)?;
        let output = self.cargo(test, &[])?;
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("the test fails on unbroken sources:\n{}", tail(&output)))
        }
    }

    /// The test must be built and fail; an error of the compiler notices nothing.
    fn fails(&self, test: &[String]) -> Result<(), String> {
        self.images(test)?;
        let built = self.cargo(test, &["--no-run"])?;
        if !built.status.success() {
            return Err(format!("the broken sources are not built:\n{}", tail(&built)));
        }
        let output = self.cargo(test, &[])?;
        let judged = String::from_utf8_lossy(&output.stdout).contains("test result: FAILED");
        match (output.status.success(), judged) {
            (false, true) => Ok(()),
            (true, _) => Err(format!("survived: cargo test {} passes", test.join(" "))),
            (false, false) => Err(format!("the test came to no result:\n{}", tail(&output))),
        }
    }

    fn cargo(&self, test: &[String], options: &[&str]) -> Result<Output, String> {
        let mut command = Command::new("cargo");
        // The caller's settings name the tree that was copied.
        let of_tree =
            |name: &OsStr| name.as_bytes().starts_with(b"BULKHEAD_") && OUTSIDE.iter().all(|n| name != *n);
        for (name, _) in std::env::vars_os().filter(|(name, _)| of_tree(name)) {
            command.env_remove(name);
        }
        command
            .args(["test", "--locked"])
            .args(options)
            .args(test)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .current_dir(&self.tree)
            .stdin(Stdio::null());
        command.output().map_err(|e| format!("cargo does not start: {e}"))
    }
}

/// The last lines of what a command printed.
fn tail(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(TAIL);
    lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "# breaks: a\n# test: cargo test -q -p b\n--- a/README.md\n";

    #[test]
    fn a_patch_says_what_it_breaks_and_what_must_fail() {
        let sabotage = parse(Path::new("x/one.patch"), DIFF).unwrap();
        assert_eq!((sabotage.name.as_str(), sabotage.breaks.as_str()), ("one", "a"));
        assert_eq!(sabotage.test, ["-q", "-p", "b"]);
        for wrong in [
            "# breaks: a\n--- a\n# test: cargo test\n",
            "# test: cargo test -q\n",
        ] {
            assert!(parse(Path::new("x/one.patch"), wrong).is_err(), "{wrong}");
        }
        let shell = DIFF.replace("cargo test", "rm");
        assert!(parse(Path::new("x/one.patch"), &shell).is_err());
    }

    /// A patch that no longer fits shows that the code that it breaks was changed without it.
    #[test]
    fn every_patch_fits_the_tree() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.canonicalize().unwrap();
        let copy = Copy {
            tree: root.clone(),
            target: PathBuf::new(),
        };
        let fails = |patch: &Sabotage| copy.apply(patch, &["--check"]).err();
        let unfit: Vec<String> = chosen(&root, &[]).unwrap().iter().filter_map(fails).collect();
        assert!(unfit.is_empty(), "{}", unfit.join(""));
    }
}
