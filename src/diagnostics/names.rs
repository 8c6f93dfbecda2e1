//! What files are called in reports: from the directory in which a program works, where they lie in it.

use std::path::{Component, Path, PathBuf};

use crate::source::Source;

/// Knows the directory that names begin in.
#[derive(Clone, Debug)]
pub struct Names {
    directory: PathBuf,
}

impl Names {
    /// Names from `directory`, an absolute path.
    pub fn from(directory: PathBuf) -> Names {
        Names { directory }
    }

    /// The path from the directory, absolute for what lies elsewhere; the name of what is no file.
    pub fn path(&self, source: &Source) -> PathBuf {
        if source.path.as_os_str().is_empty() {
            return PathBuf::from(&*source.name);
        }
        self.relative(&source.path)
    }

    /// The same as text; bytes that are none are replaced.
    pub fn text(&self, source: &Source) -> String {
        self.path(source).to_string_lossy().into_owned()
    }

    /// `path`, which begins in the directory or at the root, without `.`, `..` and the directory.
    pub fn relative(&self, path: &Path) -> PathBuf {
        let whole = self.directory.join(path).components().fold(PathBuf::new(), |mut whole, part| {
            match part {
                Component::CurDir => {}
                Component::ParentDir => _ = whole.pop(),
                part => whole.push(part),
            }
            whole
        });
        whole.strip_prefix(&self.directory).map(Path::to_owned).unwrap_or(whole)
    }

    /// A message in which files of the directory have their short names.
    pub fn shorten(&self, message: &str) -> String {
        match self.directory.to_str() {
            Some(directory) if directory.len() > 1 => message.replace(&format!("{directory}/"), ""),
            _ => message.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_in_the_directory() {
        let names = Names::from("/home/me/site".into());
        let relative = |path: &str| names.relative(Path::new(path)).display().to_string();
        assert_eq!(relative("nginx.conf"), "nginx.conf");
        assert_eq!(relative("./a/../conf.d//x.conf"), "conf.d/x.conf");
        assert_eq!(relative("/home/me/site/conf.d/x.conf"), "conf.d/x.conf");
        assert_eq!(relative("../other/x.conf"), "/home/me/other/x.conf");
        assert_eq!(relative("/etc/nginx/nginx.conf"), "/etc/nginx/nginx.conf");
        assert_eq!(names.shorten("open \"/home/me/site/a.pem\""), "open \"a.pem\"");
        assert_eq!(Names::from("/".into()).shorten("/a/b"), "/a/b");
    }
}
