//! A proxy_pass whose URI takes the place of its location's name.

use bstr::ByteSlice;

use crate::directive::Context;
use crate::lint::site::{Block, LocationName, Pass, Site};

use super::subrequests::Subrequests;

/// A location whose name is cut off the beginning of paths, and what is put there.
pub struct Replaced<'a> {
    pub pass: Pass<'a>,
    pub name: LocationName<'a>,
    pub uri: &'a [u8],
}

/// Every such proxy_pass. Those through which only paths go that are known are left out, and those where a rewrite
/// makes the path: nginx leaves the URI of proxy_pass out then.
pub fn replaced<'a>(site: &'a Site<'a>) -> impl Iterator<Item = Replaced<'a>> {
    let subrequests = Subrequests::of(site);
    site.passes().filter_map(move |pass| {
        let name =
            pass.block.name().filter(|name| name.modifier.is_prefix() && name.name.starts_with(b"/"))?;
        let uri = pass.uri().filter(|uri| !pass.has_variables() && !uri.contains(&b'#'))?;
        let is_plain = !is_rewritten(pass.block) && !subrequests.has(pass.block);
        is_plain.then_some(Replaced { pass, name, uri })
    })
}

impl Replaced<'_> {
    /// What a path below the location's name becomes.
    pub fn becomes(&self, rest: &str) -> String {
        format!("{}{rest}", self.uri.to_str_lossy())
    }

    /// Whether the URI ends in arguments, to which the rest of the path is then added: that is done on purpose.
    pub fn ends_in_arguments(&self) -> bool {
        self.uri.contains(&b'?')
    }
}

/// Whether a rewrite may have made the path of requests that get here.
fn is_rewritten(location: Block<'_>) -> bool {
    let in_if = location.children().filter(|inner| inner.context() == Context::IF_LOCATION);
    let here = std::iter::once(location).chain(in_if).any(|block| block.has("rewrite"));
    let breaks = |server: Block<'_>| {
        server.own("rewrite").iter().any(|line| line.args.last().is_some_and(|flag| flag.value == "break"))
    };
    here || location.server().is_some_and(breaks)
}
