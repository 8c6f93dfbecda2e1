//! Keys in files, read again when they have changed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::time::Instant;

use crate::features::auth_jwt::read_keys;
use crate::jwt::{KeySet, MAX_KEY_SET};
use crate::net::{now, numbered, wall_clock};
use crate::source::Stamp;

use super::{ANEW, lock};

/// Files that are remembered: names may be made of variables.
const MOST: usize = 256;

#[derive(Default)]
pub struct Files {
    known: Mutex<HashMap<PathBuf, Arc<Mutex<Known>>>>,
}

/// What a file held when it was last looked at.
#[derive(Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    /// `None` where it has to be read whatever it looks like.
    stamp: Option<Stamp>,
    looked: Option<Instant>,
}

impl Files {
    /// The keys in a file that is not looked at for `unseen` after it has been. With `anew` a key is missing that
    /// may have been added meanwhile. `tell` hears of keys that are not used.
    ///
    /// # Errors
    /// Why they cannot be used, in a sentence.
    pub fn keys(
        &self,
        path: &Path,
        unseen: Duration,
        anew: bool,
        tell: impl Fn(&str),
    ) -> Result<Arc<KeySet>, String> {
        let file = self.file(path);
        let mut known = lock(&file);
        let unseen = if anew { unseen.min(ANEW) } else { unseen };
        let moment = now();
        let holds = known.looked.is_some_and(|looked| moment.duration_since(looked) < unseen);
        if let Some(keys) = known.keys.as_ref().filter(|_| holds) {
            return Ok(keys.clone());
        }
        known.looked = Some(moment);
        let outcome = known.look(path, tell);
        if outcome.is_err() {
            *known = Known::default();
        }
        outcome
    }

    fn file(&self, path: &Path) -> Arc<Mutex<Known>> {
        let mut known = lock(&self.known);
        if let Some(file) = known.get(path) {
            return file.clone();
        }
        if known.len() >= MOST {
            known.clear();
        }
        let file = Arc::<Mutex<Known>>::default();
        known.insert(path.into(), file.clone());
        file
    }
}

impl Known {
    fn look(&mut self, path: &Path, tell: impl Fn(&str)) -> Result<Arc<KeySet>, String> {
        let failed = |call: &str, error: io::Error| {
            format!("{call}() \"{}\" failed ({})", path.display(), numbered(&error))
        };
        let found = fs::metadata(path).map_err(|error| failed("stat", error))?;
        if let Some(keys) = self.keys.as_ref().filter(|_| self.stamp == Some(Stamp::of(&found))) {
            return Ok(keys.clone());
        }
        let began = wall_clock();
        let (stamp, bytes) = read(path).map_err(|error| failed("open", error))?;
        if bytes.len() > MAX_KEY_SET {
            return Err(format!("\"{}\" has more than {MAX_KEY_SET} bytes", path.display()));
        }
        let keys = read_keys(&bytes).map_err(|why| format!("\"{}\": {why}", path.display()))?;
        if self.keys.as_ref().is_none_or(|known| known.remarks() != keys.remarks()) {
            keys.remarks().iter().for_each(|sentence| tell(&format!("\"{}\": {sentence}", path.display())));
        }
        self.stamp = Some(stamp).filter(|stamp| stamp.is_settled(began));
        self.keys = Some(keys.clone());
        Ok(keys)
    }
}

/// What a file holds, up to one byte more than is wanted. A pipe or a device is never waited for.
fn read(path: &Path) -> io::Result<(Stamp, Vec<u8>)> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_KEY_SET as u64 + 1).read_to_end(&mut bytes)?;
    Ok((Stamp::of(&found), bytes))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FileType, Mode};

    use super::*;

    const ONE: &str =
        r#"{"keys":[{"kty":"oct","kid":"one","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;

    fn keys(files: &Files, path: &Path, unseen: u64, anew: bool) -> Result<Arc<KeySet>, String> {
        files.keys(path, Duration::from_secs(unseen), anew, |_| {})
    }

    fn has(keys: &Result<Arc<KeySet>, String>, kid: &str) -> bool {
        keys.as_ref().is_ok_and(|keys| keys.has_kid(kid))
    }

    #[test]
    fn a_change_shows_at_once_even_within_one_tick_of_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let (path, files) = (folder.path().join("keys"), Files::default());
        for round in 0..50 {
            fs::write(&path, ONE).unwrap();
            assert!(has(&keys(&files, &path, 0, false), "one"), "round {round}");
            fs::write(&path, ONE.replace("one", "two")).unwrap();
            assert!(has(&keys(&files, &path, 0, false), "two"), "round {round}");
        }
    }

    #[test]
    fn what_has_not_changed_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, files) = (folder.path().join("keys"), Files::default());
        fs::write(&path, ONE).unwrap();
        let first = keys(&files, &path, 0, false).unwrap();
        // Its time would have to be a while ago to be relied on.
        lock(&files.file(&path)).stamp = Some(Stamp::of(&fs::metadata(&path).unwrap()));
        assert!(Arc::ptr_eq(&first, &keys(&files, &path, 0, false).unwrap()));
    }

    #[test]
    fn what_is_wrong_with_a_key_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let (path, files) = (folder.path().join("keys"), Files::default());
        let two = format!("{{\"keys\":[{{\"kty\":\"odd\"}},{}", &ONE[9..]);
        fs::write(&path, two).unwrap();
        let told = std::cell::Cell::new(0);
        for _ in 0..3 {
            files.keys(&path, Duration::ZERO, false, |_| told.set(told.get() + 1)).unwrap();
        }
        assert_eq!(told.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_not_looked_at_for_the_time_of_the_cache_or_until_a_key_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, files) = (folder.path().join("keys"), Files::default());
        fs::write(&path, ONE).unwrap();
        assert!(has(&keys(&files, &path, 60, false), "one"));
        fs::write(&path, ONE.replace("one", "two")).unwrap();
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(has(&keys(&files, &path, 60, true), "one"));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(has(&keys(&files, &path, 60, false), "one"));
        assert!(has(&keys(&files, &path, 60, true), "two"));
        fs::write(&path, ONE).unwrap();
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(has(&keys(&files, &path, 60, false), "two"));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(has(&keys(&files, &path, 60, false), "one"));
    }

    #[test]
    fn what_is_no_key_file_is_refused_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::default();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let large = folder.path().join("large");
        fs::write(&large, vec![b' '; MAX_KEY_SET + 1]).unwrap();
        let page = folder.path().join("page");
        fs::write(&page, "<html>").unwrap();
        for (path, why) in [
            (folder.path().join("missing"), "2: No such file or directory"),
            (folder.path().to_owned(), "not a regular file"),
            (pipe, "not a regular file"),
            (Path::new("/dev/zero").to_owned(), "not a regular file"),
            (large, "more than 1048576 bytes"),
            (page, "not JSON"),
        ] {
            let said = keys(&files, &path, 60, false).expect_err("no keys");
            assert!(said.contains(why), "{said}");
        }
    }
}
