// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The build directory: written beside its final place and renamed, so that it is there whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::BuildError;

/// File that tells a build directory from any other folder.
const MARK: &str = "manifest.json";

/// A build directory under construction; dropped without [`Output::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    target: PathBuf,
    folder: TempDir,
}

fn blame(path: &Path) -> impl FnOnce(io::Error) -> BuildError + '_ {
    move |error| BuildError::Io {
        path: path.to_owned(),
        error,
    }
}

/// Whether a folder may be replaced: it is absent, empty, or a build directory.
fn replaceable(target: &Path) -> Result<bool, BuildError> {
    match fs::read_dir(target) {
        Ok(mut entries) => Ok(entries.next().is_none() || target.join(MARK).is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(blame(target)(error)),
    }
}

impl Output {
    /// Begins a build directory that will become `target`.
    ///
    /// # Errors
    /// [`BuildError::Foreign`], [`BuildError::Io`].
    pub fn begin(target: &Path) -> Result<Self, BuildError> {
        let target = std::path::absolute(target).map_err(blame(target))?;
        if !replaceable(&target)? {
            return Err(BuildError::Foreign { path: target });
        }
        let parent = target.parent().unwrap_or(&target);
        fs::create_dir_all(parent).map_err(blame(parent))?;
        let folder = tempfile::Builder::new()
            .prefix(".build-")
            .tempdir_in(parent)
            .map_err(blame(parent))?;
        Ok(Output { target, folder })
    }

    /// Where the files are until [`Output::finish`].
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and the folder that it lies in.
    ///
    /// # Errors
    /// [`BuildError::Io`].
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<(), BuildError> {
        let path = self.folder().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(blame(parent))?;
        }
        fs::write(&path, content).map_err(blame(&path))
    }

    /// Reads a file that somebody else has put there.
    ///
    /// # Errors
    /// [`BuildError::Io`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>, BuildError> {
        let path = self.folder().join(name);
        fs::read(&path).map_err(blame(&path))
    }

    /// Puts the finished folder into its place; an earlier build goes away after the new one is there.
    ///
    /// # Errors
    /// [`BuildError::Io`]; the earlier build is back in its place then.
    pub fn finish(self) -> Result<(), BuildError> {
        let Output { target, folder } = self;
        open_to_all(folder.path())?;
        let parent = target.parent().unwrap_or(&target);
        let old = tempfile::Builder::new()
            .prefix(".old-")
            .tempdir_in(parent)
            .map_err(blame(parent))?;
        let kept = old.path().join("build");
        let had_old = target.exists();
        if had_old {
            fs::rename(&target, &kept).map_err(blame(&target))?;
        }
        if let Err(error) = fs::rename(folder.path(), &target) {
            if had_old {
                fs::rename(&kept, &target).map_err(blame(&target))?;
            }
            return Err(blame(&target)(error));
        }
        Ok(())
    }
}

/// Gives a temporary folder, which only its owner may enter, the mode of an ordinary one.
fn open_to_all(folder: &Path) -> Result<(), BuildError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(blame(folder))?;
    }
    Ok(())
}
