//! `grammar/directives.tsv`: every directive that nginx and its modules know, and ours.
//!
//! One name may have several rows: `listen` is http's, stream's and mail's. Start at [`find`] and
//! [`in_context`].

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use crate::directive::Context;
use crate::directive::form::{Forms, either};

/// One directive of one module.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    /// Without `ngx_` and `_module`: `http_proxy`, `core`; ours is `wsproxy`.
    pub module: &'static str,
    pub contexts: Context,
    pub arity: Arity,
    /// What its block holds; `None` for a directive that ends with a `;`.
    pub block: Option<Block>,
    /// A second one in the same block is an error.
    pub once: bool,
    pub serve: Serve,
    pub forms: Forms,
    pub default: &'static str,
    /// The version of nginx that brought it; empty for the oldest.
    pub since: &'static str,
    pub edition: Edition,
    /// Its arguments as nginx's documentation writes them.
    pub syntax: &'static str,
    /// What became of a removed one, where a separate one comes from.
    pub note: &'static str,
}

/// What stands between a directive's braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Directives of this context, or data where it is one of [`Context::DATA`].
    Of(Context),
    /// `if`: directives of the context that fits the place of the `if`.
    If,
}

/// How many arguments a directive takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One for each bit set: bit 0 for none.
    Counts(u8),
    AtLeast(u8),
    Any,
}

/// What serving does with a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// It is served.
    Served,
    /// It tunes the insides of nginx, or what another directive has to turn on first: clients see no
    /// difference without it.
    Tunes,
    /// It changes what clients get, and is not served.
    Changes,
}

/// Where a directive comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// nginx, with all of its own modules.
    Open,
    /// A module of nginx's makers that is built and loaded apart.
    Separate,
    /// NGINX Plus alone.
    Plus,
    /// nginx on another system than Linux.
    Elsewhere,
    /// nginx had it once.
    Removed,
    /// A module of somebody else.
    ThirdParty,
    /// wsproxy itself.
    Ours,
}

impl Row {
    /// Whether nginx (or wsproxy) takes it without a module that has to be loaded or bought.
    pub fn known(&self) -> bool {
        matches!(self.edition, Edition::Open | Edition::Ours) || self.serve == Serve::Served
    }

    /// What its block holds when it stands in `context`, if it has a block.
    pub fn inner(&self, context: Context) -> Option<Context> {
        match self.block? {
            Block::Of(inner) => Some(inner),
            Block::If if context == Context::SERVER => Some(Context::IF_SERVER),
            Block::If => Some(Context::IF_LOCATION),
        }
    }

    /// The `.so` that would have to be loaded for it.
    pub fn shared_object(&self) -> String {
        format!("ngx_{}_module.so", self.module)
    }
}

impl Arity {
    pub fn takes(self, count: usize) -> bool {
        match self {
            Arity::Counts(bits) => count < 8 && bits >> count & 1 == 1,
            Arity::AtLeast(least) => count >= usize::from(least),
            Arity::Any => true,
        }
    }

    fn parse(column: &str) -> Result<Arity, String> {
        let wrong = |_| format!("\"{column}\" is not a number of arguments");
        match column {
            "" => return Ok(Arity::Any),
            "flag" => return Ok(Arity::Counts(1 << 1)),
            _ => {}
        }
        if let Some(least) = column.strip_suffix('+') {
            return Ok(Arity::AtLeast(least.parse().map_err(wrong)?));
        }
        let counts = column.split(',').map(|count| count.parse::<u8>().map_err(wrong));
        Ok(Arity::Counts(counts.map(|count| count.map(|count| 1 << count)).sum::<Result<u8, _>>()?))
    }
}

/// `1 or 2 arguments`.
impl fmt::Display for Arity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u8| if count == 1 { "" } else { "s" };
        match self {
            Arity::Any => f.write_str("any number of arguments"),
            Arity::AtLeast(least) => write!(f, "at least {least} argument{}", plural(*least)),
            Arity::Counts(1) => f.write_str("no arguments"),
            Arity::Counts(bits) => {
                let counts = (0..8).filter(|count| bits >> count & 1 == 1);
                let most = 7 - bits.leading_zeros() as u8;
                write!(f, "{} argument{}", either(counts.map(|count| count.to_string())), plural(most))
            }
        }
    }
}

/// All rows, those of one name beside each other.
pub fn rows() -> &'static [Row] {
    &CATALOGUE.rows
}

/// The rows of this name; none if nobody knows it.
pub fn find(name: &[u8]) -> &'static [Row] {
    let range = std::str::from_utf8(name).ok().and_then(|name| CATALOGUE.names.get(name));
    range.map_or(&[], |(start, end)| &CATALOGUE.rows[*start..*end])
}

/// The row of this name that may stand in `context`, one that is not for sale before one that is.
pub fn in_context(name: &[u8], context: Context) -> Option<&'static Row> {
    let fits = |row: &&Row| row.contexts.meets(context);
    find(name).iter().filter(|row| row.known()).find(fits).or_else(|| find(name).iter().find(fits))
}

/// The name that was most likely meant by `name`, one allowed in `context` before all others.
pub fn nearest(name: &[u8], context: Context) -> Option<&'static str> {
    let name = std::str::from_utf8(name).ok()?;
    let limit = (name.chars().count() / 3).clamp(1, 4);
    let candidates = rows().iter().filter(|row| row.known()).filter_map(|row| {
        let apart = distance(name, row.name, limit)?;
        Some((!row.contexts.meets(context), apart, row.name))
    });
    candidates.min().map(|(_, _, name)| name)
}

