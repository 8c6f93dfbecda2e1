//! What tells a location from all others, and whether it still says the same, from one configuration to the
//! next: tunnels outlive the configuration they began with.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::features::listen::{Listen, ServerName};
use crate::source::Span;
use crate::syntax::{Directive, NodeId, Tree};

use super::locations::Kind;

/// The mark of a server or a location.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Where it is: the addresses and names of its server, and its own name within it.
    pub name: u64,
    /// What is written in it, and in its server outside of other locations.
    pub text: u64,
}

impl Mark {
    pub fn of_server(listens: &[Listen], names: &[(ServerName, Span)], text: u64) -> Mark {
        let mut name = DefaultHasher::new();
        listens.iter().for_each(|listen| listen.address.hash(&mut name));
        names.iter().for_each(|(server, _)| server.text().hash(&mut name));
        Mark { name: name.finish(), text }
    }

    /// Of a location inside. `at` tells those without a name from one another.
    pub fn within(self, kind: &Kind, own: &[u8], at: usize, text: u64) -> Mark {
        let mut name = DefaultHasher::new();
        (self.name, std::mem::discriminant(kind), own).hash(&mut name);
        if matches!(kind, Kind::Unnamed) {
            at.hash(&mut name);
        }
        let mut both = DefaultHasher::new();
        (self.text, text).hash(&mut both);
        Mark { name: name.finish(), text: both.finish() }
    }
}

/// The words of a block, and of all blocks in it that are `wanted`; comments and white space are no words.
pub fn text(tree: &Tree, block: Option<NodeId>, wanted: fn(&Directive) -> bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    words(tree, block, wanted, &mut hasher);
    hasher.finish()
}

fn words(tree: &Tree, block: Option<NodeId>, wanted: fn(&Directive) -> bool, hasher: &mut DefaultHasher) {
    for directive in tree.items(block).filter(|directive| wanted(directive)) {
        directive.name.value.hash(hasher);
        directive.args.iter().for_each(|word| word.value.hash(hasher));
        // What an include brings is among the items already.
        if !directive.is("include") {
            "{".hash(hasher);
            words(tree, Some(directive.id), wanted, hasher);
            "}".hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::features::Options;
    use crate::source::Memory;
    use crate::syntax;

    use super::Mark;

    fn marks(server: &str) -> Vec<Mark> {
        let files = Memory::from([("/a.conf", format!("events {{}} http {{ server {{ {server} }} }}"))]);
        let (tree, _) = syntax::load(Path::new("/a.conf"), Path::new("/"), &files);
        let options = Options {
            prefix: "/".into(),
            conf_prefix: "/".into(),
            context: crate::directive::Context::MAIN,
            fragment: false,
        };
        let (model, _) = super::super::read(&tree, &files, &options);
        model.http.locations.iter().map(|location| location.mark).collect()
    }

    #[test]
    fn a_location_keeps_its_name_and_shows_when_its_text_changes() {
        let one = marks("listen 80; location /a { return 200; } location /b { return 200; }");
        let other = marks("# a comment\nlisten 80; location /a { return 201; } location /b { return 200; }");
        let names = |marks: &[Mark]| marks.iter().map(|mark| mark.name).collect::<Vec<_>>();
        assert_eq!(names(&one), names(&other));
        let unchanged: Vec<bool> =
            one.iter().zip(&other).map(|(one, other)| one.text == other.text).collect();
        // The server's own, /a, /b.
        assert_eq!(unchanged, [true, false, true]);
        let moved = marks("listen 81; location /a { return 200; } location /b { return 200; }");
        assert!(names(&one).iter().all(|name| !names(&moved).contains(name)));
        let server = marks("listen 80; root /x; location /a { return 200; } location /b { return 200; }");
        assert_eq!(names(&one), names(&server));
        assert!(one.iter().zip(&server).all(|(one, other)| one.text != other.text));
    }
}
