//! Shared memory zones by name: one table for every directive that declares or uses one, and what those that
//! count by a key (`limit_conn_zone`, `limit_req_zone`) have in common.
//!
//! A process of ours shares its memory between workers as it is; nginx's rules about names and sizes are
//! kept, and what counts by a key takes no more memory than its zone was given.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::request::{Piece, Template};
use crate::source::Span;

use super::Call;
use super::error_log::Level;

/// The size of a page of memory, in which nginx counts the least size of a zone.
pub const PAGE: u64 = 4096;

/// The zones of a configuration.
#[derive(Default)]
pub struct Zones {
    declared: HashMap<Vec<u8>, Zone>,
    /// Uses of zones: name, the kind wanted, where.
    pub uses: Vec<(Vec<u8>, &'static str, Span)>,
}

/// One declaration.
pub struct Zone {
    /// The directive that declared it.
    pub kind: &'static str,
    pub size: u64,
    pub span: Span,
}

impl Zones {
    /// Declares a zone; what another directive or another size declared before is given back.
    pub fn declare(&mut self, name: &[u8], zone: Zone) -> Result<(), &Zone> {
        if self.declared.contains_key(name) {
            return Err(&self.declared[name]);
        }
        self.declared.insert(name.to_vec(), zone);
        Ok(())
    }

    pub fn find(&self, name: &[u8]) -> Option<&Zone> {
        self.declared.get(name)
    }
}

/// A zone that counts by a key. One that is used and declared nowhere has an empty key, and counts nothing.
#[derive(Debug, Default)]
pub struct Keyed {
    pub name: Box<[u8]>,
    pub size: u64,
    pub key: Template,
    /// The key as it is written.
    pub key_text: Box<[u8]>,
}

/// Zones of one kind, by the numbers that they get where they are first named: a line may use one that is
/// declared behind it.
#[derive(Debug, Default)]
pub struct Numbered<Z> {
    numbers: HashMap<Vec<u8>, usize>,
    pub zones: Vec<Z>,
}

impl<Z: Default> Numbered<Z> {
    pub fn number(&mut self, name: &[u8]) -> usize {
        let zones = &mut self.zones;
        *self.numbers.entry(name.to_vec()).or_insert_with(|| {
            zones.push(Z::default());
            zones.len() - 1
        })
    }

    pub fn of_name(&mut self, name: &[u8]) -> &mut Z {
        let number = self.number(name);
        &mut self.zones[number]
    }
}

/// What a block says of limits of one kind.
pub struct Written<L> {
    pub limits: Vec<L>,
    pub dry_run: Option<bool>,
    pub log_level: Option<Level>,
    pub status: Option<u16>,
}

#[derive(Clone, Debug)]
pub struct Settings<L> {
    pub limits: Arc<[L]>,
    /// Counts and tells, but refuses nobody.
    pub dry_run: bool,
    /// At which level a refusal is told.
    pub log_level: Level,
    /// What one too many is answered.
    pub status: u16,
}

impl<L> Default for Written<L> {
    fn default() -> Written<L> {
        Written { limits: Vec::new(), dry_run: None, log_level: None, status: None }
    }
}

impl<L> Default for Settings<L> {
    fn default() -> Settings<L> {
        Settings { limits: Arc::default(), dry_run: false, log_level: Level::Error, status: 503 }
    }
}

impl<L: Copy> Written<L> {
    /// A block with limits of its own forgets the outer ones.
    pub fn over(&self, outer: &Settings<L>) -> Settings<L> {
        Settings {
            limits: if self.limits.is_empty() { outer.limits.clone() } else { self.limits[..].into() },
            dry_run: self.dry_run.unwrap_or(outer.dry_run),
            log_level: self.log_level.unwrap_or(outer.log_level),
            status: self.status.unwrap_or(outer.status),
        }
    }
}

/// The key in the line's first argument.
pub fn key(call: &mut Call) -> Template {
    let key = call.template(0);
    let names = key.pieces().iter().filter_map(|piece| match piece {
        Piece::Variable(id) => Some(call.build.variables.name(*id)),
        Piece::Text(_) | Piece::Capture(_) => None,
    });
    let claim = names.filter(|name| name.starts_with(b"jwt_")).map(String::from_utf8_lossy).next();
    if let Some(name) = claim {
        let message = format!("the variable \"${name}\" is empty here");
        let finding = Diagnostic::warning("no-value-yet", call.span(0), message)
            .here("limits are asked before \"auth_jwt\"");
        call.say(finding.help("what limits by user look like is in docs/access.md"));
    }
    key
}

/// The name and size of `zone=name:size`; what is wrong with them is said.
pub fn name_and_size<'a>(call: &mut Call<'a, '_>, at: usize, value: &'a [u8]) -> Option<(&'a [u8], u64)> {
    let whole = call.text(at);
    let colon = value.iter().position(|byte| *byte == b':');
    let read = colon.and_then(|colon| Some((&value[..colon], values::size(&value[colon + 1..])?)));
    let Some((name, size)) = read else {
        let finding =
            Diagnostic::error("invalid-value", call.span(at), format!("invalid zone size \"{whole}\""));
        call.say(finding.help("a zone has a name and a size: \"zone=name:10m\""));
        return None;
    };
    if size < 8 * PAGE {
        let finding =
            Diagnostic::error("invalid-value", call.span(at), format!("zone \"{whole}\" is too small"));
        call.say(finding.help("the least size is 32k"));
        return None;
    }
    Some((name, size))
}

