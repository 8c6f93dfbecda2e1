//! Where a configuration uses the modules that holes are in.

use bstr::ByteSlice;

use crate::directive::{Context, values};
use crate::lint::Version;
use crate::lint::site::{Addresses, Block, Site};
use crate::source::Span;
use crate::syntax::Directive;

/// Where lines of these names stand that are as wanted.
fn lines(site: &Site<'_>, names: &[&str], wanted: impl Fn(Block<'_>, &Directive) -> bool) -> Vec<Span> {
    site.all(names).filter(|(block, line)| wanted(*block, line)).map(|(_, line)| line.head()).collect()
}

fn first_is(line: &Directive, value: &str) -> bool {
    line.args.first().is_some_and(|word| word.value.eq_ignore_ascii_case(value.as_bytes()))
}

fn any_is(line: &Directive, value: &str) -> bool {
    line.args.iter().any(|word| word.value.eq_ignore_ascii_case(value.as_bytes()))
}

/// Whether requests that come to a block go on to another server.
fn passes(block: Block<'_>) -> bool {
    ["proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass"].iter().any(|name| block.has(name))
}

/// Where requests go on from a block, or from one in it where the same lines are in effect.
fn passing<'a>(site: &'a Site<'a>, wanted: impl Fn(Block<'a>) -> bool) -> Vec<Span> {
    let places = Context::LOCATION.or(Context::IF_LOCATION).or(Context::LIMIT_EXCEPT);
    let all = site.within(places).filter(|block| passes(*block) && wanted(*block));
    all.filter_map(Block::head).collect()
}

pub(super) fn quic(site: &Site<'_>) -> Vec<Span> {
    lines(site, &["listen"], |block, line| block.context() == Context::SERVER && any_is(line, "quic"))
}

pub(super) fn http2(site: &Site<'_>) -> Vec<Span> {
    let http = |block: Block<'_>, line: &Directive| match line.is("listen") {
        true => block.context() == Context::SERVER && any_is(line, "http2"),
        false => first_is(line, "on"),
    };
    lines(site, &["listen", "http2"], http)
}

/// Whether TLS 1.3 may be spoken: it is one of the defaults since 1.23.4.
fn has_tls13(server: Block<'_>) -> bool {
    match server.in_effect("ssl_protocols") {
        Some(line) => any_is(line, "TLSv1.3"),
        None => server.site.target >= Version(1, 23, 4),
    }
}

pub(super) fn mp4(site: &Site<'_>) -> Vec<Span> {
    lines(site, &["mp4"], |_, _| true)
}

pub(super) fn resolver(site: &Site<'_>) -> Vec<Span> {
    lines(site, &["resolver"], |_, line| !first_is(line, "off"))
}

pub(super) fn cached_ranges(site: &Site<'_>) -> Vec<Span> {
    let names = ["proxy_cache", "fastcgi_cache", "uwsgi_cache", "scgi_cache"];
    lines(site, &names, |block, line| {
        let ranges = values::number(block.value("max_ranges", "2"));
        !first_is(line, "off") && ranges.is_none_or(|ranges| ranges > 1)
    })
}

pub(super) fn resumed_sessions(site: &Site<'_>) -> Vec<Span> {
    let verifies =
        |server: Block<'_>| matches!(server.value("ssl_verify_client", "off"), b"on" | b"optional");
    let resumes = |server: Block<'_>| {
        let cache = server.value("ssl_session_cache", "none");
        server.is_on("ssl_session_tickets", true) || !matches!(cache, b"none" | b"off")
    };
    let addresses = Addresses::of(site);
    let mut places = Vec::new();
    for address in addresses.all.iter().filter(|address| address.has_tls) {
        let default = address.default().server;
        let others = address.listens.iter().filter(|listen| listen.server != default);
        let is_open = others.filter(|listen| verifies(listen.server)).count() > 0;
        if is_open && verifies(default) && resumes(default) && has_tls13(default) {
            places.extend(default.in_effect("ssl_verify_client").map(Directive::head));
        }
    }
    places.dedup();
    places
}

