//! Whether a file is what it was.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// A file that has changed within this time before it was read may be changing still, without a new time: clocks of
/// file systems tick, in the worst case every other second.
const RESTLESS: Duration = Duration::from_secs(2);

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub fn of(found: &Metadata) -> Stamp {
        Stamp {
            file: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Whether a change behind `moment`, which is told since 1970, would show. A stamp that is to be relied on later was
    /// taken before the file was read, and is settled at a moment before that.
    pub fn is_settled(&self, moment: Duration) -> bool {
        let (seconds, nanoseconds) = self.changed.max(self.modified);
        let whole = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let part = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default());
        moment > whole.saturating_add(part).saturating_add(RESTLESS)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_changed_a_moment_ago_may_change_again_unseen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "one").expect("a file");
        let stamp = Stamp::of(&fs::metadata(&path).expect("a file"));
        let (seconds, nanoseconds) = stamp.changed;
        let changed = Duration::new(seconds as u64, nanoseconds as u32);
        assert!(!stamp.is_settled(changed));
        assert!(!stamp.is_settled(changed + RESTLESS));
        assert!(stamp.is_settled(changed + RESTLESS + Duration::from_nanos(1)));
        fs::write(&path, "three").expect("a file");
        assert_ne!(stamp, Stamp::of(&fs::metadata(&path).expect("a file")));
    }
}