/// Declares a zone that counts by the key in the line's first argument; the name is given back if it is its.
pub fn declare<'a>(
    call: &mut Call<'a, '_>,
    zone: Option<(&'a [u8], u64)>,
    kind: &'static str,
) -> Option<(&'a [u8], u64)> {
    let Some((name, size)) = zone.filter(|(name, _)| !name.is_empty()) else {
        if !call.args().iter().any(|word| word.value.starts_with(b"zone=")) {
            let message = format!("\"{}\" must have \"zone\" parameter", call.name());
            call.error(0, "missing-parameter", message);
        }
        return None;
    };
    let span = call.span(1);
    let earlier = match call.build.zones.declare(name, Zone { kind, size, span }) {
        Ok(()) => return Some((name, size)),
        Err(earlier) => (earlier.kind, earlier.span),
    };
    let name = String::from_utf8_lossy(name);
    let message = if earlier.0 == kind {
        format!("{} \"{name}\" is already bound to a key", call.name())
    } else {
        format!("the shared memory zone \"{name}\" is already declared for a different use")
    };
    call.say(Diagnostic::error("duplicate-zone", span, message).also(earlier.1, "the earlier one"));
    None
}

/// Says that a block limits by the same zone a second time.
pub fn used_again(call: &mut Call, earlier: Span) {
    let message = format!("\"{}\" directive is duplicate", call.name());
    let finding = Diagnostic::error("duplicate-directive", call.directive.name.span, message);
    call.say(finding.here("the same zone a second time").also(earlier, "the first time"));
}

/// Says that a word means nothing where it stands.
pub fn wrong_parameter(call: &mut Call, at: usize) {
    let message = format!("invalid parameter \"{}\"", call.text(at));
    call.error(at, "invalid-parameter", message);
}

/// `limit_conn_zone KEY zone=NAME:SIZE`: the zone, if it is declared by this line.
pub fn of_connections<'a>(call: &mut Call<'a, '_>) -> Option<(&'a [u8], u64)> {
    let mut zone = None;
    for at in 1..call.args().len() {
        match call.arg(at).strip_prefix(b"zone=") {
            Some(value) => zone = name_and_size(call, at, value).or(zone),
            None => wrong_parameter(call, at),
        }
    }
    let kind = kind_of_connections(call);
    declare(call, zone, kind)
}

/// `limit_conn NAME NUMBER`: the name of its zone, if it may stand in its block.
pub fn use_of_connections<'a>(call: &mut Call<'a, '_>) -> Option<&'a [u8]> {
    let name = call.arg(0);
    let kind = kind_of_connections(call);
    call.build.zones.uses.push((name.to_vec(), kind, call.span(0)));
    let same = call.earlier().find(|other| other.args.first().is_some_and(|first| first.value == name));
    match same.map(|other| other.name.span) {
        None => Some(name),
        Some(earlier) => {
            used_again(call, earlier);
            None
        }
    }
}

fn kind_of_connections(call: &Call) -> &'static str {
    if call.context.meets(Context::IN_STREAM) { "stream limit_conn_zone" } else { "limit_conn_zone" }
}