pub(super) fn client_ocsp(site: &Site<'_>) -> Vec<Span> {
    let asks = |server: &Block<'_>| {
        matches!(server.value("ssl_verify_client", "off"), b"on" | b"optional")
            && matches!(server.value("ssl_ocsp", "off"), b"on" | b"leaf")
            && server.in_effect("resolver").is_some()
    };
    let mut places: Vec<Span> = site
        .servers()
        .filter(asks)
        .filter_map(|server| server.in_effect("ssl_ocsp"))
        .map(Directive::head)
        .collect();
    places.dedup();
    places
}

pub(super) fn tls_upstreams(site: &Site<'_>) -> Vec<Span> {
    lines(site, &["proxy_pass", "grpc_pass", "uwsgi_pass"], |_, line| {
        let schemes = [&b"https://"[..], b"grpcs://", b"suwsgi://"];
        line.args.first().is_some_and(|url| {
            schemes.iter().any(|scheme| url.value.to_ascii_lowercase().starts_with(scheme))
        })
    })
}

pub(super) fn ssi(site: &Site<'_>) -> Vec<Span> {
    passing(site, |block| block.is_on("ssi", false))
}

/// What `charset` makes of what is in UTF-8.
fn recodes_utf8(block: Block<'_>) -> bool {
    let to = block.value("charset", "off");
    block.value("source_charset", "off").eq_ignore_ascii_case(b"utf-8")
        && !to.eq_ignore_ascii_case(b"off")
        && !to.eq_ignore_ascii_case(b"utf-8")
}

pub(super) fn from_utf8(site: &Site<'_>) -> Vec<Span> {
    lines(site, &["charset", "source_charset"], |block, _| recodes_utf8(block))
}

pub(super) fn recoded_unbuffered(site: &Site<'_>) -> Vec<Span> {
    let has_map = site.all(&["charset_map"]).next().is_some();
    passing(site, |block| {
        let (from, to) = (block.value("source_charset", "off"), block.value("charset", "off"));
        has_map
            && block.has("proxy_pass")
            && !block.is_on("proxy_buffering", true)
            && !from.eq_ignore_ascii_case(b"off")
            && !to.eq_ignore_ascii_case(b"off")
            && !from.eq_ignore_ascii_case(to)
    })
}

pub(super) fn scgi_and_uwsgi(site: &Site<'_>) -> Vec<Span> {
    lines(site, &["scgi_pass", "uwsgi_pass"], |_, _| true)
}

fn is_over_http2(block: Block<'_>) -> bool {
    block.has("proxy_pass") && block.value("proxy_http_version", "1.1") == b"2"
}

pub(super) fn body_over_http2(site: &Site<'_>) -> Vec<Span> {
    passing(site, |block| is_over_http2(block) && block.in_effect("proxy_set_body").is_some())
}

pub(super) fn large_heads_over_http2(site: &Site<'_>) -> Vec<Span> {
    const LIMIT: u64 = 2 * 1024 * 1024;
    passing(site, |block| {
        let buffers = block.in_effect("large_client_header_buffers").and_then(|line| line.args.get(1));
        let size = buffers.and_then(|word| values::size(&word.value)).unwrap_or(0);
        (is_over_http2(block) || block.has("grpc_pass"))
            && !block.is_on("ignore_invalid_headers", true)
            && size > LIMIT
    })
}

pub(super) fn dav_under_alias(site: &Site<'_>) -> Vec<Span> {
    lines(site, &["alias"], |block, _| {
        let is_prefix = block.name().is_some_and(|name| name.modifier.is_prefix());
        let methods = block.in_effect("dav_methods");
        is_prefix && methods.is_some_and(|line| any_is(line, "COPY") || any_is(line, "MOVE"))
    })
}

pub(super) fn mail_digests(site: &Site<'_>) -> Vec<Span> {
    let names = ["pop3_auth", "imap_auth", "smtp_auth"];
    lines(site, &names, |_, line| any_is(line, "cram-md5") || any_is(line, "apop"))
}

pub(super) fn smtp_without_login(site: &Site<'_>) -> Vec<Span> {
    lines(site, &["smtp_auth"], |_, line| line.args.iter().any(|word| word.value.as_bstr() == "none"))
}
