//! What attackers could use.

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[];
