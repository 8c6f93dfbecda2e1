//! Where keys come from.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::{DependsOn, Diagnostic};
use crate::fetch::Url;
use crate::jwt::{Json, KeySet, MAX_KEY_SET};
use crate::net::numbered;
use crate::request::{Request, Template};

use super::super::Call;

/// One `auth_jwt_key_file` or `auth_jwt_key_request`.
#[derive(Clone, Debug)]
pub enum KeySource {
    File(KeyFile),
    /// A URI that a subrequest is made for.
    Subrequest(Template),
    /// A URL that is fetched from in the background.
    Url(Arc<Url>),
}

/// The name of a key file.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: Template,
    /// Where a path that is not absolute begins.
    prefix: Arc<Path>,
}

impl KeyFile {
    /// Its name for a request; nothing where variables make none.
    pub fn path(&self, request: &Request) -> Option<PathBuf> {
        let mut path = Vec::new();
        self.path.render(request, &mut path);
        let is_name = !path.is_empty() && !path.contains(&0);
        is_name.then(|| self.prefix.join(OsStr::from_bytes(&path)))
    }
}

pub fn file(call: &mut Call) -> KeySource {
    let prefix: Arc<Path> = call.build.options.conf_prefix.as_path().into();
    let path = call.template(0);
    if let Some(path) = path.as_literal() {
        look_at(call, &prefix.join(OsStr::from_bytes(path)));
    }
    KeySource::File(KeyFile { path, prefix })
}

pub fn request(call: &mut Call) -> Option<KeySource> {
    let text = call.arg(0);
    if !Url::is_meant(text) {
        if !matches!(text.first(), Some(b'/' | b'$')) {
            let message = format!("\"{}\" is neither a URI of this server nor a URL", call.text(0));
            let finding = Diagnostic::error("invalid-value", call.span(0), message);
            call.say(finding.help("a URI begins with a \"/\", a URL with \"http://\" or \"https://\""));
            return None;
        }
        return Some(KeySource::Subrequest(call.template(0)));
    }
    if text.contains(&b'$') {
        let message = "the URL that keys are fetched from cannot hold variables";
        let finding = Diagnostic::error("invalid-value", call.span(0), message);
        call.say(finding.help("a subrequest can: name a location whose \"proxy_pass\" has the variables"));
        return None;
    }
    match Url::parse(text) {
        Ok(url) => {
            in_the_clear(call, &url);
            Some(KeySource::Url(Arc::new(url)))
        }
        Err(error) => {
            let message = format!("the URL \"{}\" {error}", call.text(0));
            call.error(0, "invalid-value", message);
            None
        }
    }
}

/// Who can change what comes from there can sign tokens.
fn in_the_clear(call: &mut Call, url: &Url) {
    let is_here = |host: &str| {
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    };
    if !url.tls && !is_here(&url.host) {
        let message = "keys are fetched in the clear: who is on the way can put in keys of their own";
        let finding = Diagnostic::info("keys-in-the-clear", call.span(0), message);
        call.say(finding.help("use https://, unless everybody on the way is trusted"));
    }
}

/// The keys in a JWK Set.
///
/// # Errors
/// Why they cannot be used, in a sentence. A set none of whose keys can be used is a mistake; one without keys is
/// a way to let nobody in.
pub fn read_keys(bytes: &[u8]) -> Result<Arc<KeySet>, String> {
    let keys = KeySet::parse(bytes).map_err(|error| error.to_string())?;
    match keys.remarks().first().filter(|_| keys.keys().is_empty()) {
        Some(why) => Err(format!("none of its keys can be used: {why}")),
        None => Ok(Arc::new(keys)),
    }
}

/// A key file is only needed when a request comes: what is wrong with it now is no more than a warning.
fn look_at(call: &mut Call, path: &Path) {
    let shown = path.display();
    let trouble = match call.build.files.read(path) {
        Err(error) => Some(format!("open() \"{shown}\" failed ({})", numbered(&error))),
        Ok(bytes) if bytes.len() > MAX_KEY_SET => {
            Some(format!("the key file \"{shown}\" has more than {MAX_KEY_SET} bytes"))
        }
        Ok(bytes) => match read_keys(&bytes) {
            Err(why) => Some(format!("the key file \"{shown}\" cannot be used: {why}")),
            Ok(keys) => {
                skipped(call, &keys);
                readable_by_all(call, path, &bytes);
                None
            }
        },
    };
    if let Some(message) = trouble {
        let finding = Diagnostic::warning("key-file", call.span(0), message);
        let finding = finding.help("requests are answered 500 until it can be used");
        call.say(finding.depends_on(DependsOn::Machine));
    }
}

fn skipped(call: &mut Call, keys: &KeySet) {
    for sentence in keys.remarks() {
        let message = format!("in \"{}\" {sentence}", call.text(0));
        let finding = Diagnostic::warning("key-file", call.span(0), message);
        call.say(finding.depends_on(DependsOn::Machine));
    }
}

/// A secret that everybody on the machine can read lets everybody sign tokens.
fn readable_by_all(call: &mut Call, path: &Path, bytes: &[u8]) {
    let is_open = call.build.files.mode(path).is_some_and(|mode| mode & 0o004 != 0);
    if is_open && holds_secret(bytes) {
        let message = format!("everybody on this machine can read the secret in \"{}\"", path.display());
        let finding = Diagnostic::warning("readable-secret", call.span(0), message);
        let finding = finding.here("who has it can sign tokens").help("chmod o-r");
        call.say(finding.depends_on(DependsOn::Machine));
    }
}

/// Whether one of the keys is a secret that signs as well: of HMAC, or the private half of a pair.
fn holds_secret(bytes: &[u8]) -> bool {
    let Ok(set) = Json::object(bytes) else { return false };
    let is_secret = |key: &Json| key.get("k").is_some() || key.get("d").is_some();
    set.get("keys").and_then(Json::items).is_some_and(|keys| keys.iter().any(is_secret)) || is_secret(&set)
}
