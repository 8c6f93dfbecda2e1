//! Puts other texts into files that people keep.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The permission bits that let anybody write.
const WRITABLE: u32 = 0o222;

/// Gives a file another content, at once and whole: nobody ever reads half of it, and where it fails the old
/// one is there. Its owner and mode stay; of a symbolic link the file is written that it leads to.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Replacement::prepare(path, bytes)?.put()
}

/// Another content that lies beside its file, ready to take its place; gone if it is not put there.
pub struct Replacement {
    path: PathBuf,
    new: NamedTempFile,
}

impl Replacement {
    /// Does everything that may fail.
    ///
    /// # Errors
    ///
    /// That the file may not be written, or the folder it lies in; or that its owner cannot stay.
    pub fn prepare(path: &Path, bytes: &[u8]) -> io::Result<Replacement> {
        let path = fs::canonicalize(path)?;
        // To replace a file its folder decides who may; whoever has taken the right to write from it means it, even
        // of those who may do everything.
        let old = fs::OpenOptions::new().write(true).open(&path)?.metadata()?;
        if old.permissions().mode() & WRITABLE == 0 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut new = tempfile::Builder::new().prefix(".wsproxy-").tempfile_in(folder)?;
        new.write_all(bytes)?;
        let made = new.as_file().metadata()?;
        if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
            fchown(new.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
        new.as_file().set_permissions(old.permissions())?;
        new.as_file().sync_all()?;
        Ok(Replacement { path, new })
    }

    /// Puts it in the place of the file.
    pub fn put(self) -> io::Result<()> {
        self.new.persist(&self.path)?;
        Ok(())
    }
}
