//! What shows when many people come.

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[];
