//! `sticky`: which server a request belongs to (`ngx_http_upstream_sticky_module`).

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use crate::diagnostics::Diagnostic;
use crate::directive::values;
use crate::features::Call;
use crate::features::zones::Zone;
use crate::request::{Request, Template, VariableId, keep_one_line};
use crate::source::Span;
use crate::upstream::SessionZone;

use super::Written;

/// The least size of a zone: eight pages.
const LEAST_ZONE: u64 = 8 * 4096;

/// How long a session is remembered that is not used.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// The second that `expires=max` stands for, and what is written for it.
const MAX_EXPIRES: u64 = 2_145_916_555;
const MAX_EXPIRES_TEXT: &[u8] = b"; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000";

/// The last second whose year has four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// What `sticky` says.
#[derive(Debug)]
pub struct Sticky {
    /// The first of these that is not empty names a server, or with `learn` a session.
    lookup: Box<[VariableId]>,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Cookie(Cookie),
    Route,
    Learn(Learn),
}

/// The cookie that is set with every answer.
#[derive(Debug)]
pub struct Cookie {
    name: Box<[u8]>,
    /// In seconds.
    expires: Option<u64>,
    domain: Option<Template>,
    httponly: bool,
    secure: bool,
    samesite: Option<Template>,
    path: Option<Box<[u8]>>,
}

/// How sessions are learnt.
#[derive(Debug)]
pub struct Learn {
    /// The first of these that is not empty names a new session.
    create: Box<[VariableId]>,
    pub zone: SessionZone,
    pub timeout: Duration,
    /// At the head of an answer, and not when all of it has gone through.
    pub header: bool,
}

impl Sticky {
    /// Appends what the request names its server or its session by; false where it names none.
    pub fn lookup(&self, request: &Request, out: &mut Vec<u8>) -> bool {
        first(&self.lookup, request, out)
    }
}

impl Learn {
    /// Appends the name of the session that an answer begins; false where it begins none.
    pub fn create(&self, request: &Request, out: &mut Vec<u8>) -> bool {
        first(&self.create, request, out)
    }
}

fn first(variables: &[VariableId], request: &Request, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    variables.iter().any(|variable| {
        let found = request.variable(*variable, out) && out.len() > start;
        if !found {
            out.truncate(start);
        }
        found
    })
}

impl Cookie {
    /// One with a name and nothing else.
    fn new(name: &[u8]) -> Cookie {
        Cookie {
            name: name.into(),
            expires: None,
            domain: None,
            httponly: false,
            secure: false,
            samesite: None,
            path: None,
        }
    }

