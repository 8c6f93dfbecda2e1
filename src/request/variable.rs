//! Variables: the rows that features register, and the table a configuration makes of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::Request;

/// Appends a variable's value; false where the request has none.
pub type Get = fn(&Request, &mut Vec<u8>) -> bool;

/// The same for a family of variables, given the part of the name behind the prefix.
pub type GetNamed = fn(&Request, &[u8], &mut Vec<u8>) -> bool;

/// A variable with a name of its own, as a row.
pub struct Variable {
    pub name: &'static str,
    pub get: Get,
}

/// A family such as `$http_*`, as a row.
pub struct PrefixVariable {
    pub prefix: &'static str,
    pub get: GetNamed,
}

/// What computes a variable from others, once a request.
pub trait Compute: Send + Sync {
    fn compute(&self, request: &Request, out: &mut Vec<u8>) -> bool;
}

/// Names a variable of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VariableId(u32);

/// Where a variable's value comes from.
#[derive(Clone)]
pub enum Source {
    Row(&'static Variable),
    /// A family's row and the rest of the name.
    Named(&'static PrefixVariable, Box<[u8]>),
    /// Given by `set`, by a named capture or by a feature.
    Slot(usize),
    /// Computed when first asked for.
    Computed(usize, Arc<dyn Compute>),
    /// Computed whenever asked for.
    Volatile(Arc<dyn Compute>),
    /// Referred to, and given a value by nobody.
    Absent,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Row(row) => write!(f, "${}", row.name),
            Source::Named(row, rest) => write!(f, "${}{}", row.prefix, String::from_utf8_lossy(rest)),
            Source::Slot(slot) => write!(f, "slot {slot}"),
            Source::Computed(slot, _) => write!(f, "computed {slot}"),
            Source::Volatile(_) => f.write_str("volatile"),
            Source::Absent => f.write_str("absent"),
        }
    }
}

/// Every variable that a configuration names.
#[derive(Debug, Default)]
pub struct Variables {
    names: Vec<Box<[u8]>>,
    sources: Vec<Source>,
    ids: HashMap<Box<[u8]>, VariableId>,
    slots: usize,
}

impl Variables {
    /// The variable of this name (without `$`, in lower case as nginx compares names); a name seen
    /// for the first time is absent until somebody defines it.
    pub fn refer(&mut self, name: &[u8]) -> VariableId {
        let name = name.to_ascii_lowercase();
        if let Some(id) = self.ids.get(&name[..]) {
            return *id;
        }
        let id = VariableId(self.names.len() as u32);
        let name: Box<[u8]> = name.into();
        self.names.push(name.clone());
        self.sources.push(Source::Absent);
        self.ids.insert(name, id);
        id
    }

    /// A slot for a variable that directives give values to; the same name gets the same slot.
    pub fn slot(&mut self, name: &[u8]) -> usize {
        let id = self.refer(name);
        match self.sources[id.0 as usize] {
            Source::Slot(slot) | Source::Computed(slot, _) => slot,
            _ => {
                let slot = self.slots;
                self.slots += 1;
                self.sources[id.0 as usize] = Source::Slot(slot);
                slot
            }
        }
    }

    /// A variable that is computed; the last definition of a name holds, as in nginx.
    pub fn computed(&mut self, name: &[u8], compute: Arc<dyn Compute>) {
        let slot = self.slot(name);
        let id = self.refer(name);
        self.sources[id.0 as usize] = Source::Computed(slot, compute);
    }

    /// The same for one that is computed anew each time.
    pub fn volatile(&mut self, name: &[u8], compute: Arc<dyn Compute>) {
        let id = self.refer(name);
        self.sources[id.0 as usize] = Source::Volatile(compute);
    }

    pub fn define(&mut self, id: VariableId, source: Source) {
        self.sources[id.0 as usize] = source;
    }

    pub fn source(&self, id: VariableId) -> &Source {
        &self.sources[id.0 as usize]
    }

    pub fn name(&self, id: VariableId) -> &[u8] {
        &self.names[id.0 as usize]
    }

    /// Every variable named so far.
    pub fn ids(&self) -> impl Iterator<Item = VariableId> + use<> {
        (0..self.names.len() as u32).map(VariableId)
    }
}
