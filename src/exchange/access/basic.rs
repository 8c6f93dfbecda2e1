//! `auth_basic` (`ngx_http_auth_basic_handler`).

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::features::error_log::Level;
use crate::http1::{Credentials, Known};
use crate::net::{now, numbered};
use crate::passwords::{NotChecked, NotRead, UserFile};
use crate::request::keep_one_line;

use super::super::answer::Reply;
use super::super::body::unless_gone;
use super::super::life::Exchange;
use super::super::report::Shown;
use super::Opinion;

impl Exchange<'_> {
    /// Whether the client's name and password are in the file.
    ///
    /// # Errors
    /// The client has gone meanwhile.
    pub(super) async fn basic_opinion(&mut self) -> Result<Opinion, Reply> {
        let settings = self.settings;
        let Some((realm, user_file)) = settings.auth_basic.asked() else { return Ok(Opinion::None) };
        let mut shown = self.worker.buffer();
        realm.text.render(self.request, &mut shown);
        let opinion = match &shown[..] {
            b"off" => Opinion::None,
            _ => {
                let mut path = self.worker.buffer();
                user_file.render(self.request, &mut path);
                // Boxed, so that no request is larger for it that shows no password.
                let opinion = Box::pin(self.credentials_opinion(&path)).await;
                self.worker.give_back_buffer(path);
                opinion?
            }
        };
        if opinion == Opinion::Denied(401) {
            self.challenge(&shown);
        }
        self.worker.give_back_buffer(shown);
        if opinion != Opinion::None {
            self.judge("auth_basic", &realm.place, opinion == Opinion::Allowed);
        }
        Ok(opinion)
    }

    async fn credentials_opinion(&mut self, path: &[u8]) -> Result<Opinion, Reply> {
        let sent = self.request.head.headers.first(Known::Authorization);
        let Some(credentials) = sent.and_then(Credentials::read) else {
            let message = "no user/password was provided for basic authentication";
            self.report(Level::Info, format_args!("{message}"));
            return Ok(Opinion::Denied(401));
        };
        let file = match self.worker.shared.passwords.file(Path::new(OsStr::from_bytes(path))) {
            Ok(file) => file,
            Err(error) => return Ok(self.without_users(path, &error)),
        };
        let user = Shown(credentials.user());
        match self.password_is_right(&file, &credentials).await? {
            Ok(true) => return Ok(Opinion::Allowed),
            Ok(false) => match file.find(credentials.user()) {
                None => {
                    let message = format_args!("user \"{user}\" was not found in \"{}\"", Shown(path));
                    self.report(Level::Error, message);
                }
                Some(entry) if entry.hash.is_none() => {
                    let message = format_args!(
                        "user \"{user}\": password mismatch: line {} of \"{}\" is in no form that is known",
                        entry.line,
                        Shown(path)
                    );
                    self.report(Level::Error, message);
                }
                Some(_) => self.report(Level::Error, format_args!("user \"{user}\": password mismatch")),
            },
            Err(why @ NotChecked::Busy { .. }) => {
                self.report(Level::Error, format_args!("user \"{user}\": password not checked: {why}"));
                return Ok(Opinion::Denied(503));
            }
            Err(why @ NotChecked::Failed) => {
                self.report(Level::Crit, format_args!("user \"{user}\": password not checked: {why}"));
                return Ok(Opinion::Denied(500));
            }
        }
        Ok(Opinion::Denied(401))
    }

    /// A slow check is not waited for by a client that has gone.
    async fn password_is_right(
        &mut self,
        file: &UserFile,
        credentials: &Credentials,
    ) -> Result<Result<bool, NotChecked>, Reply> {
        let passwords = &self.worker.shared.passwords;
        let check = passwords.check(file, credentials.user(), credentials.password(), now());
        unless_gone(self.client, check).await
    }

    /// nginx takes a file that is not there for a door that is closed, and everything else for a fault of its own.
    fn without_users(&self, path: &[u8], NotRead { call, error }: &NotRead) -> Opinion {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let level = if missing { Level::Error } else { Level::Crit };
        self.report(level, format_args!("{call}() \"{}\" failed ({})", Shown(path), numbered(error)));
        Opinion::Denied(if missing { 403 } else { 500 })
    }

    /// Says how a client may identify itself.
    fn challenge(&mut self, realm: &[u8]) {
        let start = self.carried.len();
        self.carried.extend_from_slice(b"WWW-Authenticate: Basic realm=\"");
        self.carried.extend_from_slice(realm);
        keep_one_line(&mut self.carried[start..]);
        self.carried.extend_from_slice(b"\"\r\n");
    }
}
