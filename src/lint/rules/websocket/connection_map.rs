//! The map that says `upgrade` for handshakes and nothing for other requests: what most mistakes with Connection are
//! mended by.

use crate::diagnostics::{Diagnostic, Edit, Fix};
use crate::lint::edit;
use crate::lint::site::{Origin, Site, has_upgrade};
use crate::syntax::{Directive, Word};

/// A variable that is `upgrade` for handshakes alone.
pub struct ConnectionMap {
    /// With its `$`.
    variable: String,
    /// Writes the map, where there is none yet.
    new: Option<Edit>,
}

const NAME: &str = "connection_upgrade";
/// Kept connections stay possible: for plain requests nothing is sent.
const MAP: &str = "map $http_upgrade $connection_upgrade {\n    default upgrade;\n    \"\"      \"\";\n}";

impl ConnectionMap {
    /// The one that is written, or a new one; `None` where its name is taken by something else.
    pub fn of(site: &Site<'_>) -> Option<ConnectionMap> {
        if let Some((_, map)) = site.all(&["map"]).find(|(_, map)| tells_handshakes(site, map)) {
            return Some(ConnectionMap { variable: map.args.last()?.value.to_string(), new: None });
        }
        if !site.origins(NAME.as_bytes()).is_empty() {
            return None;
        }
        let http = site.http()?;
        let new = match http.directive() {
            Some(directive) => edit::first_in(site.tree, directive, MAP)?,
            None => edit::before(site.tree, http.items().first()?, MAP),
        };
        Some(ConnectionMap { variable: format!("${NAME}"), new: Some(new) })
    }

    /// The line that sends it.
    pub fn line(&self) -> String {
        format!("proxy_set_header Connection {};", self.variable)
    }

    /// A finding with the advice to write the line, and with an edit that does.
    pub fn mend(self, finding: Diagnostic, edit: Edit, safe: bool) -> Diagnostic {
        let line = self.line();
        let help = match &self.new {
            Some(_) => format!(
                "write \"{line}\", and in http \"map $http_upgrade {} {{ default upgrade; '' ''; }}\"",
                self.variable
            ),
            None => format!("write \"{line}\", which a map sets to upgrade for handshakes"),
        };
        let title = "send Connection: upgrade with handshakes alone".to_owned();
        finding.help(help).fix(Fix { title, safe, edits: self.new.into_iter().chain([edit]).collect() })
    }
}

/// A finding about the value of a Connection line, mended by the map.
pub fn instead(site: &Site<'_>, finding: Diagnostic, value: &Word) -> Diagnostic {
    match ConnectionMap::of(site) {
        Some(map) => {
            let edit = edit::replace(value, &map.variable);
            map.mend(finding, edit, false)
        }
        None => {
            finding.help("send the variable of a map on $http_upgrade that is upgrade for handshakes alone")
        }
    }
}

/// Whether a map looks at Upgrade, and tells handshakes from what has none.
fn tells_handshakes(site: &Site<'_>, map: &Directive) -> bool {
    let [input, variable] = &map.args[..] else { return false };
    let name = variable.value.strip_prefix(b"$").unwrap_or_default();
    let is_alone = matches!(site.origins(name)[..], [Origin::Map { .. }]);
    let row = |key: &str| site.rows(map).find(|(own, _)| own.value == key).map(|(_, value)| &value.value);
    let says = |key: &str| row(key).or(row("default")).is_some_and(|value| has_upgrade(value));
    input.value.eq_ignore_ascii_case(b"$http_upgrade") && is_alone && says("websocket") && !says("")
}
