//! `X-Accel-Redirect`: an upstream sends the request on to another location, from inside
//! (`ngx_http_upstream_process_headers`).

use crate::http1::{Known, Method, write_field};

use super::answer::Reply;
use super::forward::Asked;
use super::life::{Exchange, split_args};

/// The upstream's headers that reach the client with the other location's answer.
const CARRIED: &[Known] =
    &[Known::SetCookie, Known::ContentDisposition, Known::CacheControl, Known::Expires, Known::AcceptRanges];

impl Exchange<'_> {
    /// Where an answer sends the request instead of being passed on.
    pub fn accel_redirect(&self) -> Option<Vec<u8>> {
        let wanted = !self.settings.proxy.ignores_redirect;
        self.request.upstream.head.headers.first(Known::XAccelRedirect).filter(|_| wanted).map(<[u8]>::to_vec)
    }

    /// Goes there; the answer's body is not used.
    pub fn follow(&mut self, asked: Asked, target: Vec<u8>) -> Reply {
        let mut carried = Vec::new();
        for (name, value, known) in self.request.upstream.head.headers.iter() {
            if CARRIED.contains(&known) {
                write_field(name, value, &mut carried);
            }
        }
        self.carried = carried;
        self.abandon(asked);
        if target.starts_with(b"@") {
            return Reply::Named(target);
        }
        if self.request.head.method() != Method::Head {
            self.request.method_is_get = true;
        }
        let (path, args) = split_args(target);
        Reply::Inside { path, args }
    }
}
