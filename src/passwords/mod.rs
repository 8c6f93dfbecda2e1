//! Passwords as a file of users keeps them: `name:hash`, in the forms of crypt(3) and of RFC 2307.
//!
//! Knows nothing of requests. [`UserFile`] is a file that was read, [`struct@Hash`] one password in it, [`Passwords`] what
//! looks files up and checks passwords for everybody, slow ones on threads of their own.

mod alphabet;
mod checker;
mod des;
mod digests;
mod file;
mod files;
mod hash;
mod md5;
mod memory;
mod sha_crypt;
mod yescrypt;

use std::path::Path;
use std::sync::Arc;

use tokio::time::Instant;

pub use checker::{NotChecked, WAITING};
pub use file::{Entry, Trouble, UserFile, troubles};
pub use files::{NotRead, read};
pub use hash::{Form, Hash};

/// Files of users and who has lately shown a password, for all workers.
pub struct Passwords {
    files: files::Files,
    checker: Arc<checker::Checker>,
}

impl Default for Passwords {
    fn default() -> Passwords {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Who guesses passwords shall not keep the workers from serving.
        let at_once = (cores / 2).max(1);
        Passwords {
            files: files::Files::default(),
            checker: Arc::new(checker::Checker::new(at_once, WAITING)),
        }
    }
}

impl Passwords {
    /// A file as it is now.
    ///
    /// # Errors
    /// What the system says of it, and which call it said so to.
    pub fn file(&self, path: &Path) -> Result<Arc<UserFile>, NotRead> {
        self.files.get(path)
    }

    /// Whether a password is the one of an entry. Where there is no entry it takes as long, and it is not.
    ///
    /// # Errors
    /// Too many others wait already.
    pub async fn check(
        &self,
        file: &UserFile,
        user: &[u8],
        password: &[u8],
        now: Instant,
    ) -> Result<bool, NotChecked> {
        let known = file.find(user).map(|entry| entry.hash.as_ref());
        let hash = match known {
            Some(Some(hash)) => hash,
            None | Some(None) => match file.slowest() {
                Some(decoy) => decoy,
                None => return Ok(false),
            },
        };
        let same = self.checker.check(hash, user, password, now, known.is_some()).await?;
        Ok(same && matches!(known, Some(Some(_))))
    }
}
