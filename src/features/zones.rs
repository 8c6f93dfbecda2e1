//! Shared memory zones by name: one table for every directive that declares or uses one.
//!
//! A process of ours shares its memory between workers as it is, so a zone is only a name; nginx's
//! rules about names and sizes are kept.

use std::collections::HashMap;

use crate::source::Span;

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