    /// Appends the header line that names a server (`ngx_http_upstream_sticky_cookie_insert`). `now` is in
    /// seconds since 1970.
    pub fn write(&self, sid: &[u8], request: &Request, now: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Set-Cookie: ");
        let start = out.len();
        out.extend_from_slice(&self.name);
        out.push(b'=');
        out.extend_from_slice(sid);
        match self.expires {
            None => {}
            Some(MAX_EXPIRES) => out.extend_from_slice(MAX_EXPIRES_TEXT),
            Some(seconds) => {
                out.extend_from_slice(b"; expires=");
                cookie_time(now.saturating_add(seconds), out);
                // Writing to a Vec cannot fail.
                let _ = write!(out, "; max-age={seconds}");
            }
        }
        attribute(b"; domain=", self.domain.as_ref(), request, out);
        if self.httponly {
            out.extend_from_slice(b"; httponly");
        }
        if self.secure {
            out.extend_from_slice(b"; secure");
        }
        if let Some(samesite) = &self.samesite {
            let at = out.len();
            attribute(b"; samesite=", Some(samesite), request, out);
            let value = at + b"; samesite=".len();
            if out.len() > value && !is_samesite(&out[value..]) {
                out.truncate(value);
                out.extend_from_slice(b"strict");
            }
        }
        if let Some(path) = &self.path {
            out.extend_from_slice(b"; path=");
            out.extend_from_slice(path);
        }
        keep_one_line(&mut out[start..]);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends an attribute, or nothing where its value is empty.
fn attribute(name: &[u8], value: Option<&Template>, request: &Request, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    let start = out.len();
    out.extend_from_slice(name);
    value.render(request, out);
    if out.len() == start + name.len() {
        out.truncate(start);
    }
}

fn is_samesite(value: &[u8]) -> bool {
    [&b"strict"[..], b"lax", b"none"].iter().any(|known| value.eq_ignore_ascii_case(known))
}

/// Appends `Mon, 23-Nov-26 03:26:29 GMT`; from 2038 on the year has four digits (`ngx_http_cookie_time`).
fn cookie_time(second: u64, out: &mut Vec<u8>) {
    let moment = UNIX_EPOCH + Duration::from_secs(second.min(LAST_SECOND));
    let mut date = [0; 29];
    // It always has these 29 bytes: `Mon, 23 Nov 2026 03:26:29 GMT`.
    let _ = write!(&mut date[..], "{}", httpdate::HttpDate::from(moment));
    let year = &date[12..16];
    let year = if year > &b"2037"[..] { year } else { &year[2..] };
    for part in [&date[..7], b"-", &date[8..11], b"-", year, &date[16..]] {
        out.extend_from_slice(part);
    }
}

/// A `sticky` line.
pub fn set(written: &mut Written, call: &mut Call) {
    if written.sticky.is_some() {
        let span = call.directive.name.span;
        let finding = Diagnostic::error("duplicate-directive", span, "\"sticky\" directive is duplicate");
        return call.say(finding.help("a group has one way to stick"));
    }
    let sticky = match call.arg(0) {
        b"cookie" => cookie(call),
        b"route" => route(call),
        b"learn" => learn(call),
        _ => {
            unknown(call, 0);
            None
        }
    };
    written.sticky = sticky;
}

fn unknown(call: &mut Call, at: usize) {
    let message = format!("unknown parameter \"{}\"", call.text(at));
    call.error(at, "invalid-parameter", message);
}

/// Says what `sticky` has against an argument, as nginx says it.
fn wrong<T>(call: &mut Call, at: usize, why: &str) -> Option<T> {
    call.error(at, "invalid-parameter", format!("\"sticky\" directive {why}"));
    None
}

fn route(call: &mut Call) -> Option<Sticky> {
    let mut lookup = Vec::new();
    for at in 1..call.args().len() {
        let Some(name) = call.arg(at).strip_prefix(b"$") else {
            let message = format!("invalid variable name \"{}\"", call.text(at));
            call.error(at, "invalid-variable", message);
            return None;
        };
        lookup.push(variable(call, name, at)?);
    }
    Some(Sticky { lookup: lookup.into(), kind: Kind::Route })
}

/// The variable of this name, all of it: there is no text around it.
fn variable(call: &mut Call, name: &[u8], at: usize) -> Option<VariableId> {
    if name.is_empty() {
        call.error(at, "invalid-variable", "invalid variable name \"$\"");
        return None;
    }
    let id = call.build.variables.refer(name);
    let span = call.span(at);
    call.build.mentions.push((id, span));
    Some(id)
}

fn cookie(call: &mut Call) -> Option<Sticky> {
    let name = call.arg(1);
    if name.is_empty() {
        return wrong(call, 1, "empty cookie name");
    }
    let mut cookie = Cookie::new(name);
    for at in 2..call.args().len() {
        cookie_parameter(&mut cookie, call, at)?;
    }
    let lookup = variable(call, &[b"cookie_", name].concat(), 1)?;
    Some(Sticky { lookup: [lookup].into(), kind: Kind::Cookie(cookie) })
}

fn cookie_parameter(cookie: &mut Cookie, call: &mut Call, at: usize) -> Option<()> {
    let word = call.arg(at);
    let duplicate =
        |call: &mut Call, name: &str| wrong::<()>(call, at, &format!("parameter \"{name}\" is duplicate"));
    if let Some(value) = word.strip_prefix(b"domain=") {
        match (value, &cookie.domain) {
            (_, Some(_)) => return duplicate(call, "domain"),
            (b"", None) => return wrong(call, at, "no value for \"domain\""),
            _ => cookie.domain = Some(value_of(call, at, value)),
        }
    } else if let Some(value) = word.strip_prefix(b"path=") {
        match (value, &cookie.path) {
            (_, Some(_)) => return duplicate(call, "path"),
            (b"", None) => return wrong(call, at, "no value for \"path\""),
            _ => cookie.path = Some(value.into()),
        }
    } else if let Some(value) = word.strip_prefix(b"expires=") {
        if cookie.expires.is_some() {
            return duplicate(call, "expires");
        }
        let seconds = match value {
            b"max" => Some(MAX_EXPIRES),
            value => values::seconds(value).map(|time| time.as_secs()),
        };
        match seconds {
            None => return wrong(call, at, "invalid \"expires\" parameter value"),
            seconds => cookie.expires = seconds,
        }
    } else if word == b"httponly" {
        if std::mem::replace(&mut cookie.httponly, true) {
            return duplicate(call, "httponly");
        }
    } else if word == b"secure" {
        if std::mem::replace(&mut cookie.secure, true) {
            return duplicate(call, "secure");
        }
    } else if let Some(value) = word.strip_prefix(b"samesite=") {
        if cookie.samesite.is_some() {
            return duplicate(call, "samesite");
        }
        let template = value_of(call, at, value);
        if template.as_literal().is_some_and(|value| !is_samesite(value)) {
            return wrong(call, at, "invalid \"samesite\" parameter value");
        }
        cookie.samesite = Some(template);
    } else {
        unknown(call, at);
        return None;
    }
    Some(())
}

fn value_of(call: &mut Call, at: usize, value: &[u8]) -> Template {
    let (span, skip) = (call.span(at), call.arg(at).len() - value.len());
    call.template_of(value, span, skip)
}

/// The parameters of `learn` as far as they have been read.
#[derive(Default)]
struct Learning {
    lookup: Vec<VariableId>,
    create: Vec<VariableId>,
    zone: Option<(SessionZone, Span)>,
    timeout: Option<Duration>,
    header: bool,
}

fn learn(call: &mut Call) -> Option<Sticky> {
    let mut learning = Learning::default();
    for at in 1..call.args().len() {
        learn_parameter(&mut learning, call, at)?;
    }
    let missing =
        |call: &mut Call, name: &str| wrong(call, 0, &format!("\"{name}\" parameter is not specified"));
    let Learning { lookup, create, zone, timeout, header } = learning;
    if lookup.is_empty() {
        return missing(call, "lookup");
    }
    if create.is_empty() {
        return missing(call, "create");
    }
    let Some((zone, span)) = zone else { return missing(call, "zone") };
    if !declare(call, &zone, span) {
        return None;
    }
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    let learn = Learn { create: create.into(), zone, timeout, header };
    Some(Sticky { lookup: lookup.into(), kind: Kind::Learn(learn) })
}

fn learn_parameter(learning: &mut Learning, call: &mut Call, at: usize) -> Option<()> {
    let word = call.arg(at);
    if let Some(value) = word.strip_prefix(b"zone=") {
        if learning.zone.is_some() {
            return wrong(call, at, "duplicate zone");
        }
        learning.zone = Some((zone(call, at, value)?, call.span(at)));
    } else if let Some(value) = word.strip_prefix(b"timeout=") {
        if learning.timeout.is_some() {
            return wrong(call, at, "duplicate timeout");
        }
        learning.timeout = values::time(value).filter(|time| !time.is_zero());
        if learning.timeout.is_none() {
            return wrong(call, at, "invalid timeout");
        }
    } else if let Some(value) = word.strip_prefix(b"create=") {
        let Some(name) = value.strip_prefix(b"$") else {
            return wrong(call, at, "missing variable in the \"create\" parameter");
        };
        learning.create.push(variable(call, name, at)?);
    } else if let Some(value) = word.strip_prefix(b"lookup=") {
        let Some(name) = value.strip_prefix(b"$") else {
            return wrong(call, at, "missing variable in the \"lookup\" parameter");
        };
        learning.lookup.push(variable(call, name, at)?);
    } else if word == b"header" {
        learning.header = true;
    } else if word == b"sync" {
        // The commercial nginx shares sessions with others of a cluster.
        call.not_served(at, "\"sync\" of \"sticky learn\"");
    } else {
        unknown(call, at);
        return None;
    }
    Some(())
}

fn zone(call: &mut Call, at: usize, value: &[u8]) -> Option<SessionZone> {
    let Some(colon) = value.iter().position(|byte| *byte == b':') else {
        return wrong(call, at, "zone size is not specified");
    };
    let (name, size) = (&value[..colon], &value[colon + 1..]);
    if name.is_empty() {
        return wrong(call, at, "zone name is not specified");
    }
    match values::size(size) {
        None => wrong(call, at, "invalid zone size"),
        Some(size) if size < LEAST_ZONE => wrong(call, at, "zone is too small"),
        Some(size) => Some(SessionZone { name: String::from_utf8_lossy(name).into(), size }),
    }
}

/// Takes the zone; false where another has it, which was said.
fn declare(call: &mut Call, zone: &SessionZone, span: Span) -> bool {
    let SessionZone { name, size } = zone;
    let declared = Zone { kind: "sticky", size: *size, span };
    let Err(earlier) = call.build.zones.declare(name.as_bytes(), declared) else {
        let block = call.tree.block_of(call.directive.id).map(|id| call.tree.get(id));
        let group = block.and_then(|block| block.args.first()).map(|name| name.value.to_string());
        call.build.upstreams.take_session_zone(name, group.unwrap_or_default());
        return true;
    };
    let message = match earlier.kind {
        "sticky" if earlier.size != *size => format!(
            "the size {size} of shared memory zone \"{name}\" conflicts with already declared size {}",
            earlier.size
        ),
        "sticky" => {
            let group = call.build.upstreams.session_zone(name).unwrap_or_default();
            format!("sticky zone \"{name}\" is already used in upstream \"{group}\"")
        }
        _ => format!("the shared memory zone \"{name}\" is already declared for a different use"),
    };
    let finding = Diagnostic::error("duplicate-zone", span, message).also(earlier.span, "the earlier one");
    call.say(finding.help("each group remembers its own sessions: give each a zone of its own"));
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Variables;

    fn line(cookie: &Cookie) -> String {
        let request = Request::new(Variables::default().into());
        let mut out = Vec::new();
        cookie.write(b"id", &request, 1_795_400_789, &mut out);
        String::from_utf8(out).expect("text")
    }

    fn plain() -> Cookie {
        Cookie::new(b"sid")
    }

    #[test]
    fn a_cookie_is_written_as_nginx_writes_it() {
        assert_eq!(line(&plain()), "Set-Cookie: sid=id\r\n");
        let all = Cookie {
            expires: Some(3600),
            domain: Some(Template::literal(b".example.com")),
            httponly: true,
            secure: true,
            samesite: Some(Template::literal(b"lax")),
            path: Some(b"/"[..].into()),
            ..plain()
        };
        let wanted = "Set-Cookie: sid=id; expires=Mon, 23-Nov-26 03:26:29 GMT; max-age=3600; \
                      domain=.example.com; httponly; secure; samesite=lax; path=/\r\n";
        assert_eq!(line(&all), wanted);
    }

    #[test]
    fn what_comes_out_of_variables_is_mended() {
        let odd = Cookie {
            domain: Some(Template::default()),
            samesite: Some(Template::literal(b"sometimes")),
            path: Some(b"/\r\nX: y"[..].into()),
            ..plain()
        };
        assert_eq!(line(&odd), "Set-Cookie: sid=id; samesite=strict; path=/  X: y\r\n");
        let none = Cookie { samesite: Some(Template::default()), ..plain() };
        assert_eq!(line(&none), "Set-Cookie: sid=id\r\n");
    }

    #[test]
    fn years_from_2038_on_are_written_out() {
        let max = Cookie { expires: Some(MAX_EXPIRES), ..plain() };
        let wanted = "Set-Cookie: sid=id; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000\r\n";
        assert_eq!(line(&max), wanted);
        for (second, wanted) in [
            (2_145_916_799, "Thu, 31-Dec-37 23:59:59 GMT"),
            (2_145_916_800, "Fri, 01-Jan-2038 00:00:00 GMT"),
            (u64::MAX, "Fri, 31-Dec-9999 23:59:59 GMT"),
        ] {
            let mut out = Vec::new();
            cookie_time(second, &mut out);
            assert_eq!(String::from_utf8(out).expect("text"), wanted);
        }
    }
}
