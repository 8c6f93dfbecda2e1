//! Files of users, read when they have changed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;

use crate::net::wall_clock;
use crate::source::Stamp;

use super::file::UserFile;

/// Bytes that a file of users may have.
const LARGEST: u64 = 16 * 1024 * 1024;

/// How many files are remembered: their names may come from requests.
const MOST: usize = 64;

/// Why a file cannot be asked.
#[derive(Debug)]
pub struct NotRead {
    /// The system's call that failed.
    pub call: &'static str,
    pub error: io::Error,
}

#[derive(Default)]
pub struct Files {
    known: Mutex<HashMap<PathBuf, Known>>,
}

struct Known {
    stamp: Stamp,
    /// When it was read nothing had changed for a while.
    settled: bool,
    file: Arc<UserFile>,
}

impl Files {
    pub fn get(&self, path: &Path) -> Result<Arc<UserFile>, NotRead> {
        let found = fs::metadata(path).map_err(|error| NotRead { call: "open", error })?;
        let stamp = Stamp::of(&found);
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.get(path).filter(|known| known.settled && known.stamp == stamp) {
                return Ok(known.file.clone());
            }
        }
        let settled = stamp.is_settled(wall_clock());
        let file = Arc::new(UserFile::parse(&read(path)?));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(path) {
            known.clear();
        }
        known.insert(path.to_owned(), Known { stamp, settled, file: file.clone() });
        Ok(file)
    }
}

/// The bytes of a file of users.
///
/// # Errors
/// It cannot be read, or is none that could be read to its end.
pub fn read(path: &Path) -> Result<Vec<u8>, NotRead> {
    let found = fs::metadata(path).map_err(|error| NotRead { call: "open", error })?;
    let refused = match &found {
        _ if found.is_dir() => Some(Errno::ISDIR),
        // Reading on in a pipe could take for ever.
        _ if !found.is_file() => Some(Errno::INVAL),
        _ if found.len() > LARGEST => Some(Errno::FBIG),
        _ => None,
    };
    if let Some(error) = refused {
        return Err(NotRead { call: "pread", error: error.into() });
    }
    let file = File::open(path).map_err(|error| NotRead { call: "open", error })?;
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| NotRead { call: "pread", error })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_has_changed_and_only_then() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("users");
        fs::write(&path, "ann:{PLAIN}a\n").expect("a file");
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        let set = |time| File::options().append(true).open(&path).and_then(|file| file.set_modified(time));
        set(long_ago).expect("a time");
        let files = Files::default();
        let first = files.get(&path).expect("readable");
        // Its inode changed a moment ago: not yet to be relied on.
        assert!(!Arc::ptr_eq(&first, &files.get(&path).expect("readable")));
        for known in files.known.lock().expect("not poisoned").values_mut() {
            known.settled = true;
        }
        let kept = files.get(&path).expect("readable");
        assert!(Arc::ptr_eq(&kept, &files.get(&path).expect("readable")));
        fs::write(&path, "ben:{PLAIN}b\n").expect("a file");
        let second = files.get(&path).expect("readable");
        assert!(second.find(b"ann").is_none() && second.find(b"ben").is_some());
        fs::remove_file(&path).expect("removing");
        let gone = files.get(&path).err().expect("gone");
        assert_eq!((gone.call, gone.error.kind()), ("open", io::ErrorKind::NotFound));
        let folder = files.get(directory.path()).err().expect("a directory");
        assert_eq!((folder.call, folder.error.kind()), ("pread", io::ErrorKind::IsADirectory));
    }

    #[test]
    fn not_more_than_so_many_are_remembered() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = Files::default();
        for at in 0..2 * MOST + 1 {
            let path = directory.path().join(at.to_string());
            fs::write(&path, "").expect("a file");
            files.get(&path).expect("readable");
        }
        assert!(files.known.lock().expect("not poisoned").len() <= MOST);
    }
}
