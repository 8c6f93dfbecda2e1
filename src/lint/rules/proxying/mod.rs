//! Where requests go, and with what.

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[];
