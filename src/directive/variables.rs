//! `grammar/variables.tsv`: the variables that nginx and its modules provide.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::directive::Context;
use crate::directive::catalogue::distance;

/// One variable, or a family of them.
#[derive(Debug)]
pub struct VariableRow {
    /// Without its `$`, and for a family without its `*`.
    pub name: &'static str,
    /// Whether any name that begins like this belongs to it: `http_`.
    pub family: bool,
    pub module: &'static str,
    /// Whether `set`, `map` and their kin may give it a value.
    pub settable: bool,
    /// Whether wsproxy gives it a value.
    pub served: bool,
    /// Part of nginx itself, with all of its modules.
    pub open: bool,
    /// Only wsproxy has it: a configuration written for nginx may have given the name to something else, and
    /// that goes before.
    pub ours: bool,
}

/// http's variables or stream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Stream,
}

impl Protocol {
    /// The protocol whose variables directives in `context` use.
    pub fn of(context: Context) -> Option<Protocol> {
        if Context::IN_HTTP.contains(context) {
            Some(Protocol::Http)
        } else if Context::IN_STREAM.contains(context) {
            Some(Protocol::Stream)
        } else {
            None
        }
    }

    fn table(self) -> &'static Table {
        match self {
            Protocol::Http => &TABLES.0,
            Protocol::Stream => &TABLES.1,
        }
    }

    /// The variable of this name, one with a name of its own before a family. nginx compares names
    /// in lower case.
    pub fn find(self, name: &[u8]) -> Option<&'static VariableRow> {
        let name = name.to_ascii_lowercase();
        let table = self.table();
        let own = std::str::from_utf8(&name).ok().and_then(|name| table.names.get(name));
        let begins = |row: &&VariableRow| name.starts_with(row.name.as_bytes());
        own.or_else(|| table.families.iter().find(begins))
    }

    /// Whether nginx gives a variable of this name its value, and nothing else may.
    pub fn is_constant(self, name: &[u8]) -> bool {
        self.find(name).is_some_and(|row| !row.family && !row.settable)
    }

    /// The name, among these and `others`, that was most likely meant by `name`.
    pub fn nearest<'a>(self, name: &str, others: impl Iterator<Item = &'a str>) -> Option<String> {
        let limit = (name.len() / 3).clamp(1, 3);
        let own = self.table().names.values().filter(|row| row.open || row.ours).map(|row| row.name);
        let candidates = own.chain(others).filter(|known| *known != name);
        candidates
            .filter_map(|known| Some((distance(name, known, limit)?, known)))
            .min()
            .map(|(_, known)| known.to_owned())
    }
}

/// Every row of one protocol.
pub fn rows(protocol: Protocol) -> impl Iterator<Item = &'static VariableRow> {
    let table = protocol.table();
    table.names.values().chain(&table.families)
}

#[derive(Default)]
struct Table {
    names: HashMap<&'static str, VariableRow>,
    families: Vec<VariableRow>,
}

static TABLES: LazyLock<(Table, Table)> =
    LazyLock::new(|| parse(include_str!("../../grammar/variables.tsv")).expect("a test parses the table"));

fn parse(text: &'static str) -> Result<(Table, Table), String> {
    let (mut http, mut stream) = (Table::default(), Table::default());
    for line in text.lines().skip(1) {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let [name, protocol, module, settable, served, edition] = columns[..] else {
            return Err(format!("{} columns: {line}", columns.len()));
        };
        let family = name.strip_suffix('*');
        let row = VariableRow {
            name: family.unwrap_or(name),
            family: family.is_some(),
            module,
            settable: settable == "yes",
            served: served == "yes",
            open: edition == "oss",
            ours: edition == "wsproxy",
        };
        let table = match protocol {
            "http" => &mut http,
            "stream" => &mut stream,
            _ => return Err(format!("unknown protocol: {line}")),
        };
        match family {
            Some(_) => table.families.push(row),
            None => drop(table.names.insert(name, row)),
        }
    }
    // The longest beginning is the nearest: `upstream_http_` before any `upstream_`.
    for table in [&mut http, &mut stream] {
        table.families.sort_by_key(|row| std::cmp::Reverse(row.name.len()));
    }
    Ok((http, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_families_are_found() {
        assert!(parse(include_str!("../../grammar/variables.tsv")).is_ok());
        let http = |name: &str| Protocol::Http.find(name.as_bytes());
        assert_eq!(http("HOST").map(|row| row.name), Some("host"));
        assert_eq!(http("http_x_request_id").map(|row| row.name), Some("http_"));
        assert_eq!(http("upstream_http_etag").map(|row| row.name), Some("upstream_http_"));
        assert!(http("remote_adr").is_none());
        assert!(http("limit_rate").is_some_and(|row| row.settable));
        assert!(Protocol::Stream.find(b"uri").is_none());
        let near = Protocol::Http.nearest("remote_adr", ["remote_adress"].into_iter());
        assert_eq!(near.as_deref(), Some("remote_addr"));
    }
}
