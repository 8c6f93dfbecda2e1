//! `try_files`, `disable_symlinks` and the caches of open files and certificates.

use crate::directive::{Context, values};

use super::{Call, Check};

pub const CHECKS: &[Check] = &[
    Check { name: "disable_symlinks", contexts: Context::IN_HTTP, check: disable_symlinks },
    Check { name: "grpc_ssl_certificate_cache", contexts: Context::IN_HTTP, check: needs_max },
    Check { name: "open_file_cache", contexts: Context::IN_HTTP, check: needs_max },
    Check { name: "open_log_file_cache", contexts: ANYWHERE, check: needs_max },
    Check { name: "proxy_ssl_certificate_cache", contexts: ANYWHERE, check: needs_max },
    Check { name: "ssl_certificate_cache", contexts: ANYWHERE, check: needs_max },
    Check { name: "try_files", contexts: Context::IN_HTTP, check: try_files },
    Check { name: "uwsgi_ssl_certificate_cache", contexts: Context::IN_HTTP, check: needs_max },
];

const ANYWHERE: Context = Context::IN_HTTP.or(Context::IN_STREAM);

fn needs_max(call: &mut Call) {
    let has = |start: &[u8]| call.args().iter().any(|word| word.value.starts_with(start));
    if !has(b"max=") && !has(b"off") {
        let message = format!("\"{}\" must have the \"max\" parameter", call.name());
        call.error(0, "missing-parameter", message);
    }
}

fn try_files(call: &mut Call) {
    let last = call.args().len() - 1;
    let Some(code) = call.arg(last).strip_prefix(b"=") else { return };
    if values::number(code).is_none_or(|code| code > 999) {
        let message = format!("invalid code \"{}\"", call.text(last));
        call.error(last, "invalid-value", message);
    }
}

fn disable_symlinks(call: &mut Call) {
    let (mut mode, mut from) = (None, false);
    for at in 0..call.args().len() {
        match call.arg(at) {
            word @ (b"off" | b"on" | b"if_not_owner") => mode = Some(word),
            word if word.starts_with(b"from=") => from = true,
            _ => {
                let message = format!("invalid parameter \"{}\"", call.text(at));
                return call.error(at, "invalid-parameter", message);
            }
        }
    }
    let message = match mode {
        None => "\"disable_symlinks\" must have \"off\", \"on\" or \"if_not_owner\" parameter".to_owned(),
        Some(_) if call.args().len() == 2 && !from => {
            format!("duplicate parameters \"{} {}\"", call.text(0), call.text(1))
        }
        Some(b"off") if from => "\"from=\" cannot be used with \"off\" parameter".to_owned(),
        Some(_) => return,
    };
    call.error(0, "invalid-parameter", message);
}