/// How many letters have to be put in, left out, changed or swapped with their neighbour to make
/// `left` into `right`; `None` if more than `limit`.
pub fn distance(left: &str, right: &str, limit: usize) -> Option<usize> {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for i in 0..left.len() {
        let mut row = vec![i + 1; right.len() + 1];
        for j in 0..right.len() {
            let changed = last[j] + usize::from(left[i] != right[j]);
            row[j + 1] = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left[i] == right[j - 1] && left[i - 1] == right[j] {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        if row.iter().min() > Some(&limit) {
            return None;
        }
        before_last = std::mem::replace(&mut last, row);
    }
    Some(last[right.len()]).filter(|apart| *apart <= limit)
}

struct Catalogue {
    rows: Vec<Row>,
    /// The range of the rows of each name.
    names: HashMap<&'static str, (usize, usize)>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::parse(include_str!("../../grammar/directives.tsv")).expect("a test parses the catalogue")
});

impl Catalogue {
    fn parse(text: &'static str) -> Result<Catalogue, String> {
        let mut rows = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if at > 0 && !line.starts_with('#') {
                rows.push(Row::parse(line).map_err(|error| format!("line {}: {error}", at + 1))?);
            }
        }
        rows.sort_by_key(|row| row.name);
        let mut names = HashMap::new();
        let mut start = 0;
        for same in rows.chunk_by(|one, other| one.name == other.name) {
            names.insert(same[0].name, (start, start + same.len()));
            start += same.len();
        }
        Ok(Catalogue { rows, names })
    }
}

impl Row {
    fn parse(line: &'static str) -> Result<Row, String> {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let [name, module, contexts, args, block, once, serve, form, default, since, edition, syntax, note] =
            columns[..]
        else {
            return Err(format!("{} columns", columns.len()));
        };
        Ok(Row {
            name,
            module,
            contexts: contexts_of(contexts)?,
            arity: Arity::parse(args)?,
            block: Block::parse(block)?,
            once: one_of(once, &[("", false), ("once", true)])?,
            serve: one_of(serve, SERVES)?,
            forms: Forms::parse(form)?,
            default,
            since,
            edition: one_of(edition, EDITIONS)?,
            syntax,
            note,
        })
    }
}

const SERVES: &[(&str, Serve)] =
    &[("served", Serve::Served), ("tunes", Serve::Tunes), ("changes", Serve::Changes)];

const EDITIONS: &[(&str, Edition)] = &[
    ("oss", Edition::Open),
    ("oss-separate", Edition::Separate),
    ("plus", Edition::Plus),
    ("elsewhere", Edition::Elsewhere),
    ("removed", Edition::Removed),
    ("third-party", Edition::ThirdParty),
    ("wsproxy", Edition::Ours),
];

fn one_of<T: Copy>(word: &str, table: &[(&str, T)]) -> Result<T, String> {
    let found = table.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| *value).ok_or_else(|| format!("unknown word \"{word}\""))
}

fn contexts_of(column: &str) -> Result<Context, String> {
    column.split(", ").filter(|name| !name.is_empty()).try_fold(Context::NONE, |all, name| {
        Context::named(name).map(|one| all | one).ok_or_else(|| format!("unknown context \"{name}\""))
    })
}

impl Block {
    fn parse(column: &str) -> Result<Option<Block>, String> {
        match column {
            "" => Ok(None),
            "if" => Ok(Some(Block::If)),
            _ => Ok(Some(Block::Of(contexts_of(column)?))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_can_be_read() {
        let catalogue = Catalogue::parse(include_str!("../../grammar/directives.tsv"));
        assert!(catalogue.is_ok_and(|catalogue| catalogue.rows.len() > 1000));
    }

    #[test]
    fn a_name_has_a_row_for_each_module() {
        assert!(find(b"listen").len() >= 3);
        assert!(find(b"lissten").is_empty());
        assert_eq!(in_context(b"listen", Context::SERVER).map(|row| row.module), Some("http_core"));
        assert_eq!(in_context(b"listen", Context::STREAM_SERVER).map(|row| row.module), Some("stream_core"));
        assert!(in_context(b"listen", Context::LOCATION).is_none());
    }

    #[test]
    fn a_typo_has_a_nearest_name() {
        assert_eq!(nearest(b"proxy_pas", Context::LOCATION), Some("proxy_pass"));
        assert_eq!(nearest(b"sever_name", Context::SERVER), Some("server_name"));
        assert_eq!(nearest(b"lsiten", Context::SERVER), Some("listen"));
        assert_eq!(nearest(b"completely_different_thing", Context::SERVER), None);
        assert_eq!(nearest(b"", Context::SERVER), None);
    }

    #[test]
    fn an_arity_counts() {
        let arity = Arity::parse("1,3").unwrap();
        assert!(arity.takes(1) && !arity.takes(2) && arity.takes(3) && !arity.takes(9));
        assert_eq!(arity.to_string(), "1 or 3 arguments");
        assert_eq!(Arity::parse("0").unwrap().to_string(), "no arguments");
        assert_eq!(Arity::parse("2+").unwrap().to_string(), "at least 2 arguments");
        assert_eq!(Arity::parse("flag").unwrap().to_string(), "1 argument");
        assert!(Arity::parse("few").is_err());
    }
}
