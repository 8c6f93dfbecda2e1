//! Files under `root` and `alias` (`ngx_http_static_module`, `ngx_http_index_module`).

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::features::error_log::Level;
use crate::features::{headers, variables};
use crate::http1::{Method, escape, write_field};
use crate::net::numbered;

use super::answer::{Done, Reply};
use super::conditions::condition;
use super::head::{Head, Length};
use super::life::Exchange;
use super::report::Shown;
use super::route::Event;

/// Bytes of a file that are in memory at once.
const PORTION: usize = 64 * 1024;

/// What is known of a file that is to be sent.
struct Found {
    file: File,
    length: u64,
    /// `Last-Modified`, and the seconds it stands for.
    modified: (String, u64),
    etag: String,
}

impl Exchange<'_> {
    /// Answers with a file.
    pub async fn file(&mut self) -> Result<Done, Reply> {
        let method = self.request.method();
        if !matches!(method, Method::Get | Method::Head | Method::Post) {
            return Err(Reply::Status(405));
        }
        if let Err(status) = self.settle_body().await {
            return Err(Reply::Status(status));
        }
        if self.request.target.path.ends_with(b"/") {
            return Err(self.index());
        }
        let mut path = Vec::new();
        variables::request_filename(self.request, &mut path);
        self.note(|_| Event::File { path: path.clone() });
        let found = match open(&path) {
            Ok(Some(found)) => found,
            Ok(None) => return Err(self.add_slash()),
            Err(error) => return Err(self.unopened(&path, &error)),
        };
        if method == Method::Post {
            return Err(Reply::Status(405));
        }
        // A page in place of an error is not a file that a client may have already.
        let plain = self.status_override.is_none_or(|status| status == 200);
        let modified = UNIX_EPOCH + Duration::from_secs(found.modified.1);
        match condition(&self.request.head.headers, Some(modified), Some(&found.etag)).filter(|_| plain) {
            Some(304) => return Ok(self.send_head(&found, 304).await),
            Some(status) => return Err(Reply::Status(status)),
            None => {}
        }
        let done = self.send_head(&found, 200).await;
        let bodiless =
            method == Method::Head || !self.audience.wants_body() || !matches!(done, Done::Replied);
        Ok(if bodiless { done } else { self.send_file(found).await })
    }

    /// A folder: the first of its index files that is there, by another way through the phases.
    fn index(&mut self) -> Reply {
        let settings = self.settings;
        let mut folder = Vec::new();
        variables::request_filename(self.request, &mut folder);
        for name in settings.files.index.iter() {
            let mut file = Vec::new();
            name.render(self.request, &mut file);
            if file.starts_with(b"/") {
                return Reply::Inside { path: file, args: self.request.target.args.clone() };
            }
            let whole = [&folder[..], &file].concat();
            let Ok(metadata) = std::fs::metadata(path_of(&whole)) else { continue };
            if metadata.is_file() {
                let path = [&self.request.target.path[..], &file].concat();
                return Reply::Inside { path, args: self.request.target.args.clone() };
            }
        }
        match std::fs::metadata(path_of(&folder)) {
            Ok(_) => {
                let message = format!("directory index of \"{}\" is forbidden", Shown(&folder));
                self.report(Level::Error, format_args!("{message}"));
                Reply::Status(403)
            }
            Err(error) => self.unopened(&folder, &error),
        }
    }

    /// A folder without its slash is redirected to the one with it.
    fn add_slash(&mut self) -> Reply {
        let mut address = Vec::new();
        escape::escape_uri(&self.request.target.path, &mut address);
        address.push(b'/');
        if !self.request.target.args.is_empty() {
            address.push(b'?');
            address.extend_from_slice(&self.request.target.args);
        }
        Reply::Redirect(301, address)
    }

    fn unopened(&mut self, path: &[u8], error: &io::Error) -> Reply {
        let status = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => 404,
            io::ErrorKind::PermissionDenied => 403,
            io::ErrorKind::InvalidInput => 404,
            _ => 500,
        };
        let message = format!("open() \"{}\" failed ({})", Shown(path), numbered(error));
        self.report(Level::Error, format_args!("{message}"));
        Reply::Status(status)
    }

    async fn send_head(&mut self, found: &Found, status: u16) -> Done {
        let settings = self.settings;
        let plain = self.status_override.is_none_or(|status| status == 200);
        let content_type = settings.files.content_type(&self.request.target.path);
        let begin = Head {
            status,
            content_type: Some(&content_type[..]).filter(|_| status == 200),
            length: if status == 200 { Length::Known(found.length) } else { Length::Unsaid },
            modified: Some(found.modified.0.as_bytes()).filter(|_| plain),
            persistence: self.persistence(),
            ..Head::default()
        };
        self.begin(&begin);
        let mut out = std::mem::take(&mut self.request.reply.head);
        out.extend_from_slice(&self.carried);
        write_field(b"ETag", found.etag.as_bytes(), &mut out);
        headers::write(&settings.headers, self.request, self.request.reply.status, &mut out);
        if status == 200 && plain {
            write_field(b"Accept-Ranges", b"bytes", &mut out);
        }
        out.extend_from_slice(b"\r\n");
        self.request.reply.head = out;
        self.finish(b"").await
    }

    async fn send_file(&mut self, found: Found) -> Done {
        let mut left = found.length;
        let mut file = found.file;
        let mut portion = self.worker.buffer();
        while left > 0 {
            portion.clear();
            let most = left.min(PORTION as u64);
            // Reading a file from disk may block, as it does in nginx without `aio`.
            match (&mut file).take(most).read_to_end(&mut portion) {
                Ok(count) if count > 0 => left -= count as u64,
                _ => {
                    self.keep_alive = false;
                    self.request.completed = false;
                    return Done::Aborted;
                }
            }
            if self.write(&portion).await.is_err() {
                return Done::Aborted;
            }
        }
        self.worker.give_back_buffer(portion);
        Done::Replied
    }
}

fn path_of(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// Opens a file; `None` is a folder.
fn open(path: &[u8]) -> io::Result<Option<Found>> {
    let file = File::open(path_of(path))?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Ok(None);
    }
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let seconds = modified(&metadata);
    let length = metadata.len();
    Ok(Some(Found {
        file,
        length,
        modified: (httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)), seconds),
        // nginx's: the time and the length, in hexadecimal.
        etag: format!("\"{seconds:x}-{length:x}\""),
    }))
}

fn modified(metadata: &Metadata) -> u64 {
    let modified = metadata.modified().ok();
    modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |time| time.as_secs())
}
