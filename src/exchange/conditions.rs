//! Conditional requests (RFC 9110 13, `ngx_http_not_modified_header_filter`).

use std::time::SystemTime;

use crate::http1::{Headers, Known};

/// What the conditions of a request make of an answer of 200: 412, 304, or nothing. Where both are asked,
/// neither its time nor its tag may have changed. An answer without a time is newer than any, one without
/// a tag has none but `*`; so nginx answers 304 and 412 to texts of `return` too.
pub fn condition(headers: &Headers, modified: Option<SystemTime>, tag: Option<&str>) -> Option<u16> {
    let time = |name| headers.first(name).map(parse_time);
    let unmodified =
        time(Known::IfUnmodifiedSince).is_none_or(|since| modified.is_some() && since >= modified);
    let matched = headers.first(Known::IfMatch).is_none_or(|tags| names(tags, tag, false));
    if !unmodified || !matched {
        return Some(412);
    }
    let tags = headers.first(Known::IfNoneMatch);
    let since = time(Known::IfModifiedSince);
    // `if_modified_since exact`.
    let same_time = since.is_none_or(|since| modified.is_some() && since == modified);
    let same_tag = tags.is_none_or(|tags| names(tags, tag, true));
    ((tags.is_some() || since.is_some()) && same_time && same_tag).then_some(304)
}

fn parse_time(text: &[u8]) -> Option<SystemTime> {
    str::from_utf8(text).ok().and_then(|text| httpdate::parse_http_date(text).ok())
}

/// Whether a list of tags has this one; a weak comparison does not look at `W/`.
fn names(tags: &[u8], own: Option<&str>, weak: bool) -> bool {
    let is_own = |tag: &[u8]| {
        let tag = tag.trim_ascii();
        let tag = tag.strip_prefix(b"W/").filter(|_| weak).unwrap_or(tag);
        own.is_some_and(|own| tag == own.as_bytes())
    };
    tags == b"*" || tags.split(|byte| *byte == b',').any(is_own)
}
